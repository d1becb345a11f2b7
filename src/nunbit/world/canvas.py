"""Drawing primitives on numpy pixels: rectangles, lines, discs, polygons and pie sectors.

Edges are anti-aliased by signed distance. Letters: H and W height and width of the canvas in pixels, h and w of a part.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from nunbit.world.text import blend

RGB = tuple[int, int, int]


@lru_cache(maxsize=8)
def _grid(side: int) -> tuple[np.ndarray, np.ndarray]:
    y, x = np.mgrid[0:side, 0:side].astype(np.float32) + 0.5
    return x, y


def shade(rng: np.random.Generator, low: int, high: int) -> RGB:
    """Any colour whose channels are in ``[low, high)``."""
    red, green, blue = rng.integers(low, high, 3).tolist()
    return red, green, blue


def rect(pixels: np.ndarray, box: Sequence[float], colour: RGB) -> None:
    """A filled rectangle on a canvas ``(H, W, 3)``; its box is rounded to whole pixels."""
    x1, y1, x2, y2 = (max(0, round(v)) for v in box)
    pixels[y1:y2, x1:x2] = colour


def frame(pixels: np.ndarray, box: Sequence[float], colour: RGB, width: int = 1) -> None:
    """The outline of a rectangle, ``width`` pixels inwards."""
    x1, y1, x2, y2 = (round(v) for v in box)
    for part in (
        (x1, y1, x2, y1 + width),
        (x1, y2 - width, x2, y2),
        (x1, y1, x1 + width, y2),
        (x2 - width, y1, x2, y2),
    ):
        rect(pixels, part, colour)


def fill(pixels: np.ndarray, alpha: np.ndarray, left: int, top: int, colour: RGB) -> None:
    """One colour under a mask ``alpha`` ``(h, w)``, 0 to 1."""
    blend(pixels, left, top, alpha[..., None], np.asarray(colour, np.float32))


def line(pixels: np.ndarray, a: Sequence[float], b: Sequence[float], colour: RGB, width: float = 2.0) -> None:
    """A straight stroke with round ends."""
    x1, y1, x2, y2 = min(a[0], b[0]) - width, min(a[1], b[1]) - width, max(a[0], b[0]) + width, max(a[1], b[1]) + width
    left, top, w, h = int(x1), int(y1), int(x2 - x1) + 3, int(y2 - y1) + 3
    gx, gy = _grid(max(w, h))
    px, py = gx[:h, :w] + left - a[0], gy[:h, :w] + top - a[1]
    dx, dy = b[0] - a[0], b[1] - a[1]
    t = np.clip((px * dx + py * dy) / max(dx * dx + dy * dy, 1e-6), 0, 1)
    distance = np.hypot(px - t * dx, py - t * dy)
    fill(pixels, np.clip(width / 2 + 0.5 - distance, 0, 1), left, top, colour)


def disc(pixels: np.ndarray, cx: float, cy: float, radius: float, colour: RGB, *, hole: float = 0.0) -> None:
    """A disc, or a ring with a hole of that radius."""
    left, top, side = int(cx - radius) - 1, int(cy - radius) - 1, int(2 * radius) + 4
    gx, gy = _grid(side)
    distance = np.hypot(gx + left - cx, gy + top - cy)
    alpha = np.clip(radius + 0.5 - distance, 0, 1)
    if hole:
        alpha *= np.clip(distance - hole + 0.5, 0, 1)
    fill(pixels, alpha, left, top, colour)


def sector(pixels: np.ndarray, cx: float, cy: float, radius: float, start: float, end: float, colour: RGB) -> None:
    """A pie sector; angles as shares of the turn, clockwise from 12 o'clock."""
    left, top, side = int(cx - radius) - 1, int(cy - radius) - 1, int(2 * radius) + 4
    gx, gy = _grid(side)
    x, y = gx + left - cx, gy + top - cy
    turn = (np.arctan2(x, -y) / (2 * np.pi)) % 1.0
    inside = (turn >= start) & (turn < end)
    fill(pixels, np.clip(radius + 0.5 - np.hypot(x, y), 0, 1) * inside, left, top, colour)


def polygon(pixels: np.ndarray, points: Sequence[tuple[float, float]], colour: RGB) -> None:
    """A filled polygon."""
    left, top, alpha = polygon_mask(points)
    fill(pixels, alpha, left, top, colour)


def polygon_mask(points: Sequence[tuple[float, float]]) -> tuple[int, int, np.ndarray]:
    """Left, top and alpha ``(h, w)`` of a polygon, drawn at four times the size and averaged."""
    from PIL import Image, ImageDraw

    xs, ys = [p[0] for p in points], [p[1] for p in points]
    left, top, w, h = int(min(xs)) - 1, int(min(ys)) - 1, int(max(xs) - min(xs)) + 4, int(max(ys) - min(ys)) + 4
    big = Image.new("L", (w * 4, h * 4))
    ImageDraw.Draw(big).polygon([((x - left) * 4, (y - top) * 4) for x, y in points], fill=255)
    return left, top, np.asarray(big.resize((w, h), Image.Resampling.BOX), np.float32) / 255.0


def speckle(rng: np.random.Generator, pixels: np.ndarray, strength: int) -> np.ndarray:
    """A copy of the canvas with grey noise of up to ``strength`` levels, two pixels wide."""
    side = pixels.shape[0] // 2
    noise = rng.integers(-strength, strength + 1, (side, side, 1), dtype=np.int16).repeat(2, 0).repeat(2, 1)
    return np.clip(pixels + noise, 0, 255).astype(np.uint8)
