"""Conversations drawn as training goes, any number of pictures in each: nothing is stored, a batch is a function of the step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from nunbit.data.conversations import Encoded
from nunbit.messages import Message
from nunbit.models.compose import image_tokens
from nunbit.models.prompt import Renderer, expand
from nunbit.training.loop import Batch, Stage
from nunbit.training.multimodal import ConversationTask

Talk = Callable[[int, int], Sequence[Message]]
"""Number and seed -> a conversation; its pictures are uint8 arrays ``(H, W, 3)``."""


class DrawnTask(ConversationTask):
    """`ConversationTask` on an endless stream of conversations.

    Args:
        model: a native LLaVA whose learning parts are unfrozen (`nunbit.training.multimodal.freeze`).
    """

    def __init__(self, model: Any, processor: Any, talk: Talk) -> None:
        super().__init__(model, processor.image_processor, [], pad=processor.tokenizer.pad_token_id)
        self.talk = talk
        self.renderer = Renderer(processor.tokenizer, processor.chat_template, image_token=processor.image_token)

    def modules(self) -> dict[str, nn.Module]:
        """The learning parts as modules, so that their matrices can be told from their tables."""
        inner = self.model.model
        parts = {"vision": inner.vision_tower, "connector": inner.multi_modal_projector, "language": inner.language_model}
        return {name: part for name, part in parts.items() if self.learns[name]}

    def batch(self, step: int, stage: Stage) -> Batch:
        talks = [self.talk(step * stage.batch + i, stage.seed) for i in range(stage.batch)]
        rows = sorted(((self._row(t), t) for t in talks), key=lambda pair: -pair[0].length)
        out = self.collate([[row] for row, _ in rows])
        pictures = [(i, p) for i, (_, talk) in enumerate(rows) for m in talk for p in m.images]
        if pictures:
            out["pixels"] = self.images(images=[p for _, p in pictures], return_tensors="pt")["pixel_values"]
            out["owner"] = torch.tensor([i for i, _ in pictures])
        return out

    def _row(self, talk: Sequence[Message]) -> Encoded:
        done = self.renderer.render(talk)
        ids = np.asarray(done.ids, np.int32)
        often = expand(ids, self.image_id, image_tokens(self.model.config))
        return Encoded("drawn", ids, np.asarray(done.trainable, bool), (), often)
