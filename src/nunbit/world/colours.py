"""Naming colours: which of the world's eleven colour names a set of pixels has, and whether one of them is clearly
the main one."""

from __future__ import annotations

import numpy as np

from nunbit.world.base import COLOURS

CLEAR = 0.6
"""A colour is the main one from this share of the pixels on."""
NAMES = tuple(COLOURS)


def name_colours(pixels: np.ndarray) -> np.ndarray:
    """Positions in `NAMES` of pixels ``(N, 3)`` 0 .. 255: black, white and gray by lightness, the rest by hue; dark
    orange is brown."""
    scaled = np.clip(pixels.astype(np.float32) / 255, 0, 1)
    high, low = scaled.max(1), scaled.min(1)
    spread = high - low
    lightness = (high + low) / 2
    saturation = spread / np.maximum(1e-6, 1 - np.abs(2 * lightness - 1))
    hue = _hue(scaled, high, spread)
    out = np.full(len(scaled), NAMES.index("red"))
    for edge, name in (
        (16, "red"),
        (42, "orange"),
        (68, "yellow"),
        (165, "green"),
        (255, "blue"),
        (300, "purple"),
        (335, "pink"),
        (361, "red"),
    ):
        bound = (hue < edge) & (hue >= _previous(edge))
        out[bound] = NAMES.index(name)
    warm = (hue < 46) | (hue > 345)
    out[warm & (lightness < 0.36) & (hue > 8) & (hue < 46)] = NAMES.index("brown")
    out[warm & (saturation < 0.45) & (lightness < 0.6) & (hue < 50)] = NAMES.index("brown")
    out[((hue > 300) | (hue < 16)) & (lightness > 0.7)] = NAMES.index("pink")
    pale = (spread < 0.12) | (saturation < 0.16)
    out[pale] = NAMES.index("gray")
    out[pale & (lightness > 0.78) | (lightness > 0.93)] = NAMES.index("white")
    out[(lightness < 0.14) | ((spread < 0.12) & (lightness < 0.2))] = NAMES.index("black")
    return out


_EDGES = (0, 16, 42, 68, 165, 255, 300, 335, 361)


def _previous(edge: int) -> int:
    return _EDGES[_EDGES.index(edge) - 1]


def _hue(scaled: np.ndarray, high: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """Hue in degrees, 0 .. 360."""
    r, g, b = scaled.T
    safe = np.maximum(spread, 1e-6)
    hue = np.where(high == r, (g - b) / safe % 6, np.where(high == g, (b - r) / safe + 2, (r - g) / safe + 4))
    return hue * 60 % 360


def main_colour(pixels: np.ndarray) -> str:
    """The name of the colour that most pixels ``(N, 3)`` have; "" where none is clear."""
    if not len(pixels):
        return ""
    counts = np.bincount(name_colours(pixels), minlength=len(NAMES))
    best = int(counts.argmax())
    return NAMES[best] if counts[best] >= CLEAR * len(pixels) else ""
