"""Training an object-aware model: conversations whose pictures' Scenes are context of the layer connectors.

Source: CoLLaVO, arXiv 2402.11248, sec. 3 (crayon prompt tuning); MoAI, arXiv 2403.07508, sec. 3.3 (step 1: one random
expert a side; step 2: soft gates).

Letters: B rows, T tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from nunbit.models.object_aware import ObjectAwareModule
from nunbit.models.prompt import Prompt
from nunbit.training.multimodal import ConversationTask
from nunbit.training.stage import Batch


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

    def modules(self) -> dict[str, nn.Module]:
        """Parts of the model and connectors that learn."""
        learning = {k: m for k, m in self.aware.modules().items() if any(p.requires_grad for p in m.parameters())}
        return super().modules() | learning

    def prepare(self, device: str, shard: bool = False) -> None:
        """Put model and connectors on the device."""
        super().prepare(device, shard)
        for m in self.aware.connectors.values():
            m.to(device)

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

    def loss(self, batch: Batch) -> tuple[torch.Tensor, dict[str, float]]:
        """The conversation's loss, a scalar, conditioned on the Scenes; and figures to log."""
        owner = batch.get("owner", torch.zeros(0, dtype=torch.long, device=batch["ids"].device))
        image = batch["ids"] == self.image_id
        experts = self.moai.sample_experts() if self.moai is not None else None
        prompt = batch["mask"] & ~image & self._prompt_rows(batch["labels"] >= 0)
        self.aware.set_context(batch, image, prompt, owner, experts)
        try:
            loss, figures = super().loss(batch)
        finally:
            self.aware.clear_context()
        # What no picture reached keeps no gradient: processes agree on that in the loop, and no optimiser moves it.
        return loss, figures
