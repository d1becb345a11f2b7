"""The package's own namer of photographs, with the methods of a zero-shot classifier: its classes are ImageNet's, and a
label is one of the everyday names that stand for them.

Letters: B pictures, K labels, F = 1,000 fine names, S the side of the network's picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from nunbit.encoders.efficientnet_lite import MEAN, SCALE
from nunbit.errors import UserError
from nunbit.media.images import as_rgb
from nunbit.perception.image_names import ImageNamer, name_table

NAME = "image-names"
LEAST = 1e-9
BATCH = 16


def known_names() -> frozenset[str]:
    """The everyday names that can be labels."""
    return frozenset(row.everyday for row in name_table())


class NamerClassifier:
    """Classifies photographs by everyday names.

    Args:
        namer: of perception.
    """

    def __init__(self, namer: ImageNamer) -> None:
        self.model, self.side = namer.model.eval().requires_grad_(False), namer.side

    @torch.no_grad()
    def encode_images(self, images: Sequence[Any]) -> Tensor:
        """Probabilities of the fine names ``(B, F)``."""
        rows = []
        for start in range(0, len(images), BATCH):
            rows.append(self._probabilities(self.pixels(images[start : start + BATCH])))
        return torch.cat(rows)

    def encode_labels(self, labels: Sequence[str], templates: Sequence[str] = ()) -> Tensor:
        """Which fine names stand for each label ``(K, F)``; there are no templates.

        Raises:
            UserError: a label that no fine name stands for.
        """
        table = name_table()
        if unknown := [n for n in labels if n not in known_names()]:
            raise UserError(
                f"labels that the namer of photographs does not know: {', '.join(unknown)[:200]}",
                allowed="everyday names of ImageNet's classes",
            )
        return torch.tensor([[float(row.everyday == label) for row in table] for label in labels])

    def logits(self, images: Tensor, labels: Tensor) -> Tensor:
        """Log probabilities ``(B, K)`` of labels: the sum over the fine names that stand for each."""
        return (images @ labels.T).clamp_min(LEAST).log()

    def probabilities(self, images: Tensor, labels: Tensor) -> Tensor:
        """Probabilities ``(B, K)`` among the labels."""
        return self.logits(images, labels).softmax(-1)

    def pixels(self, images: Sequence[Any]) -> Tensor:
        """Pictures as the network sees them ``(B, 3, S, S)``, in 0 to 1."""
        squares = [as_rgb(i).resize((self.side, self.side), Image.Resampling.BICUBIC) for i in images]
        return torch.from_numpy(np.stack([np.asarray(s, np.float32) for s in squares]) / 255).permute(0, 3, 1, 2)

    def pixel_logits(self, pixels: Tensor, labels: Tensor) -> Tensor:
        """`logits` ``(B, K)`` of pixels ``(B, 3, S, S)`` in 0 to 1, with gradients."""
        return self.logits(self._probabilities(pixels), labels)

    def _probabilities(self, pixels: Tensor) -> Tensor:
        return self.model((255 * pixels - MEAN) / SCALE).logits.softmax(-1)
