"""Training a native LLaVA or LLaVA-NeXT (any encoder, any language model) on conversations: its parts, its batches, its loss.

Legend: B samples, T tokens, P pictures, N tokens a picture, D width, V vocabulary, R answer rows.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

from nunbit.data.conversations import Encoded
from nunbit.data.grouping import packs
from nunbit.data.mixture import MixtureSampler
from nunbit.data.packing import block_mask
from nunbit.errors import UserError, check_names
from nunbit.media.images import decode
from nunbit.models.compose import image_tokens, picture_tokens
from nunbit.training.distributed import shard_layers
from nunbit.training.flops import LlavaCost
from nunbit.training.loop import Batch, Stage

if TYPE_CHECKING:
    from nunbit.models.assistant import Assistant

PARTS = {"vision": ("model.vision_tower.",), "connector": ("model.multi_modal_projector.", "model.image_newline"), "language": ("model.language_model.", "lm_head.")}  # fmt: skip


ROWS = ("ids", "labels", "mask", "document", "positions", "index", "weight")
"""What a batch holds a row of text; everything else but ``answers`` and ``owner`` is a picture's."""


def part_of(name: str) -> str:
    """Which part of a native LLaVA a parameter belongs to, by its name (adapters and wrappers keep the prefix)."""
    return next(part for part, heads in PARTS.items() if name.startswith(heads))


def freeze(model: Any, rates: Mapping[str, float]) -> None:
    """Let the parts with a rate above zero learn, and no others."""
    check_names("part", rates, PARTS)
    for name, p in model.named_parameters():
        p.requires_grad_(rates.get(part_of(name), 0.0) > 0)
    if not any(p.requires_grad for p in model.parameters()):
        raise UserError("every part is frozen", allowed="a rate above 0 for vision, connector or language")


def learning_parts(model: Any) -> dict[str, nn.Module]:
    """Parameters that require a gradient, by part."""
    held: dict[str, dict[str, nn.Parameter]] = {}
    for name, p in model.named_parameters():
        if p.requires_grad:
            held.setdefault(part_of(name), {})[name.replace(".", "/")] = p
    return {part: nn.ParameterDict(values) for part, values in held.items()}


def answer_loss(
    logits: torch.Tensor, wanted: torch.Tensor, answers: torch.Tensor, weight: torch.Tensor | None = None
) -> tuple[torch.Tensor, dict[str, float]]:
    """Cross entropy of answer rows ``(R, V)`` summed, over the whole batch's ``answers`` or with a ``weight`` (R,) each; and the share of
    them that is right, of the whole batch's."""
    if weight is None:
        loss = F.cross_entropy(logits.float(), wanted, reduction="sum") / answers
    else:
        loss = (F.cross_entropy(logits.float(), wanted, reduction="none") * weight).sum()
    right = (logits.detach().argmax(-1) == wanted).sum() / answers
    return loss, {"token_ok": right.item()}


