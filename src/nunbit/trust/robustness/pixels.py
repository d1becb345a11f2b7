"""A model's picture side as a function of pixels in 0 to 1, so that gradients reach them.

Letters: B pictures, K classes, D width.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize

from nunbit.encoders.zero_shot import ZeroShotClassifier, vectors_of
from nunbit.errors import UserError
from nunbit.media.bounds import processed


class PixelModel:
    """The picture side of a model.

    Args:
        model: a contrastive one with ``get_image_features``, or any other with ``features``.
        image_processor: scales and normalises pictures.
        features: normalised pixels ``(B, 3, H, W)`` -> ``(B, ...)``; those of the contrastive model if None.
    """

    def __init__(self, model: Any, image_processor: Any, features: Callable[[Tensor], Tensor] | None = None) -> None:
        self.model, self.image_processor = model, image_processor
        self._features = features or (lambda pixels: vectors_of(model.get_image_features(pixel_values=pixels)))
        plain = not getattr(image_processor, "do_normalize", True)
        mean = [0.0] * 3 if plain else image_processor.image_mean
        deviation = [1.0] * 3 if plain else image_processor.image_std
        self._mean, self._deviation = (torch.tensor(v).reshape(1, 3, 1, 1) for v in (mean, deviation))

    def pixels(self, images: Sequence[Any]) -> Tensor:
        """Pictures as the model sees them ``(B, 3, H, W)``, in 0 to 1.

        Raises:
            UserError: the processor makes pictures of several sizes, or none in colour.
        """
        found = processed(self.image_processor, images)["pixel_values"]
        if not isinstance(found, Tensor) or found.ndim != 4 or found.shape[1] != 3:
            raise UserError("a model whose pictures have no one size", allowed="CLIP- and SigLIP-shaped models")
        return (found.float() * self._deviation + self._mean).clamp(0, 1)

    def features(self, pixels: Tensor) -> Tensor:
        """Features ``(B, ...)`` of pixels in 0 to 1: of a contrastive model projected vectors ``(B, D)``, not of unit
        length."""
        return self._features((pixels - self._mean) / self._deviation)

    def logits(self, pixels: Tensor, labels: Tensor) -> Tensor:
        """Logits ``(B, K)`` for unit label vectors ``(K, D)``."""
        scale = self.model.logit_scale.detach().exp()
        return normalize(self.features(pixels), dim=-1) @ labels.T * scale


def pixel_model(classifier: ZeroShotClassifier) -> PixelModel:
    """The picture side of a zero-shot classifier, frozen."""
    classifier.model.requires_grad_(False)
    return PixelModel(classifier.model, classifier.processor.image_processor)
