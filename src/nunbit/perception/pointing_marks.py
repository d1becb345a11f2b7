"""Marks that somebody drew on a picture to point at something: circles, boxes, points and arrows in a bright colour.

`nunbit.prompting.pointing` draws such marks with a white edge, and people draw them in a picture editor without one. A
mark is a connected stroke of one pure colour whose shape is that of a ring, a frame, a disc or an arrow.

Letters: H and W of the picture.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from nunbit.media.images import as_rgb

LONGEST_PX = 800
"""Larger pictures are searched at this size."""
PURE = {
    "red": (225, 29, 72),
    "lime": (101, 213, 23),
    "blue": (29, 78, 216),
    "yellow": (250, 204, 21),
}
"""The colours of `nunbit.prompting.pointing`."""
PEN = {"red": (237, 28, 36), "lime": (0, 230, 0), "blue": (0, 0, 255), "yellow": (255, 242, 0)}
"""The usual pens of picture editors."""
TOLERANCE, MIN_PIXELS, MARKS_MAX = 100.0, 24, 6
RING = 0.8
"""How much of its way around a ring or a frame is there."""
WHITE_EDGE = {"point": 0.3, "arrow": 0.12}
"""White pixels around a stroke that tell a drawn mark from a thing of that colour."""


def find_marks(image: Any) -> list[dict[str, Any]]:
    """The marks on a PIL picture: rows of ``colour``, ``kind`` (circle, box, point, arrow) and ``box`` (pixels of the
    picture; of an arrow, the place that it points at)."""
    from PIL import Image

    factor = min(1.0, LONGEST_PX / max(image.size))
    size = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
    image = as_rgb(image)
    small = image if factor == 1 else image.resize(size, Image.Resampling.BILINEAR)
    pixels = np.asarray(small, np.int16)
    if min(pixels.shape[:2]) < 16:
        return []
    bright = pixels.min(2) > 225
    out: list[dict[str, Any]] = []
    for name in PURE:
        near = np.zeros(pixels.shape[:2], bool)
        for colour in (PURE[name], PEN[name]):
            near |= np.abs(pixels - np.array(colour, np.int16)).sum(2) < TOLERANCE
        for stroke, (x, y) in _strokes(near):
            found = _shape(stroke)
            if found is None:
                continue
            kind, (x1, y1, x2, y2) = found
            small_ring = kind == "circle" and min(stroke.shape) < 20
            if (kind in WHITE_EDGE or small_ring) and _edge(stroke, bright, x, y) < WHITE_EDGE.get(kind, 0.3):
                continue  # a small disc or a line of a bright colour is a thing more often than a mark
            scaled = [float(v / factor) for v in (x + x1, y + y1, x + x2, y + y2)]
            out.append({"colour": name, "kind": kind, "box": scaled})
    return out[:MARKS_MAX]


def _strokes(near: np.ndarray) -> Iterator[tuple[np.ndarray, tuple[int, int]]]:
    """Connected parts of a mask ``(H, W)``, cut out, with their left upper corner; the largest first."""
    from scipy import ndimage

    if int(near.sum()) < MIN_PIXELS:
        return
    numbers, count = ndimage.label(near, np.ones((3, 3), int))
    sizes = np.bincount(numbers.ravel(), minlength=count + 1)
    boxes = ndimage.find_objects(numbers)
    order = [int(i) for i in np.argsort(-sizes[1:])[: 4 * MARKS_MAX] + 1 if sizes[i] >= MIN_PIXELS]
    for i in order:
        rows, columns = boxes[i - 1]
        yield numbers[rows, columns] == i, (columns.start, rows.start)


def _shape(stroke: np.ndarray) -> tuple[str, tuple[float, float, float, float]] | None:
    """The kind of a stroke ``(H, W)`` and the box that it marks."""
    height, width = stroke.shape
    share = float(stroke.mean())
    whole = (0.0, 0.0, float(width), float(height))
    if max(height, width) < 40 and 0.6 < share < 0.9 and 0.7 < height / width < 1.4 and min(height, width) >= 5:
        return "point", whole
    if min(height, width) < 12 or share > 0.45:
        return _arrow(stroke)
    y, x = np.nonzero(stroke)
    inner = stroke[height // 4 : -(height // 4) or None, width // 4 : -(width // 4) or None]
    if inner.mean() < 0.1:
        pen = max(2.0, share * height * width / (2 * (height + width)))
        to_frame = np.minimum(np.minimum(x, width - 1 - x), np.minimum(y, height - 1 - y))
        sides = _covered(stroke, pen)
        if float((to_frame <= 1.5 * pen).mean()) > 0.95 and sides > RING:
            return "box", whole
        radius = np.hypot((x + 0.5) / width - 0.5, (y + 0.5) / height - 0.5)
        turn = np.arctan2((y + 0.5) / height - 0.5, (x + 0.5) / width - 0.5)
        around = len(np.unique(np.floor((turn + np.pi) / (2 * np.pi) * 48).astype(int))) / 48
        if float((np.abs(radius - 0.5) < 0.5 * max(0.3, 4 * pen / min(height, width))).mean()) > 0.95 and around > RING:
            return "circle", whole
    return _arrow(stroke)


def _covered(stroke: np.ndarray, pen: float) -> float:
    """How much of the frame of its box a stroke covers."""
    p = max(1, round(pen))
    sides = (stroke[:p].any(0), stroke[-p:].any(0), stroke[:, :p].any(1), stroke[:, -p:].any(1))
    return float(min(s.mean() for s in sides))


def _arrow(stroke: np.ndarray) -> tuple[str, tuple[float, float, float, float]] | None:
    """An arrow: a long straight stroke, wider at one end, which is its head."""
    y, x = np.nonzero(stroke)
    points = np.stack([x, y], 1).astype(float)
    centre = points.mean(0)
    _, spread, axes = np.linalg.svd(points - centre, full_matrices=False)
    if spread[0] < 1.3 * spread[1]:
        return None
    along, across = (points - centre) @ axes[0], np.abs((points - centre) @ axes[1])
    low, high = float(along.min()), float(along.max())
    length = high - low
    if length < 15:
        return None
    ends = (along <= low + 0.35 * length, along >= high - 0.35 * length)
    widths = [float(np.percentile(across[end], 95)) for end in ends]
    if max(widths) < 1.6 * max(min(widths), 1.0):
        return None
    tip = centre + axes[0] * (high if widths[1] > widths[0] else low)
    reach = max(4.0, 0.12 * length)
    return "arrow", (float(tip[0] - reach), float(tip[1] - reach), float(tip[0] + reach), float(tip[1] + reach))


def _edge(stroke: np.ndarray, bright: np.ndarray, left: int, top: int) -> float:
    """Share of the pixels around a stroke that are white, less that of the pixels farther out: on white paper nothing
    has a white edge. ``bright`` ``(H, W)`` is of the whole picture."""
    from scipy import ndimage

    held = np.pad(stroke, 7)
    near, far = (ndimage.binary_dilation(held, iterations=n) for n in (2, 6))

    def white(ring: np.ndarray) -> float:
        y, x = np.nonzero(ring)
        y, x = y + top - 7, x + left - 7
        inside = (y >= 0) & (x >= 0) & (y < bright.shape[0]) & (x < bright.shape[1])
        return float(bright[y[inside], x[inside]].mean()) if inside.any() else 0.0

    return white(near & ~held) - white(far & ~near)
