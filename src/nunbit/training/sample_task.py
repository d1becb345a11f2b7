"""Prompts with targets as batches, whatever model learns from them: which samples a step shows, padded or packed rows,
pictures.

Letters: B rows, T tokens, P pictures, K tiles a picture, H and W their sides, R target positions, V vocabulary.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from nunbit.data.grouping import packs
from nunbit.data.mixture import MixtureSampler
from nunbit.errors import UserError
from nunbit.media.bounds import processed, reduced
from nunbit.media.images import decode
from nunbit.models.prompt import Prompt
from nunbit.training.stage import Batch, Stage

if TYPE_CHECKING:
    from nunbit.assistant import Assistant

ROW_KEYS = ("ids", "labels", "mask", "document", "positions", "index", "weight")
"""What a batch holds for each row of text."""
BATCH_KEYS = ("answers", "picture_count", "owner")
"""What it holds once; everything else is for each picture."""

PICTURE_TOKENS = 256
"""What encoding a picture takes, roughly, in tokens of a decoder: to find the samples that take the most memory."""


def answer_loss(
    logits: torch.Tensor, wanted: torch.Tensor, answers: torch.Tensor, weight: torch.Tensor | None = None
) -> tuple[torch.Tensor, dict[str, float]]:
    """Cross entropy at the target positions.

    Args:
        logits: ``(R, V)``; wanted: (R,) the right ids.
        answers: scalar, targets of the whole batch: the loss is their mean.
        weight: (R,) of each target, in place of the mean.

    Returns:
        A scalar loss, and ``token_ok``: the share of the whole batch's targets that are right.
    """
    if weight is None:
        loss = F.cross_entropy(logits.float(), wanted, reduction="sum") / answers
    else:
        loss = (F.cross_entropy(logits.float(), wanted, reduction="none") * weight).sum()
    right = (logits.detach().argmax(-1) == wanted).sum() / answers
    return loss, {"token_ok": right.item()}


class SampleTask(ABC):
    """Prompts with targets as batches.

    Args:
        image_processor: PIL pictures -> ``pixel_values``.
        samples: prompts built for training.
        pad, image_id: ids of padding and of a picture's place.
        group: batches of samples of like length and of one kind (with pictures or without); otherwise shuffled only.
        ordered: not even shuffled.
        pack: tokens a row; the samples of a batch share rows, each under its own block of the attention mask. 0: a row
            each.
        sizes, weights, accumulate: where the samples are of several files, see `nunbit.data.mixture.MixtureSampler`.
        processor: with it the model can be evaluated while it learns (`as_assistant`).
    """

    model: Any
    aware: Any = None
    """The object-aware module, where the model has one."""
    rank, processes = 0, 1

    def __init__(
        self,
        image_processor: Any,
        samples: Sequence[Prompt],
        *,
        pad: int,
        image_id: int,
        group: bool = True,
        ordered: bool = False,
        pack: int = 0,
        sizes: Mapping[str, int] | None = None,
        weights: Sequence[float] | None = None,
        accumulate: bool = False,
        processor: Any = None,
    ) -> None:
        self.images, self.samples, self.pad, self.image_id, self.pack = image_processor, samples, pad, image_id, pack
        self.group, self.ordered, self.sizes, self.weights, self.accumulate = group, ordered, sizes, weights, accumulate
        self.processor = processor

    @abstractmethod
    def count_tokens(self, picture: Any) -> int:
        """How many tokens a PIL picture takes."""

    @abstractmethod
    def modules(self) -> dict[str, nn.Module]:
        """What learns, by part, and nothing else: checkpoints leave out what is frozen."""

    @abstractmethod
    def loss(self, batch: Batch) -> tuple[torch.Tensor, dict[str, float]]:
        """`answer_loss` of a micro-batch: a scalar, and figures to log."""

    @cached_property
    def sampler(self) -> MixtureSampler:
        """Which samples a step shows."""
        lengths = np.array([s.length for s in self.samples])
        kinds = np.array([bool(s.media) for s in self.samples])
        return MixtureSampler(
            lengths,
            kinds,
            self.sizes or {"data": len(lengths)},
            self.weights,
            accumulate=self.accumulate,
            group=self.group,
            ordered=self.ordered,
        )

    def steps(self, batch: int, epochs: float = 1) -> int:
        """Optimiser steps of so many passes over the samples."""
        return max(1, round(self.sampler.steps(batch) * epochs))

    def sampler_state(self, step: int, stage: Stage) -> dict[str, Any]:
        """Where the sampler stands before a step: what it draws from, and of several files how many samples each has
        shown."""
        drawn = self.sampler.drawn(step, stage.batch, stage.seed) if self.sizes and len(self.sizes) > 1 else {}
        return {"data": self._digest, "batch": stage.batch, "seed": stage.seed, "drawn": drawn}

    @cached_property
    def _digest(self) -> str:
        """Twelve hex digits of all that decides which samples a step shows."""
        settings = [self.sizes, self.weights, self.accumulate, self.group, self.ordered]
        samples = [(s.length, bool(s.media)) for s in self.samples]
        return hashlib.sha256(repr((settings, samples)).encode()).hexdigest()[:12]

    @contextmanager
    def as_assistant(self) -> Iterator[Assistant]:
        """The model as it stands, ready to be evaluated; training continues afterwards as if nothing had happened."""
        from nunbit.assistant import Assistant

        processor = self.processor or getattr(self.aware, "processor", None)
        if processor is None:
            raise UserError(
                "a task without a processor cannot be evaluated", allowed="ConversationTask(..., processor=...)"
            )
        modes = [(m, m.training) for m in self.model.modules()]
        cards = [self.model.device] if self.model.device.type == "cuda" else []
        with torch.random.fork_rng(cards):
            self.model.eval()
            assistant = Assistant.from_loaded(self.model, processor, self.aware)
            try:
                yield assistant
            finally:
                assistant.close()
                for module, mode in modes:
                    module.training = mode

    def token_utilization(self, stage: Stage) -> float:
        """Share of the first pass's tokens that are no padding."""
        return self.sampler.token_utilization(stage.batch, stage.seed, self.pack)

    def batch(self, step: int, stage: Stage) -> Batch:
        """Right-padded rows, longest first, so that micro-batches are of like length too.

        Returns:
            ``ids``, ``labels`` (shifted: position t predicts ``labels[t]``), ``mask`` (B, T), and of packed rows what
            `collate` says;
            what `pixels` says with ``owner`` (P,), the row of each picture, if there is one; ``answers`` and
            ``picture_count``, the number of targets and of all pictures;
            ``weight`` (B, T) of each target, where data sets are accumulated.
        """
        shown = self.sampler.at(step, stage.batch, stage.seed)
        if not self.accumulate:
            return self.load(sorted((self.samples[i] for i in shown[0]), key=lambda s: -s.length), stage=stage)
        weights = self._weights(shown)
        order = sorted((int(i) for part in shown for i in part), key=lambda i: -self.samples[i].length)
        return self.load([self.samples[i] for i in order], [weights[i] for i in order], stage)

    def divide(self, rank: int, processes: int) -> None:
        """Batches of steps hold the pictures of this process's micro-batches alone: nobody decodes another's."""
        self.rank, self.processes = rank, processes

    def _own(self, row: int, stage: Stage | None) -> bool:
        """Whether a row is of one of this process's micro-batches."""
        if stage is None or self.processes == 1:
            return True
        return row // (stage.micro_batch_size or stage.batch) % self.processes == self.rank

    def _weights(self, shown: Sequence[np.ndarray]) -> dict[int, float]:
        """Of each target of a sample: its data set's weight over the data set's targets in this step, so that losses
        are weighted means.
        Source: Flamingo, arXiv 2204.14198, sec. 2.4."""
        out: dict[int, float] = {}
        for part, weight in zip(shown, self.sampler.weights, strict=True):
            answers = sum(int(self.samples[i].loss_mask[1:].sum()) for i in part)
            out |= {int(i): weight / answers for i in part}
        return out

    def load(
        self, samples: Sequence[Prompt], weights: Sequence[float] | None = None, stage: Stage | None = None
    ) -> Batch:
        """The batch of these samples, their pictures opened.

        Args:
            weights: of each one's targets, if they differ.
            stage: open the pictures of this process's micro-batches alone.
        """
        places = packs([s.length for s in samples], self.pack) if self.pack else [[i] for i in range(len(samples))]
        rows = [[samples[i] for i in row] for row in places]
        out = self.collate(rows)
        if weights is not None:
            out["weight"] = torch.zeros(out["ids"].shape)
            for row, mine in zip(out["weight"], places, strict=True):
                lengths = torch.tensor([samples[i].length for i in mine])
                spread = torch.tensor([weights[i] for i in mine]).repeat_interleave(lengths)
                row[: len(spread)] = spread
        pictures = [(i, picture) for i, row in enumerate(rows) for s in row for picture in s.media]
        own = [(i, picture) for i, picture in pictures if self._own(i, stage)]
        out["picture_count"] = torch.tensor(len(pictures))
        return out | self._load_pictures(own, out["ids"], samples[0].name) if own else out

    def _load_pictures(self, own: Sequence[tuple[int, Any]], ids: torch.Tensor, name: str) -> Batch:
        """What `batch` says of pictures, given with their rows."""
        found = [reduced(decode(picture)) for _, picture in own]
        owner = torch.tensor([i for i, _ in own])
        if int((ids[owner.unique()] == self.image_id).sum()) != sum(map(self.count_tokens, found)):
            raise UserError(
                f"pictures of {name} or its neighbours have changed since they were counted",
                todo="leave the pictures alone while training runs",
            )
        return self.pixels(found) | {"owner": owner} | self.scene_features(found)

    def longest(self, rows: int, stage: Stage) -> Batch | None:
        """A micro-batch of so many rows of the longest samples, as large as a step's can be; None without samples."""
        if not self.samples:
            return None
        order = sorted(self.samples, key=lambda s: -s.length - PICTURE_TOKENS * len(s.media))
        each = max(1, self.pack // order[0].length) if self.pack else 1
        shown = [order[i % len(order)] for i in range(rows * each)]
        pieces = list(self.micro_batches(self.load(shown), replace(stage, micro_batch_size=rows)))
        return max(pieces, key=lambda piece: piece["ids"].numel())

    def pixels(self, pictures: Sequence[Any]) -> Batch:
        """``pixels`` (P, 3, H, W) of PIL pictures; of an any-resolution model (P, K, 3, H, W), K tiles padded to the
        most, and ``sizes``
        (P, 2), their heights and widths."""
        found = processed(self.images, pictures)
        names = {"pixel_values": "pixels", "image_sizes": "sizes"}
        return {ours: found[theirs] for theirs, ours in names.items() if theirs in found}

    def scene_features(self, pictures: Sequence[Any]) -> Batch:
        """Tensors of the pictures' Scenes, for a model that is conditioned on them; none here (see
        `nunbit.training.object_aware`)."""
        return {}

    def collate(self, rows: Sequence[Sequence[Prompt]]) -> Batch:
        """One or more samples a row; where it may be more, ``document`` (B, T) numbers them from 1 (-1: padding) and
        ``positions`` (B, T)
        begin anew with each."""
        shape = len(rows), max(sum(s.length for s in row) for row in rows)
        ids, labels = np.full(shape, self.pad, np.int64), np.full(shape, -100, np.int64)
        document, positions = np.full(shape, -1, np.int64), np.zeros(shape, np.int64)
        for i, row in enumerate(rows):
            at = 0
            for number, s in enumerate(row, 1):
                tokens, target = s.expanded()
                here = slice(at, at + len(tokens))
                ids[i, here], document[i, here], positions[i, here] = tokens, number, np.arange(len(tokens))
                labels[i, at : here.stop - 1] = np.where(target, tokens, -100)[1:]
                at = here.stop
        made = {"ids": ids, "labels": labels, "mask": document > 0}
        if self.pack:
            made |= {"document": document, "positions": positions}
        out = {k: torch.from_numpy(v) for k, v in made.items()}
        return out | {"answers": (out["labels"] >= 0).sum()}

    def micro_batches(self, batch: Batch, stage: Stage) -> Iterator[Batch]:
        """Rows ``stage.micro_batch_size`` at a time, each micro-batch as wide as its longest row; their losses add up
        to the batch's."""
        size = stage.micro_batch_size or len(batch["ids"])
        for start in range(0, len(batch["ids"]), size):
            rows = slice(start, start + size)
            width = int(batch["mask"][rows].sum(1).max())
            piece = {k: batch[k][rows, :width] for k in ROW_KEYS if k in batch} | {"answers": batch["answers"]}
            if "pixels" in batch:
                mine = (batch["owner"] >= start) & (batch["owner"] < start + size)
                if mine.any():
                    piece |= {k: v[mine] for k, v in batch.items() if k not in (*ROW_KEYS, *BATCH_KEYS)}
                    piece["owner"] = batch["owner"][mine] - start
            yield piece

    def empty(self, piece: Batch) -> Batch:
        """A micro-batch of this one's shape without pictures and answers."""
        made = {k: piece[k] for k in (*ROW_KEYS, "answers") if k in piece}
        words = torch.where(piece["ids"] == self.image_id, self.pad, piece["ids"])
        return made | {"ids": words, "labels": torch.full_like(piece["labels"], -100)}
