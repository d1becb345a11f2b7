"""A picture as a model sees it: the tensor that its image processor makes, as pixels again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nunbit.errors import UserError
from nunbit.media.bounds import bounded, processed

if TYPE_CHECKING:
    from PIL.Image import Image


def model_view(image_processor: Any, picture: Image) -> np.ndarray | None:
    """What a model sees of a picture, ``(h, w, 3)`` uint8: of processors that cut tiles the first, which shows all of
    it. None where the processor gives no such tensor, or refuses the picture."""
    try:
        values = processed(image_processor, [bounded(picture, image_processor)])["pixel_values"]
    except (UserError, KeyError):
        return None
    while getattr(values, "ndim", 0) > 3:
        values = values[0]
    if getattr(values, "ndim", 0) != 3 or values.shape[0] != 3:
        return None
    pixels = np.asarray(values, np.float32).transpose(1, 2, 0)
    if getattr(image_processor, "do_normalize", False):
        pixels = pixels * np.asarray(image_processor.image_std, np.float32)
        pixels = pixels + np.asarray(image_processor.image_mean, np.float32)
    scale = 255.0 if getattr(image_processor, "do_rescale", True) else 1.0
    return np.clip(pixels * scale + 0.5, 0, 255).astype(np.uint8)
