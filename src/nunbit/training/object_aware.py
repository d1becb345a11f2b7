"""Training an object-aware model: conversations whose pictures' Scenes are context of the layer connectors.

Source: CoLLaVO, arXiv 2402.11248, sec. 3 (crayon prompt tuning); MoAI, arXiv 2403.07508, sec. 3.3 (step 1: one random
expert a side; step 2: soft gates).

Letters: B rows, T tokens.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from nunbit.models.object_aware import ObjectAwareModule
from nunbit.models.prompt import Prompt
from nunbit.training.multimodal import ConversationTask
from nunbit.training.options import RunOptions
from nunbit.training.sharding import shard_model
from nunbit.training.stage import Batch

if TYPE_CHECKING:
    from nunbit.assistant import Assistant


class ObjectAwareTask(ConversationTask):
    """`ConversationTask` with Scenes.

    Args:
        aware: the attached connectors; those that require a gradient learn. Its perception makes the Scenes.
        random_experts: MoAI's first step: one random expert a mixer and side, another each pass.
        options: of `ConversationTask`.
    """

    def __init__(
        self,
        aware: ObjectAwareModule,
        image_processor: Any,
        samples: Sequence[Prompt],
        *,
        random_experts: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(aware.model, image_processor, samples, **options)
        self.aware = aware
        moai: Any = aware.connectors.get("moai")
        self.moai = moai if random_experts else None
        self.keeps_context = False

    def modules(self) -> dict[str, nn.Module]:
        """Parts of the model and connectors that learn."""
        learning = {k: m for k, m in self.aware.modules().items() if any(p.requires_grad for p in m.parameters())}
        return super().modules() | learning

    def set_execution(self, options: RunOptions) -> None:
        """As `ConversationTask.set_execution`; layers that run again need their Scenes in the backward pass."""
        super().set_execution(options)
        self.keeps_context = options.recompute

    def prepare(self, device: str, shard: bool = False) -> None:
        """Put model and connectors on the device, or spread them over the processes. MoAI's mixers, of which a process
        may draw other experts than its neighbours, stay whole."""
        if not shard:
            super().prepare(device)
            for m in self.aware.connectors.values():
                m.to(device)
            return
        moai: Any = self.aware.connectors.get("moai")
        whole = [] if moai is None else [moai.mixers]
        shard_model(self.model, device, [*self.aware.connectors.values()], whole)

    @contextmanager
    def as_assistant(self) -> Iterator[Assistant]:
        """As `ConversationTask.as_assistant`."""
        self.aware.clear_context()
        with super().as_assistant() as assistant:
            yield assistant

    def resting(self, batch: Batch) -> list[nn.Parameter]:
        """What of sharded connectors no picture reached in this step: all of it, if the step shows none."""
        return self._sharded_parameters() if self.sharded and not int(batch["picture_count"]) else []

    def _sharded_parameters(self) -> list[nn.Parameter]:
        parameters = [p for m in self.aware.connectors.values() for p in m.parameters() if p.requires_grad]
        moai: Any = self.aware.connectors.get("moai")
        whole = set() if moai is None else set(moai.mixers.parameters())
        return [p for p in parameters if p not in whole]

    def _prompt_rows(self, learnt: torch.Tensor) -> torch.Tensor:
        """``(B, T)`` bool, true where the next token is learnt, to the tokens that are no answer.

        Where a token may read later ones, nothing after the first answer is mixed: a later question must not reach it.
        """
        moai: Any = self.aware.connectors.get("moai")
        answers = torch.nn.functional.pad(learnt, (1, 0))[:, :-1]
        return ~answers if moai is None or moai.supports_chunked_prefill else answers.cumsum(1) == 0

    def scene_features(self, pictures: Sequence[Any]) -> Batch:
        """Tensors of the pictures' Scenes (`ObjectAwareModule.scene_features`).

        Raises:
            UserError: a part of perception fails on too many pictures.
        """
        return self.aware.scene_features(self.aware.training_scenes(pictures))

    def compute(self, batch: Batch) -> tuple[torch.Tensor, dict[str, float]]:
        """The conversation's loss, a scalar, conditioned on the Scenes; and figures to log."""
        owner = batch.get("owner", torch.zeros(0, dtype=torch.long, device=batch["ids"].device))
        image = batch["ids"] == self.image_id
        experts = self.moai.sample_experts() if self.moai is not None else None
        prompt = batch["mask"] & ~image & self._prompt_rows(batch["labels"] >= 0)
        if self.sharded and not len(owner):
            self._run_map_encoder(batch["ids"].device)
        self.aware.set_context(batch, image, prompt, owner, experts)
        try:
            loss, figures = super().compute(batch)
        finally:
            if not self.keeps_context:
                self.aware.clear_context()
        if self.sharded:  # zeros for all that is sharded: every process sums the same
            loss = loss + 0.0 * sum((p.sum().float() for p in self._sharded_parameters()), torch.zeros_like(loss))
        # What no picture reached keeps no gradient: processes agree on that in the loop, and no optimiser moves it.
        return loss, figures

    def _run_map_encoder(self, device: torch.device) -> None:
        """Where other processes encode the colour maps of their pictures, encode one too: they gather its layers
        together."""
        if self.aware.config.maps and "moai" in self.aware.connectors:
            with torch.no_grad():
                self.features({k: v.to(device) for k, v in self._blank.items()})