class SampleTask(ABC):
    """Encoded conversations as batches, whatever model learns from them: which samples a step shows, padded rows, pictures, pieces.

    Args:
        image_processor: PIL pictures -> ``pixel_values``.
        group: batches of samples of like length and of one kind (with pictures or without); otherwise shuffled only.
        ordered: not even shuffled.
        pack: tokens a row; the samples of a batch share rows, each under its own block of the attention mask. 0: a row each.
        sizes, weights, accumulate: where the samples are of several files, see `nunbit.data.mixture.MixtureSampler`.
        processor: with it the model can be asked while it learns (`as_assistant`).
    """

    model: Any
    aware: Any = None
    """The layer connectors, where the model has some."""

    def __init__(self, image_processor: Any, samples: Sequence[Encoded], *, pad: int, image_id: int, group: bool = True,
                 ordered: bool = False, pack: int = 0, sizes: Mapping[str, int] | None = None,
                 weights: Sequence[float] | None = None, accumulate: bool = False, processor: Any = None) -> None:  # fmt: skip
        self.images, self.samples, self.pad, self.image_id, self.pack = image_processor, samples, pad, image_id, pack
        self.group, self.ordered, self.sizes, self.weights, self.accumulate = group, ordered, sizes, weights, accumulate
        self.processor = processor

    @abstractmethod
    def tokens_of(self, picture: Any) -> int:
        """How many tokens a PIL picture takes."""

    @abstractmethod
    def modules(self) -> dict[str, nn.Module]:
        """What learns, by part, and nothing else: checkpoints leave out what is frozen."""

    @abstractmethod
    def loss(self, batch: Batch) -> tuple[torch.Tensor, dict[str, float]]:
        """`answer_loss` of a piece."""

    @cached_property
    def sampler(self) -> MixtureSampler:
        lengths = np.array([s.length for s in self.samples])
        kinds = np.array([bool(s.images) for s in self.samples])
        return MixtureSampler(lengths, kinds, self.sizes or {"data": len(lengths)}, self.weights, accumulate=self.accumulate,
                       group=self.group, ordered=self.ordered)  # fmt: skip

    def steps(self, batch: int, epochs: float = 1) -> int:
        """Optimiser steps of so many passes over the samples."""
        return max(1, round(self.sampler.steps(batch) * epochs))

    def sampler_state(self, step: int, stage: Stage) -> dict[str, Any]:
        """Where the sampler stands before a step: what it draws from, and of several files how many samples each has shown."""
        drawn = self.sampler.drawn(step, stage.batch, stage.seed) if self.sizes and len(self.sizes) > 1 else {}
        return {"data": self._digest, "batch": stage.batch, "seed": stage.seed, "drawn": drawn}

    @cached_property
    def _digest(self) -> str:
        """Twelve hex digits of all that decides which samples a step shows."""
        how = [self.sizes, self.weights, self.accumulate, self.group, self.ordered]
        samples = [(s.length, bool(s.images)) for s in self.samples]
        return hashlib.sha256(repr((how, samples)).encode()).hexdigest()[:12]

    @contextmanager
    def as_assistant(self) -> Iterator[Assistant]:
        """The model as it stands, ready to be asked; training goes on afterwards as if nobody had."""
        from nunbit.models.assistant import Assistant

        processor = self.processor or getattr(self.aware, "processor", None)
        if processor is None:
            raise UserError(
                "a task without a processor cannot be asked", allowed="ConversationTask(..., processor=...)"
            )
        modes = [(m, m.training) for m in self.model.modules()]
        cards = [self.model.device] if self.model.device.type == "cuda" else []
        with torch.random.fork_rng(cards):
            self.model.eval()
            try:
                yield Assistant.of(self.model, processor, self.aware)
            finally:
                for module, mode in modes:
                    module.training = mode

    def token_utilization(self, stage: Stage) -> float:
        """Share of the first pass's tokens that are no padding."""
        return self.sampler.token_utilization(stage.batch, stage.seed, self.pack)

    def batch(self, step: int, stage: Stage) -> Batch:
        """Right-padded rows, longest first, so that pieces of a batch are of like length too.

        Returns:
            ``ids``, ``labels`` (shifted: row t predicts ``labels[t]``), ``mask`` (B, T), and of packed rows what `collate` says;
            what `seen` says with ``owner`` (P,), the row of each picture, if there is one; ``answers``, the number of labels; ``weight``
            (B, T) of each label, where data sets are accumulated.
        """
        shown = self.sampler.at(step, stage.batch, stage.seed)
        if not self.accumulate:
            return self.load(sorted((self.samples[i] for i in shown[0]), key=lambda s: -s.length))
        weights = self._weights(shown)
        order = sorted((int(i) for part in shown for i in part), key=lambda i: -self.samples[i].length)
        return self.load([self.samples[i] for i in order], [weights[i] for i in order])

    def _weights(self, shown: Sequence[np.ndarray]) -> dict[int, float]:
        """Of each label of a sample: its data set's weight over the data set's labels in this step, so that losses are weighted means.
        Source: Flamingo, arXiv 2204.14198, sec. 2.4."""
        out: dict[int, float] = {}
        for part, weight in zip(shown, self.sampler.weights, strict=True):
            answers = sum(int(self.samples[i].trainable[1:].sum()) for i in part)
            out |= {int(i): weight / answers for i in part}
        return out

    def load(self, samples: Sequence[Encoded], weights: Sequence[float] | None = None) -> Batch:
        """The batch of these samples, their pictures opened; with the weight of each one's labels, if they differ."""
        places = packs([s.length for s in samples], self.pack) if self.pack else [[i] for i in range(len(samples))]
        rows = [[samples[i] for i in row] for row in places]
        out = self.collate(rows)
        if weights is not None:
            out["weight"] = torch.zeros(out["ids"].shape)
            for row, mine in zip(out["weight"], places, strict=True):
                spread = torch.tensor([weights[i] for i in mine]).repeat_interleave(
                    torch.tensor([samples[i].length for i in mine])
                )
                row[: len(spread)] = spread
        pictures = [(i, path) for i, row in enumerate(rows) for s in row for path in s.images]
        if pictures:
            found = [decode(path) for _, path in pictures]
            there = int((out["ids"] == self.image_id).sum())
            if there != sum(map(self.tokens_of, found)):
                raise UserError(f"pictures of {samples[0].name} or its neighbours have changed since they were counted",
                                todo="leave the pictures alone while training runs")  # fmt: skip
            out |= self.seen(found) | {"owner": torch.tensor([i for i, _ in pictures])} | self.scene_features(found)
        return out

    def seen(self, pictures: Sequence[Any]) -> Batch:
        """``pixels`` (P, 3, H, W) of PIL pictures; of an any-resolution model (P, K, 3, H, W), K tiles padded to the most, and ``sizes``
        (P, 2), their heights and widths."""
        found = self.images(images=list(pictures), return_tensors="pt")
        names = {"pixel_values": "pixels", "image_sizes": "sizes"}
        return {ours: found[theirs] for theirs, ours in names.items() if theirs in found}

    def scene_features(self, pictures: Sequence[Any]) -> Batch:
        """What else is known of the batch's pictures, a tensor a picture and fact; nothing here (see `nunbit.training.object_aware`)."""
        return {}

    def collate(self, rows: Sequence[Sequence[Encoded]]) -> Batch:
        """One or more samples a row; where it may be more, ``document`` (B, T) numbers them from 1 (-1: padding) and ``positions`` (B, T)
        begin anew with each."""
        shape = len(rows), max(sum(s.length for s in row) for row in rows)
        ids, labels = np.full(shape, self.pad, np.int64), np.full(shape, -100, np.int64)
        document, positions = np.full(shape, -1, np.int64), np.zeros(shape, np.int64)
        for i, row in enumerate(rows):
            at = 0
            for number, s in enumerate(row, 1):
                tokens, learnt = np.repeat(s.ids, s.often), np.repeat(s.trainable, s.often)
                here = slice(at, at + len(tokens))
                ids[i, here], document[i, here], positions[i, here] = tokens, number, np.arange(len(tokens))
                labels[i, at : here.stop - 1] = np.where(learnt, tokens, -100)[1:]
                at = here.stop
        made = {"ids": ids, "labels": labels, "mask": document > 0}
        if self.pack:
            made |= {"document": document, "positions": positions}
        out = {k: torch.from_numpy(v) for k, v in made.items()}
        return out | {"answers": (out["labels"] >= 0).sum()}

    def micro_batches(self, batch: Batch, stage: Stage) -> Iterator[Batch]:
        """Rows ``stage.micro_batch_size`` at a time, each piece as wide as its longest row; their losses add up to the batch's."""
        size = stage.micro_batch_size or len(batch["ids"])
        for start in range(0, len(batch["ids"]), size):
            rows = slice(start, start + size)
            width = int(batch["mask"][rows].sum(1).max())
            piece = {k: batch[k][rows, :width] for k in ROWS if k in batch} | {"answers": batch["answers"]}
            if "pixels" in batch:
                mine = (batch["owner"] >= start) & (batch["owner"] < start + size)
                if mine.any():
                    piece |= {k: v[mine] for k, v in batch.items() if k not in (*ROWS, "answers", "owner")}
                    piece["owner"] = batch["owner"][mine] - start
            yield piece


