"""Lines of letters of any direction in one plane of a picture: strokes that stand in a row, found in milliseconds and
before anything reads them. numpy and scipy only.

Letters: h and w sides of the plane in pixels, n strokes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nunbit.scene import Box

MOST_STROKES = 1200
"""Strokes of one polarity, the largest; a plane with more is texture."""
MANY, SPECK_PX = 5000, 6
"""Connected parts of a mask above which those of fewer pixels are left out; with as many left it is texture."""
LEAST_PX, LOWEST_PX, TALLEST_SHARE = 3, 2.5, 0.25
"""A stroke has at least so many pixels on one side, a line at least so many in height, and neither more than this share
of the plane's longer side."""
DIRECTIONS = (0.0, 45.0, 90.0, 135.0)
"""Degrees by which a line is turned; the exact one is fitted."""
LEAST_STROKES, LEAST_LETTERS, LEAST_LENGTH = 2, 7, 4.5
"""Strokes of a line, letters (of tiny writing a word is one stroke), and its length in heights, at least."""
CROOKED, UNLIKE = 0.34, 0.55
"""How far the middles of strokes lie from the line, and how much their sizes differ, in heights, at most."""
BUSY, BUSY_LETTERS, STRICTER = 150, 10, 0.7
"""Among more strokes than this, edges of things stand in rows by chance: a line needs so many letters, and its bounds
are so much narrower."""
MOST_LINES = 40
"""Lines of one plane, the longest first."""
REACH, RISE = 0.55, 0.32
"""How far a stroke reaches to its neighbours along the line, and how high it counts on either side, in its heights."""
STEEP = 0.55
"""How far a line may fall from its direction; the next direction takes those that fall more."""


@dataclass(frozen=True, slots=True)
class Strokes:
    """Connected strokes of one polarity: boxes ``(n, 4)`` and whether they are darker than what is around them."""

    boxes: np.ndarray
    dark: bool


@dataclass(frozen=True, slots=True)
class Line:
    """Strokes in a row.

    Attributes:
        centre: in the plane's pixels.
        degrees: by which the line falls to the right, -45 to 135.
        length_px, height_px: along and across the line.
        letters: about how many.
        dark: whether they are darker than what is around them.
        box: upright box around the strokes.
    """

    centre: tuple[float, float]
    degrees: float
    length_px: float
    height_px: float
    letters: int
    dark: bool
    box: Box


def strokes_of(mask: np.ndarray, dark: bool, covered: np.ndarray) -> Strokes:
    """The connected parts of a mask ``(h, w)`` that may be letters and do not lie in covered boxes ``(m, 4)``."""
    from scipy import ndimage

    around = np.ones((3, 3))
    labels, count = ndimage.label(mask, around)
    if count > MANY:  # specks
        labels, count = ndimage.label((np.bincount(labels.ravel()) >= SPECK_PX)[labels] & mask, around)
    found = ndimage.find_objects(labels) if count <= MANY else []
    boxes = np.array([(s[1].start, s[0].start, s[1].stop, s[0].stop) for s in found if s], np.float32).reshape(-1, 4)
    wide, high = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    side, least = np.maximum(wide, high), np.minimum(wide, high)
    fit = (side >= LEAST_PX) & (side <= TALLEST_SHARE * max(mask.shape)) & (side <= 9 * np.maximum(least, 1))
    boxes, side = boxes[fit], side[fit]
    kept = ~_inside(boxes, covered)
    boxes, side = boxes[kept], side[kept]
    if len(boxes) > MOST_STROKES:
        boxes = boxes[np.sort(np.argsort(-side, kind="stable")[:MOST_STROKES])]
    return Strokes(boxes, dark)


def _inside(boxes: np.ndarray, covered: np.ndarray) -> np.ndarray:
    """Whether the middle of each box lies in one of the covered ones: ``(n,)``."""
    x, y = (boxes[:, 0] + boxes[:, 2]) / 2, (boxes[:, 1] + boxes[:, 3]) / 2
    out = np.zeros(len(boxes), bool)
    for x1, y1, x2, y2 in covered:
        out |= (x >= x1) & (x <= x2) & (y >= y1) & (y <= y2)
    return out


def lines_of(strokes: Strokes) -> list[Line]:
    """Lines of every direction, the longest first; of lines that share strokes the one with most of them."""
    if len(strokes.boxes) < LEAST_STROKES:
        return []
    found: list[tuple[Line, np.ndarray]] = []
    for degrees in DIRECTIONS:
        for rows in _rows(strokes.boxes, degrees):
            line = _line(strokes, rows, degrees, busy=len(strokes.boxes) > BUSY)
            if line is not None:
                found.append((line, rows))
    found.sort(key=lambda pair: (-pair[0].letters, abs(pair[0].degrees)))
    taken = np.zeros(len(strokes.boxes), bool)
    out: list[Line] = []
    for line, rows in found:
        if taken[rows].mean() < 0.4 and len(out) < MOST_LINES:
            taken[rows] = True
            out.append(line)
    return out


