"""The bars of a bar chart: upright rectangles of one plain colour that stand on one line.

Letters: H and W of the picture.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from nunbit.media.images import as_rgb
from nunbit.scene import Box, SceneObject

LONGEST_PX, COLOURS_MAX, BARS_MAX = 800, 8, 24
"""Larger charts are searched at this size; so many colours and bars at most."""
FILL, WIDTH_SPREAD, FLAT_PX = 0.93, 0.3, 3
"""A bar fills its box; bars are about equally wide; their feet are on one line."""
SCORE = 0.9


def find_bars(image: Any) -> list[SceneObject]:
    """Bars of a PIL picture from left to right, in its pixels; none where fewer than two stand on one line."""
    from PIL import Image

    factor = min(1.0, LONGEST_PX / max(image.size))
    size = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
    small = as_rgb(image) if factor == 1 else as_rgb(image).resize(size, Image.Resampling.NEAREST)
    pixels = np.asarray(small)
    codes = (pixels.astype(np.int32) >> 3) @ np.array([1 << 10, 1 << 5, 1])
    values, counts = np.unique(codes, return_counts=True)
    order = np.argsort(-counts)[1 : 1 + COLOURS_MAX]  # the commonest is the paper
    boxes = [box for i in order if counts[i] >= 60 for box in _rectangles(codes == values[i])]
    return [
        SceneObject("bar", (x1 / factor, y1 / factor, x2 / factor, y2 / factor), SCORE, attributes={"source": "bars"})
        for x1, y1, x2, y2 in _on_one_line(boxes, pixels.shape[1])
    ]


def _rectangles(mask: np.ndarray) -> list[Box]:
    """Filled upright rectangles in a mask ``(H, W)``."""
    from scipy import ndimage

    numbers, count = ndimage.label(mask)
    if not count:
        return []
    sizes, out = np.bincount(numbers.ravel(), minlength=count + 1), []
    for i, place in enumerate(ndimage.find_objects(numbers), start=1):
        rows, columns = place
        height, width = rows.stop - rows.start, columns.stop - columns.start
        if width >= 6 and height >= 4 and sizes[i] >= FILL * width * height and width < 0.4 * mask.shape[1]:
            out.append((float(columns.start), float(rows.start), float(columns.stop), float(rows.stop)))
    return out


def _on_one_line(boxes: list[Box], width: int) -> list[Box]:
    """The most boxes of about one width whose feet are on one line, none over another, from left to right."""
    best: list[Box] = []
    for foot in {round(b[3]) for b in boxes}:
        row = sorted((b for b in boxes if abs(b[3] - foot) <= FLAT_PX), key=lambda b: b[0])
        if len(row) < 2:
            continue
        middle = float(np.median([b[2] - b[0] for b in row]))
        kept: list[Box] = []
        for b in row:
            alike = abs((b[2] - b[0]) - middle) <= WIDTH_SPREAD * middle
            if alike and (not kept or b[0] >= kept[-1][2] - 1):
                kept.append(b)
        covered = sum((b[2] - b[0]) * (b[3] - b[1]) for b in kept)
        if len(kept) >= 2 and covered > sum((b[2] - b[0]) * (b[3] - b[1]) for b in best):
            best = kept
    tall = max((b[3] - b[1] for b in best), default=0.0)
    spread = best[-1][2] - best[0][0] if best else 0.0
    return best[:BARS_MAX] if tall >= 12 and spread > 0.2 * width else []