class ConversationTask(SampleTask):
    """Conversations for a native LLaVA or LLaVA-NeXT; whatever of it requires a gradient learns (see `freeze`).

    Args:
        how: of `SampleTask`.
    """

    def __init__(self, model: Any, image_processor: Any, samples: Sequence[Encoded], *, pad: int, pack: int = 0, **how: Any) -> None:  # fmt: skip
        window = getattr(model.config.get_text_config(), "sliding_window", None)
        if pack and window and window < pack:
            raise UserError(
                f"rows of {pack} tokens for a decoder that looks back {window}", allowed=f"pack up to {window}, or 0"
            )
        super().__init__(image_processor, samples, pad=pad, image_id=int(model.config.image_token_id), pack=pack, **how)
        self.model = model
        learning = {n for n, p in model.named_parameters() if p.requires_grad}
        self.learns = {part: any(part_of(n) == part for n in learning) for part in PARTS}
        model.model.vision_tower.train(self.learns["vision"])
        model.model.language_model.train(self.learns["language"])

    def tokens_of(self, picture: Any) -> int:
        return image_tokens(self.model.config, picture.size[::-1])

    def modules(self) -> dict[str, nn.Module]:
        return learning_parts(self.model)

    def operations(self, batch: Batch) -> float:
        """What a step on the batch has to compute, layer connectors not counted."""
        return self._cost.of(batch)

    @cached_property
    def _cost(self) -> LlavaCost:
        return LlavaCost(self.model, inside=self.aware is not None)

    def prepare(self, device: str, shard: bool = False) -> None:
        """Put everything on the device; with ``shard`` spread the decoder's layers, if they learn, over the processes."""
        if any(p.device.type != torch.device(device).type for p in self.model.parameters()):
            self.model.to(device)
        if shard and self.learns["language"]:
            shard_layers(self.model.model.language_model.layers, device)

    def loss(self, batch: Batch) -> tuple[torch.Tensor, dict[str, float]]:
        """`answer_loss` of the piece.

        Answer rows are chosen before the LM head, which sees R instead of B x T rows.
        """
        inner, rows = self.model.model, batch["labels"] >= 0
        embeds = self.embed(batch)
        if "document" in batch:
            seen: dict[str, Any] = {"attention_mask": block_mask(batch["document"]), "position_ids": batch["positions"]}
        else:
            seen = {"attention_mask": batch["mask"] if not bool(batch["mask"].all()) else None}
        hidden = inner.language_model(inputs_embeds=embeds, use_cache=False, **seen).last_hidden_state
        weight = batch["weight"][rows] if "weight" in batch else None
        return answer_loss(self.model.lm_head(hidden[rows]), batch["labels"][rows], batch["answers"], weight)

    def embed(self, batch: Batch) -> torch.Tensor:
        """Words with the pictures' tokens in their places (B, T, D).

        A piece without pictures is given a blank one with weight zero, so that every processor of a distributed run has a gradient for
        the connector.
        """
        embeds = self.model.get_input_embeddings()(batch["ids"])
        if "pixels" not in batch:
            if not (self.learns["connector"] or self.learns["vision"]):
                return embeds
            blank = {k: v.to(embeds.device) for k, v in self._blank.items()}
            return embeds + 0.0 * self.see(blank).sum().to(embeds.dtype)
        places = (batch["ids"] == self.image_id).unsqueeze(-1)
        return embeds.masked_scatter(places, self.see(batch).to(embeds.dtype))

    def see(self, batch: Batch) -> torch.Tensor:
        """The connector's tokens of the batch's pictures, in order, without a graph behind a frozen encoder."""
        return picture_tokens(self.model, batch["pixels"], self.learns["vision"], batch.get("sizes"))

    @cached_property
    def _blank(self) -> Batch:
        return self.seen([Image.new("RGB", (8, 8))])
