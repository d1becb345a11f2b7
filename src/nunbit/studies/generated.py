"""Training on conversations that are generated as training goes, with any number of pictures each.

Nothing is stored: a batch is a function of its step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from nunbit.messages import Message
from nunbit.models.image_tokens import image_tokens
from nunbit.models.prompt import Prompt, PromptBuilder
from nunbit.training.multimodal import ConversationTask
from nunbit.training.stage import Batch, Stage

Conversation = Callable[[int, int], Sequence[Message]]
"""Number and seed -> a conversation; its pictures are uint8 arrays ``(H, W, 3)``."""


class GeneratedTask(ConversationTask):
    """`ConversationTask` on an endless stream of conversations.

    Args:
        model: a native LLaVA whose learning parts are unfrozen (`nunbit.training.multimodal.freeze`).
        processor: the model's.
        conversation: number and seed -> a conversation.
    """

    def __init__(self, model: Any, processor: Any, conversation: Conversation) -> None:
        super().__init__(model, processor.image_processor, [], pad=processor.tokenizer.pad_token_id)
        self.conversation = conversation
        self.builder = PromptBuilder.from_processor(processor, image_tokens(model.config))

    def modules(self) -> dict[str, nn.Module]:
        """The learning parts as modules, so that the optimiser can treat their matrices and tables differently."""
        inner = self.model.model
        parts = {
            "vision": inner.vision_tower,
            "connector": inner.multi_modal_projector,
            "language": inner.language_model,
        }
        return {name: part for name, part in parts.items() if self.learns[name]}

    def batch(self, step: int, stage: Stage) -> Batch:
        """The conversations of a step, the longest first: ids ``(B, T)``, all pictures ``(P, 3, H, W)`` and the row
        of each ``(P,)``.
        """
        conversations = [self.conversation(step * stage.batch + i, stage.seed) for i in range(stage.batch)]
        rows = sorted(((self._row(c), c) for c in conversations), key=lambda pair: -pair[0].length)
        out = self.collate([[row] for row, _ in rows])
        pictures = [(i, p) for i, (_, c) in enumerate(rows) for m in c for p in m.images]
        if pictures:
            out["pixels"] = self.images(images=[p for _, p in pictures], return_tensors="pt")["pixel_values"]
            out["owner"] = torch.tensor([i for i, _ in pictures])
        return out

    def _row(self, conversation: Sequence[Message]) -> Prompt:
        """The prompt without its pictures, which `batch` processes all at once."""
        return replace(self.builder.build(conversation, training=True, name="a generated conversation"), media=())
