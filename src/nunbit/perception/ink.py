"""The colour of writing, measured: of the two colours in a line's box, the one that the rim of the box does not have.

Letters: n pixels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from nunbit.media.images import as_rgb
from nunbit.perception.attributes import colour_name, lab
from nunbit.scene import TextLine

if TYPE_CHECKING:
    from PIL.Image import Image

HEIGHT_PX, MAX_LINES = 24, 8
FAR = 0.6
"""Pixels at this share of the largest distance from the paper's colour are ink; those between are blurred edges."""


def ink_colour(image: Image, lines: Sequence[TextLine]) -> str:
    """The colour name that most of the lines are written in; "" without lines."""
    found = [name for line in lines[:MAX_LINES] if (name := _line_ink(image, line))]
    return Counter(found).most_common(1)[0][0] if found else ""


def _line_ink(image: Image, line: TextLine) -> str:
    """The colour of one line's strokes."""
    from PIL import Image as images

    x1, y1, x2, y2 = (int(v) for v in line.box)
    crop = as_rgb(image).crop((max(0, x1 - 1), max(0, y1 - 1), min(image.width, x2 + 1), min(image.height, y2 + 1)))
    if min(crop.size) < 3:
        return ""
    if crop.height > HEIGHT_PX:
        crop = crop.resize((max(3, round(crop.width * HEIGHT_PX / crop.height)), HEIGHT_PX), images.Resampling.BOX)
    values = lab(np.asarray(crop))
    rim = np.concatenate([values[0], values[-1], values[:, 0], values[:, -1]])
    paper = np.median(rim, axis=0)
    distance = np.linalg.norm(values - paper, axis=-1)
    strokes = values[distance >= FAR * distance.max()]
    return colour_name(np.median(strokes.reshape(-1, 3), axis=0).tolist()) if distance.max() > 8 else ""
