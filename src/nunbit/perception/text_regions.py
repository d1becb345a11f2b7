"""Where writing is: lines of letters of either polarity, before anything reads them. numpy and scipy only.

Letters are connected components of pixels on one side of the local mid-grey. Components that stand beside each other
and are about as high
are one line. Rulings and panels are left out by their shape.

Legend: H and W sides in pixels, n components.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nunbit.media.images import as_rgb

if TYPE_CHECKING:
    from PIL.Image import Image

WINDOWS_PX = (21, 61)
"""Sides of the neighbourhood whose mid-grey divides ink from paper: for small and for large letters."""
MIN_CONTRAST = 36
"""Grey levels (of 255) between the darkest and the lightest pixel of a neighbourhood with writing."""
MIN_LETTER_PX, MAX_COMPONENTS = 5, 6000
WORK_SIDE_PX = 1280
MAX_REGIONS, MAX_CANDIDATES = 120, 1500
MIN_SLOPE, MAX_SLOPE = 0.03, 0.4
"""Lines that fall less are read as they are; steeper ones are no lines."""
NARROW, NARROWEST = 0.6, 0.12
"""Width of a line in letter heights, at least; a single stroke (1, I) may be narrower."""
EVEN, PITCH_GAP = 0.15, 1.6
"""Evenly spaced letters differ by so little; a blank between them is at most so many of their distances wide."""
STRAIGHT = 0.18
"""How far the middles of a falling line's letters lie from it, in letter heights, at most."""
ONE_LINE, WHOLE = 2.6, 0.7
"""Height of a line in heights of its tallest letter, at most; height of the letters in heights of the line, at
least."""
WORD_GAP = 0.95
"""A blank is at most this many letter heights wide; cells of a row stand further apart."""

ROWS = 64
"""Rows of a picture that are mixed at a time."""


@dataclass(slots=True)
class Region:
    """A line of letters.

    Attributes:
        box: ``(x1, y1, x2, y2)`` in pixels.
        dark: whether its ink is darker than its paper.
        letters: how many components; of Korean syllables each may be several.
        height_px: median height of the components.
        regular: 0 to 1, how alike their heights and bases are.
        slope: how far the line falls for each pixel to the right.
        pitch_px: distance of the letters where they are evenly spaced, as a typewriter's are; else 0.
    """

    box: tuple[int, int, int, int]
    dark: bool
    letters: int
    height_px: float
    regular: float
    slope: float = 0.0
    pitch_px: float = 0.0


def grey(image: Image) -> np.ndarray:
    """The channel mix with the most contrast, ``(H, W)`` float32: luma, or the first principal component where luma
    shows little."""
    rgb = np.asarray(as_rgb(image))
    luma = _mixed(rgb, np.array([0.299, 0.587, 0.114], np.float32))
    sample = rgb[::4, ::4].reshape(-1, 3).astype(np.float32)
    if len(sample) < 2:
        return luma
    values, vectors = np.linalg.eigh(np.cov(sample.T) + 1e-3 * np.eye(3))
    if luma[::4, ::4].var() >= 0.25 * values[-1]:
        return luma
    mixed = _mixed(rgb, (vectors[:, -1] / np.abs(vectors[:, -1]).sum()).astype(np.float32))
    low, high = np.percentile(mixed[::4, ::4], (0.5, 99.5))
    mixed -= low
    mixed *= 255 / max(high - low, 1e-3)
    return np.clip(mixed, 0, 255, out=mixed)