@dataclass(frozen=True, slots=True)
class _Turned:
    """Boxes seen along a direction: middles along and across it, sizes along and across, ``(n,)`` each."""

    along: np.ndarray
    across: np.ndarray
    long: np.ndarray
    high: np.ndarray


def _turned(boxes: np.ndarray, degrees: float) -> _Turned:
    """Boxes seen along a direction. The upright box of a turned letter is larger than the letter: sizes are those of a
    square letter with that box."""
    angle = np.deg2rad(degrees)
    cos, sin = abs(np.cos(angle)), abs(np.sin(angle))
    x, y = (boxes[:, 0] + boxes[:, 2]) / 2, (boxes[:, 1] + boxes[:, 3]) / 2
    wide, high = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    along = x * np.cos(angle) + y * np.sin(angle)
    across = -x * np.sin(angle) + y * np.cos(angle)
    larger = (cos + sin) ** 2
    return _Turned(along, across, (wide * cos + high * sin) / larger, (wide * sin + high * cos) / larger)


def _rows(boxes: np.ndarray, degrees: float) -> list[np.ndarray]:
    """Boxes that touch after each is widened along the direction by its size: index arrays."""
    from scipy import ndimage

    t = _turned(boxes, degrees)
    scale = min(1.0, 900 / max(np.ptp(t.along) + 1, np.ptp(t.across) + 1, 1))
    u, v = (t.along - t.along.min()) * scale + 8, (t.across - t.across.min()) * scale + 8
    high = np.maximum(t.high, 0.45 * np.minimum(t.long, 3 * t.high)) * scale  # a dash is as high as its letters
    reach = t.long * scale / 2 + np.maximum(1, REACH * high)
    low_u, high_u = np.maximum(0, (u - reach).astype(int)), (u + reach).astype(int)
    low_v, high_v = np.maximum(0, (v - RISE * high).astype(int)), (v + RISE * high).astype(int)
    canvas = np.zeros((int(v.max()) + 24, int(u.max()) + 24), bool)
    for a, b, c, d in zip(low_v.tolist(), high_v.tolist(), low_u.tolist(), high_u.tolist(), strict=True):
        canvas[a : b + 1, c : d + 1] = True
    labels, _ = ndimage.label(canvas)
    owner = labels[v.astype(int), u.astype(int)]
    order = np.argsort(owner, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(owner[order])) + 1)
    return [g for g in groups if len(g) >= LEAST_STROKES]


def _line(strokes: Strokes, rows: np.ndarray, degrees: float, *, busy: bool) -> Line | None:
    """A group as a line; None where it is crooked, too short, or of strokes that are unlike each other."""
    boxes = strokes.boxes[rows]
    t = _turned(boxes, degrees)
    big = t.high >= 0.5 * np.percentile(t.high, 90)
    height = float(np.median(t.high[big]))
    letters = round(float(np.maximum(1, t.long[big] / (0.9 * height)).sum()))
    strict, least = (STRICTER, BUSY_LETTERS) if busy else (1.0, LEAST_LETTERS)
    if np.ptp(t.along) < LEAST_LENGTH * height or letters < least or height < LOWEST_PX:
        return None
    u, v = t.along[big], t.across[big]
    slope = float(((u - u.mean()) * (v - v.mean())).sum() / max(((u - u.mean()) ** 2).sum(), 1e-6))
    if abs(slope) > STEEP:
        return None
    residual = v - v.mean() - slope * (u - u.mean())
    if float(np.std(residual)) > strict * CROOKED * height or np.std(t.high[big]) > strict * UNLIKE * height:
        return None
    angle = np.deg2rad(degrees) + np.arctan(slope)
    fitted = _turned(boxes, float(np.rad2deg(angle)))
    ends = (fitted.along - fitted.long / 2).min(), (fitted.along + fitted.long / 2).max()
    tops, feet = fitted.across[big] - fitted.high[big] / 2, fitted.across[big] + fitted.high[big] / 2
    top, foot = np.percentile(tops, 12), np.percentile(feet, 88)
    along, across = sum(ends) / 2, (top + foot) / 2
    centre = (
        float(along * np.cos(angle) - across * np.sin(angle)),
        float(along * np.sin(angle) + across * np.cos(angle)),
    )
    x1, y1, x2, y2 = (float(p) for p in (*boxes[:, :2].min(0), *boxes[:, 2:].max(0)))
    tall = max(height, float(foot - top))
    return Line(
        centre, float(np.rad2deg(angle)), float(ends[1] - ends[0]), tall, letters, strokes.dark, (x1, y1, x2, y2)
    )
