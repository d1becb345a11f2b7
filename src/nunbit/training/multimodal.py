"""Training a LLaVA-shaped model (any encoder, connector and language model) on conversations: its parts, its batches,
its loss.

Letters: B rows, T tokens, P pictures, D width of the language model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from PIL import Image
from torch import nn

from nunbit.data.packing import block_mask
from nunbit.errors import UserError, check_names
from nunbit.models.composed import embed, image_features, is_gated
from nunbit.models.image_tokens import image_tokens
from nunbit.models.prompt import Prompt
from nunbit.training.distributed import on_device
from nunbit.training.execution import set_execution
from nunbit.training.flops import LlavaCost
from nunbit.training.options import RunOptions
from nunbit.training.packed_attention import flattened, use_documents, use_rows
from nunbit.training.sample_task import SampleTask, answer_loss
from nunbit.training.sharding import root_gathered, root_of, shard_model
from nunbit.training.stage import Batch

if TYPE_CHECKING:
    from nunbit.assistant import Assistant

PARTS = {
    "vision": ("model.vision_tower.",),
    "connector": ("model.multi_modal_projector.", "model.image_newline", "model.image_marker"),
    "language": ("model.language_model.", "lm_head."),
}


def part_of(name: str) -> str:
    """Which part of a LLaVA-shaped model a parameter belongs to, by its name (adapters and wrappers keep the
    prefix)."""
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


class ConversationTask(SampleTask):
    """Conversations for a LLaVA-shaped model; whatever of it requires a gradient learns (see `freeze`).

    Args:
        options: of `SampleTask`.
    """

    def __init__(
        self, model: Any, image_processor: Any, samples: Sequence[Prompt], *, pad: int, pack: int = 0, **options: Any
    ) -> None:
        window = getattr(model.config.get_text_config(), "sliding_window", None)
        if pack and window and window < pack:
            raise UserError(
                f"rows of {pack} tokens for a decoder that looks back {window}", allowed=f"pack up to {window}, or 0"
            )
        self.gated = is_gated(model)
        if pack and self.gated:
            raise UserError("packed rows for gated cross-attention", allowed="pack=0")
        image_id = int(model.config.image_token_id)
        super().__init__(image_processor, samples, pad=pad, image_id=image_id, pack=pack, **options)
        self.model, self.flat = model, False
        learning = {n for n, p in model.named_parameters() if p.requires_grad}
        self.learns = {part: any(part_of(n) == part for n in learning) for part in PARTS}
        model.model.vision_tower.train(self.learns["vision"])
        model.model.language_model.train(self.learns["language"])
        model.model.multi_modal_projector.train(self.learns["connector"])

    def count_tokens(self, picture: Any) -> int:
        """How many tokens a PIL picture takes."""
        return image_tokens(self.model.config, picture.size[::-1])

    def modules(self) -> dict[str, nn.Module]:
        """Parameters that learn, by part."""
        return learning_parts(self.model)

    def operations(self, batch: Batch) -> float:
        """What a step on the batch has to compute, layer connectors not counted."""
        return self._cost.of(batch)

    @cached_property
    def _cost(self) -> LlavaCost:
        return LlavaCost(self.model, inside=self.aware is not None or self.gated)

    def set_execution(self, options: RunOptions) -> None:
        """Attention, recomputed and compiled layers (`nunbit.training.execution`)."""
        set_execution(self.model, options)

    def prepare(self, device: str, shard: bool = False) -> None:
        """Put everything on the device; with ``shard`` spread it over the processes, frozen parts included."""
        decoder = self.model.model.language_model
        use_rows(decoder)
        self.flat = bool(self.pack) and use_documents(decoder)
        if shard:
            shard_model(self.model, device)
        elif not all(on_device(p.device, device) for p in self.model.parameters()):
            self.model.to(device)

    @property
    def sharded(self) -> bool:
        """Whether the model is spread over the processes: they all run the same layers equally often."""
        return root_of(self.model) is not None

    @contextmanager
    def as_assistant(self) -> Iterator[Assistant]:
        """As `SampleTask.as_assistant`, also of a sharded model: every process evaluates."""
        decoder = self.model.model.language_model
        use_rows(decoder)
        try:
            with root_gathered(self.model), super().as_assistant() as assistant:
                yield assistant
        finally:
            if self.flat:
                use_documents(decoder)

    def loss(self, batch: Batch) -> tuple[torch.Tensor, dict[str, float]]:
        """`answer_loss` of the micro-batch: a scalar, and figures to log."""
        root = root_of(self.model)
        if root is None:
            return self.compute(batch)
        root.compute = self.compute
        found: tuple[torch.Tensor, dict[str, float]] = root(batch)
        return found

    def compute(self, batch: Batch) -> tuple[torch.Tensor, dict[str, float]]:
        """The loss, a scalar, and its figures; of a sharded model inside its root's forward pass. Target positions are
        chosen before the LM head."""
        rows, embeds = batch["labels"] >= 0, self.embed(batch)
        if self.sharded and not embeds.requires_grad:
            embeds = embeds.requires_grad_()  # the backward pass reaches every layer in every process
        hidden = self._hidden(embeds, batch)
        weight = batch["weight"][rows] if "weight" in batch else None
        return answer_loss(self.model.lm_head(hidden[rows]), batch["labels"][rows], batch["answers"], weight)

    def _hidden(self, embeds: torch.Tensor, batch: Batch) -> torch.Tensor:
        """What the decoder makes of ``(B, T, D)``: as large. Documents in one row do not see each other."""
        decoder, mask = self.model.model.language_model, batch["mask"]
        if "document" not in batch:
            seen: dict[str, Any] = {"attention_mask": mask if not bool(mask.all()) else None}
        elif self.flat:
            rows, seen = flattened(embeds, batch["positions"], mask)
            out = decoder(inputs_embeds=rows, use_cache=False, **seen).last_hidden_state[0]
            return torch.zeros_like(embeds).masked_scatter(mask.unsqueeze(-1), out.to(embeds.dtype))
        else:
            seen = {"attention_mask": block_mask(batch["document"]), "position_ids": batch["positions"]}
        hidden: torch.Tensor = decoder(inputs_embeds=embeds, use_cache=False, **seen).last_hidden_state
        return hidden

    def embed(self, batch: Batch) -> torch.Tensor:
        """Words with the pictures' tokens in their places, ``(B, T, D)``.

        A batch without pictures is given a blank one with weight zero, so that every process of a distributed run has
        a gradient for the connector, and of a sharded model runs the encoder.
        """
        if self.gated:
            self.model.set_image_context(batch["ids"], batch.get("pixels"), batch.get("index"))
        if "pixels" in batch:
            return embed(self.model, batch["ids"], self.features(batch))
        words = embed(self.model, batch["ids"], None)
        if not (self.learns["connector"] or self.learns["vision"] or self.sharded):
            return words
        if self.gated:
            return words + 0.0 * self._unseen(batch)
        blank = {k: v.to(words.device) for k, v in self._blank.items()}
        return words + 0.0 * self.features(blank).sum().to(words.dtype)

    def _unseen(self, batch: Batch) -> torch.Tensor:
        """A scalar of what learns of a gated model; of a sharded one a blank picture, which no word attends to, reaches
        the blocks."""
        inner = self.model.model
        if not self.sharded:
            learning = [p for p in inner.multi_modal_projector.parameters() if p.requires_grad]
            return torch.stack([p.sum() for p in [*learning, inner.image_marker]]).sum()
        ids = batch["ids"]
        seen = self.model.media(self._blank["pixels"].to(ids.device)).unsqueeze(0).expand(len(ids), -1, -1, -1)
        nowhere = torch.zeros_like(ids)
        inner.multi_modal_projector.set_context(seen, index=nowhere)
        return seen.sum() + inner.image_marker.sum()

    def features(self, batch: Batch) -> torch.Tensor:
        """The connector's tokens of the batch's pictures in order, ``(P, M, D)`` or ``(sum of M, D)``; no graph behind
        a frozen encoder."""
        return image_features(self.model, batch["pixels"], sizes=batch.get("sizes"), learning=self.learns["vision"])

    @cached_property
    def _blank(self) -> Batch:
        return self.pixels([Image.new("RGB", (8, 8))])
