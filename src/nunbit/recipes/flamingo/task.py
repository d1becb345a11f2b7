"""Training a Flamingo on conversations with pictures among their words; encoder and language model stay frozen.

Source: Flamingo, arXiv 2204.14198, sec. 2 and app. A. Letters: B rows, T tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from nunbit.models.flamingo import gated_parts
from nunbit.models.prompt import Prompt
from nunbit.training.multimodal import ConversationTask
from nunbit.training.stage import Batch, Stage


class FlamingoTask(ConversationTask):
    """Conversations for a model with gated cross-attention: its resampler, its gated blocks and the image token's row
    learn.

    Args:
        p_next: how often the words of a row attend to the next picture instead of the last one.
    """

    def __init__(
        self, model: Any, processor: Any, samples: Sequence[Prompt], *, p_next: float = 0.0, **options: Any
    ) -> None:
        model.requires_grad_(False)
        for part in gated_parts(model).values():
            part.requires_grad_(True)
        super().__init__(
            model,
            processor.image_processor,
            samples,
            pad=processor.tokenizer.pad_token_id,
            processor=processor,
            **options,
        )
        self.p_next = p_next

    def modules(self) -> dict[str, nn.Module]:
        """The parts that learn; the resampler is one of its own since it has no weight decay in the paper."""
        return gated_parts(self.model)

    def batch(self, step: int, stage: Stage) -> Batch:
        """As `SampleTask.batch`; with ``p_next`` also ``index`` (B, T), the picture that each token attends to."""
        out = super().batch(step, stage)
        if self.p_next:
            coins = np.random.default_rng((stage.seed, step, 5)).random(len(out["ids"])) < self.p_next
            out["index"] = pictures_seen(out["ids"] == self.image_id, torch.from_numpy(coins))
        return out


def pictures_seen(image: Tensor, ahead: Tensor) -> Tensor:
    """Which picture each token attends to, numbered from 1, 0 for none: ``(B, T)``.

    Args:
        image: ``(B, T)`` bool, where the pictures stand.
        ahead: ``(B,)`` bool, rows whose tokens attend to the next picture, those after the last one to the last;
            tokens of other rows attend to the last one before them.
    """
    last = image.long().cumsum(1)
    following = (last - image.long() + 1).minimum(last[:, -1:])
    return torch.where(ahead.unsqueeze(1), following, last)