def _mixed(rgb: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Bytes ``(H, W, 3)`` mixed by weights ``(3,)``: ``(H, W)`` float32, some rows at a time."""
    out = np.empty(rgb.shape[:2], np.float32)
    for top in range(0, len(out), ROWS):
        out[top : top + ROWS] = rgb[top : top + ROWS].astype(np.float32) @ weights
    return out


def find_regions(image: Image) -> tuple[list[Region], np.ndarray]:
    """Lines of letters in the picture, from top to bottom, and the grey picture ``(H, W)`` they were found in."""
    values = grey(image)
    scale = min(1.0, WORK_SIDE_PX / max(values.shape))
    small = values if scale == 1 else _shrunk(values, scale)
    found: list[Region] = []
    for window in WINDOWS_PX:
        if window * 2 < min(small.shape) or window == WINDOWS_PX[0]:
            for dark, ink in _ink(small, window):
                found += _lines(ink, dark, window)
    kept = join_words(_strongest(found))
    for r in kept:
        r.box, r.height_px = _scaled(r.box, 1 / scale, values.shape), r.height_px / scale
    return sorted(kept, key=lambda r: (r.box[1], r.box[0])), values


def _shrunk(values: np.ndarray, scale: float) -> np.ndarray:
    """A grey picture ``(H, W)`` at a smaller scale, no side under one pixel."""
    from PIL import Image as images

    height, width = (max(1, round(side * scale)) for side in values.shape)
    return np.asarray(images.fromarray(values).resize((width, height), images.Resampling.BILINEAR))


def _ink(values: np.ndarray, window: int) -> list[tuple[bool, np.ndarray]]:
    """Pixels darker and pixels lighter than the middle of their neighbourhood, where it has contrast: two masks ``(H,
    W)``."""
    from scipy import ndimage  # here: what only tells kinds of pictures apart starts without it

    small = values[::2, ::2]
    low, high = (f(small, window // 2, mode="nearest") for f in (ndimage.minimum_filter, ndimage.maximum_filter))
    low, high = (
        ndimage.uniform_filter(v, window // 2, mode="nearest")
        .repeat(2, 0)
        .repeat(2, 1)[: values.shape[0], : values.shape[1]]
        for v in (low, high)
    )
    contrast = high - low >= MIN_CONTRAST
    middle = (low + high) / 2
    edge = ndimage.binary_dilation(~contrast)
    return [(dark, _inner(contrast & (values < middle if dark else values > middle), edge)) for dark in (True, False)]


def _inner(ink: np.ndarray, edge: np.ndarray) -> np.ndarray:
    """The mask without components that reach where there is no contrast: those are paper beside letters, not
    letters."""
    from scipy import ndimage

    labels, count = ndimage.label(ink, np.ones((3, 3)))
    outer = np.bincount(labels[edge & ink], minlength=count + 1) > 2
    outer[0] = True
    return ~outer[labels]


def without_rulings(ink: np.ndarray, length: int = 40, thick: int = 5) -> np.ndarray:
    """The mask without straight horizontal and vertical strokes that are long and thin, ``(H, W)``."""
    out = ink.copy()
    for axis in (0, 1):
        runs = _long_runs(ink, axis, length)
        if runs.any():
            out &= ~runs | _long_runs(runs, 1 - axis, thick + 1)
    return out


def _long_runs(mask: np.ndarray, axis: int, length: int) -> np.ndarray:
    """The set pixels that stand in a row of so many or more along an axis, ``(H, W)``."""
    work = mask if axis == 1 else mask.T
    rows, columns = work.shape
    padded = np.zeros((rows, columns + 2), bool)
    padded[:, 1:-1] = work
    edges = np.flatnonzero(padded[:, 1:] != padded[:, :-1])  # a start and an end in turn: rows begin and end unset
    starts, ends = edges[::2], edges[1::2]
    far = ends - starts >= length
    step = np.zeros(rows * (columns + 1), np.int8)
    step[starts[far]], step[ends[far]] = 1, -1
    long = np.cumsum(step, dtype=np.int8).reshape(rows, -1)[:, :-1].astype(bool)
    return long if axis == 1 else long.T


def _lines(ink: np.ndarray, dark: bool, window: int) -> list[Region]:
    """Components of a mask gathered into lines."""
    from scipy import ndimage

    labels, count = ndimage.label(without_rulings(ink), np.ones((3, 3)))
    slices = ndimage.find_objects(labels)[: MAX_COMPONENTS * 4]
    boxes = np.array([(s[1].start, s[0].start, s[1].stop, s[0].stop) for s in slices if s], np.int32).reshape(-1, 4)
    if not len(boxes):
        return []
    areas = np.bincount(labels.ravel(), minlength=count + 1)[1 : len(boxes) + 1]
    wide, high = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    tall = 1.6 * window
    letter = (
        (high <= tall)
        & (wide <= 6 * tall)
        & (np.maximum(high, wide) >= 2)
        & (areas >= 3)
        & (areas / (wide * high) > 0.08)
    )
    letter &= ~((wide > 12 * high) | (high > 12 * wide))
    boxes, areas = boxes[letter][:MAX_COMPONENTS], areas[letter][:MAX_COMPONENTS]
    if not len(boxes):
        return []
    return [r for group in _groups(boxes, ink.shape) if (r := _region(boxes[group], areas[group], dark)) is not None]


def _groups(boxes: np.ndarray, shape: tuple[int, ...]) -> list[np.ndarray]:
    """Boxes that touch after each is widened by its own height: index arrays, one a line."""
    from scipy import ndimage

    canvas = np.zeros(shape, bool)
    high = boxes[:, 3] - boxes[:, 1]
    wide = boxes[:, 2] - boxes[:, 0]
    size = np.maximum(high, np.minimum(wide, 1.5 * high))
    for (x1, y1, x2, y2), s in zip(boxes.tolist(), size.tolist(), strict=True):
        reach, rise = round(0.42 * s) + 1, round(0.06 * s)
        canvas[max(0, y1 - rise) : y2 + rise, max(0, x1 - reach) : x2 + reach] = True
    labels, _ = ndimage.label(canvas)
    owner = labels[(boxes[:, 1] + boxes[:, 3] - 1) // 2, (boxes[:, 0] + boxes[:, 2] - 1) // 2]
    order = np.argsort(owner, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(owner[order])) + 1)


def _region(boxes: np.ndarray, areas: np.ndarray, dark: bool) -> Region | None:
    """A group of boxes as a line of writing; None where it does not look like one."""
    boxes, areas = _without_leaders(boxes, areas)
    high = boxes[:, 3] - boxes[:, 1]
    tallest = float(high.max())
    x1, y1, x2, y2 = (int(v) for v in (*boxes[:, :2].min(0), *boxes[:, 2:].max(0)))
    # Bounds of the tests below, without a median: most groups end here.
    least = NARROWEST if len(high) == 1 else NARROW
    if (
        tallest < MIN_LETTER_PX
        or (y2 - y1) > 3.2 * tallest + MAX_SLOPE * (x2 - x1) / 2
        or (x2 - x1) < min(0.3, least) * tallest
    ):
        return None
    big = high >= 0.5 * tallest
    height = float(np.median(high[big])) if len(high) > 1 else tallest
    if height < MIN_LETTER_PX or (y2 - y1) > 3.2 * height + MAX_SLOPE * (x2 - x1) / 2 or (x2 - x1) < least * height:
        return None
    fill = float(areas.sum()) / ((x2 - x1) * (y2 - y1))
    if not 0.06 <= fill <= (0.78 if (x2 - x1) >= NARROW * height else 1.0):
        return None
    if len(high) == 1:
        return Region((x1, y1, x2, y2), dark, 1, height, 1.0)
    slope = _slope(boxes[big], height)
    level_px = (y2 - y1) - abs(slope) * (x2 - x1)
    if level_px > ONE_LINE * tallest:
        return None  # two lines, or the cells of a ruled table
    if not slope:
        height = max(height, WHOLE * level_px)  # parts of Korean syllables are lower than the line
    bases = boxes[big, 3] - slope * (boxes[big, 0] + boxes[big, 2]) / 2
    same_height = 1 - min(1.0, float(np.std(high[big])) / height * 2)
    base = 1 - min(1.0, float(np.std(bases)) / height * 2)
    return Region((x1, y1, x2, y2), dark, len(boxes), height, (same_height + base) / 2, slope, _pitch(boxes[big]))


def _pitch(boxes: np.ndarray) -> float:
    """The distance of evenly spaced letters; 0 where four of five distances are not about equal."""
    if len(boxes) < 4:
        return 0.0
    steps = np.diff(np.sort((boxes[:, 0] + boxes[:, 2]) / 2))
    middle = float(np.median(steps))
    return middle if middle > 0 and float((np.abs(steps - middle) < EVEN * middle).mean()) >= 0.8 else 0.0


def _without_leaders(boxes: np.ndarray, areas: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A group without the dots that lead from a name to its price: three or more small parts at its right end."""
    if len(boxes) < 5:
        return boxes, areas
    small = np.maximum(boxes[:, 3] - boxes[:, 1], boxes[:, 2] - boxes[:, 0]) < 0.3 * (boxes[:, 3] - boxes[:, 1]).max()
    letters = boxes[~small]
    dots = small & (boxes[:, 0] >= letters[:, 2].max())
    return (boxes[~dots], areas[~dots]) if int(dots.sum()) >= 3 else (boxes, areas)


def _slope(boxes: np.ndarray, height: float) -> float:
    """Fall of the line through the middles of its letters; 0 where they are few, or where it is too small to matter."""
    if len(boxes) < 4:
        return 0.0
    x, y = (boxes[:, 0] + boxes[:, 2]) / 2, (boxes[:, 1] + boxes[:, 3]) / 2
    if np.ptp(x) < 3 * height:
        return 0.0
    x = x - x.mean()
    slope = float((x * y).sum() / (x * x).sum())
    if float(np.std(y - y.mean() - slope * x)) > STRAIGHT * height:
        return 0.0  # parts of Korean syllables lie at many heights
    return slope if MIN_SLOPE <= abs(slope) <= MAX_SLOPE and abs(slope) * np.ptp(x) > 0.3 * height else 0.0


def _strongest(found: list[Region]) -> list[Region]:
    """Of regions that overlap the one with the larger area of letters: holes of letters lie inside the line that the
    letters make. At most `MAX_REGIONS` of the best `MAX_CANDIDATES`."""
    ranked = sorted(
        found, key=lambda r: -(r.box[2] - r.box[0]) * min(r.box[3] - r.box[1], 2 * r.height_px) * (0.5 + r.regular)
    )[:MAX_CANDIDATES]
    boxes = np.array([r.box for r in ranked], np.float64).reshape(-1, 4)
    kept: list[int] = []
    for i in range(len(ranked)):
        if len(kept) < MAX_REGIONS and (_shared(boxes[i], boxes[kept]) < 0.4).all():
            kept.append(i)
    return [ranked[i] for i in kept]


def join_words(regions: list[Region]) -> list[Region]:
    """Regions that stand beside each other at the width of a blank become one line."""
    out: list[Region] = []
    for r in sorted(regions, key=lambda r: r.box[0]):
        before = next((k for k in out if _follows(k, r)), None)
        if before is None:
            out.append(r)
            continue
        weight = before.letters + r.letters
        before.height_px = (before.height_px * before.letters + r.height_px * r.letters) / weight
        before.regular = (before.regular * before.letters + r.regular * r.letters) / weight
        before.pitch_px = max(before.pitch_px, r.pitch_px)
        before.box, before.letters = _around(before.box, r.box), weight
    return sorted(out, key=lambda r: (r.box[1], r.box[0]))


def _follows(before: Region, r: Region) -> bool:
    (_, top, right, bottom), (left, high, _, low) = before.box, r.box
    height = max(before.height_px, r.height_px)
    blank = max(WORD_GAP * height, PITCH_GAP * max(before.pitch_px, r.pitch_px))
    if before.dark != r.dark or not -0.5 * height <= left - right <= blank:
        return False
    level = min(bottom, low) - max(top, high) >= 0.6 * min(bottom - top, low - high)
    return level and height <= 1.7 * min(before.height_px, r.height_px)


def _around(a: tuple[int, int, int, int], b: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    return min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3])


def _shared(one: np.ndarray, many: np.ndarray) -> np.ndarray:
    """How much of the smaller of a box ``(4,)`` and each of boxes ``(n, 4)`` lies in the other: ``(n,)``."""
    low, high = np.maximum(one[:2], many[:, :2]), np.minimum(one[2:], many[:, 2:])
    areas = np.prod(many[:, 2:] - many[:, :2], axis=1)
    small = np.minimum(areas, np.prod(one[2:] - one[:2]))
    return np.prod(np.maximum(high - low, 0), axis=1) / np.maximum(small, 1)


def _scaled(box: tuple[int, int, int, int], factor: float, shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    x1, y1, x2, y2 = (v * factor for v in box)
    return max(0, int(x1)), max(0, int(y1)), min(shape[1], round(x2 + 0.5)), min(shape[0], round(y2 + 0.5))
