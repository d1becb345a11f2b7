"""What is done about an order to a model in a picture: its lines masked, or a refusal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from nunbit.errors import UserError
from nunbit.media.images import as_rgb
from nunbit.scene import Box
from nunbit.trust.guard.verdict import Verdict

if TYPE_CHECKING:
    from PIL.Image import Image

MASK_MARGIN, LEAST_MARGIN_PX = 0.25, 3
"""How far around a line its mask reaches, in heights of the line, and at least in pixels."""


class BlockedPicture(UserError):
    """A picture that holds an order to a model, under the policy ``block``.

    Attributes:
        verdict: what was found.
    """

    def __init__(self, verdict: Verdict) -> None:
        places = "; ".join(
            f"{f.picture + 1}: [{', '.join(str(round(v)) for v in f.box)}]" for f in verdict.findings[:4]
        )
        quoted = " ".join(verdict.text.split())[:200]
        super().__init__(
            f'a picture with an order to a model: "{quoted}" (picture and box in pixels: {places})',
            allowed="pictures whose text addresses people",
            todo="remove that text, or choose another --guard policy",
        )
        self.verdict = verdict


def masked(image: Image, boxes: Sequence[Box]) -> Image:
    """A copy of a picture in which boxes are filled with the median colour of what is around them."""
    pixels = np.array(as_rgb(image))
    for box in boxes:
        x1, y1, x2, y2 = box
        margin = max(LEAST_MARGIN_PX, MASK_MARGIN * min(x2 - x1, y2 - y1))
        left, top = max(0, int(x1 - margin)), max(0, int(y1 - margin))
        right, bottom = min(image.width, int(x2 + margin) + 1), min(image.height, int(y2 + margin) + 1)
        rim = pixels[max(0, top - 2) : bottom + 2, max(0, left - 2) : right + 2].reshape(-1, 3)
        pixels[top:bottom, left:right] = np.median(rim[:: max(1, len(rim) // 5000)], axis=0)
    from PIL import Image as images

    return images.fromarray(pixels)
