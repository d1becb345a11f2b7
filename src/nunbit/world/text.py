"""Lines of text painted into pixels. The anti-aliased mask of each glyph is made once per font and size, then copied.

Letters: h and w height and width in pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from nunbit.scene import TextLine
from nunbit.world.base import Glyph

LATIN_FONTS = ("sans", "sans-bold", "serif", "mono")
HANGUL_FONTS = ("gothic", "gothic-bold", "round")
_FOLDER = Path(__file__).parent / "fonts"
RGB = tuple[int, int, int]


def font_for(text: str, latin: str = "sans", hangul: str = "gothic") -> str:
    """A font that has every character: the Hangul one as soon as a syllable occurs."""
    return hangul if any(ord(c) > 0x2000 for c in text) else latin


def line_height(size_px: int) -> int:
    """The distance of two lines of a font size, in pixels."""
    return round(size_px * 1.25)


def width(text: str, font: str = "sans", size_px: int = 14) -> int:
    """The width of a line in pixels."""
    return round(sum(_glyph(font, size_px, c)[3] for c in text))


def paint(
    pixels: np.ndarray, x: float, y: float, text: str, *, font: str = "sans", size_px: int = 14, colour: RGB = (0, 0, 0)
) -> list[Glyph]:
    """Draw one line with its top left at (x, y), cut at the edges of the canvas.

    Returns:
        a Glyph a character, spaces included.
    """
    out, ink = [], np.asarray(colour, np.float32)
    for char in text:
        mask, dx, dy, advance = _glyph(font, size_px, char)
        if mask is not None:
            left, top = round(x) + dx, round(y) + dy
            blend(pixels, left, top, mask, ink)
            out.append(Glyph(char, (left, top, left + mask.shape[1], top + mask.shape[0])))
        else:
            out.append(Glyph(" ", (x, y + 0.4 * size_px, x + advance, y + 0.9 * size_px)))
        x += advance
    return out


def text_line(text: str, glyphs: Sequence[Glyph]) -> TextLine:
    """A line of text in the box around its glyphs."""
    b = np.array([g.box for g in glyphs])
    box = (float(b[:, 0].min()), float(b[:, 1].min()), float(b[:, 2].max()), float(b[:, 3].max()))
    return TextLine.from_box(text, box)


def blend(pixels: np.ndarray, left: int, top: int, alpha: np.ndarray, colour: np.ndarray) -> None:
    """Mix ``colour`` ``(3,)`` or ``(h, w, 3)`` into the canvas under ``alpha`` ``(h, w, 1)``, 0 to 1."""
    h, w = alpha.shape[:2]
    y0, x0, y1, x1 = max(0, top), max(0, left), min(pixels.shape[0], top + h), min(pixels.shape[1], left + w)
    if y0 >= y1 or x0 >= x1:
        return
    cut = (slice(y0 - top, y1 - top), slice(x0 - left, x1 - left))
    part = pixels[y0:y1, x0:x1]
    ink = colour[cut] if colour.ndim == 3 else colour
    part[...] = (part + alpha[cut] * (ink - part) + 0.5).astype(np.uint8)


@lru_cache(maxsize=64)
def _font(font: str, size_px: int):
    from PIL import ImageFont

    return ImageFont.truetype(str(_FOLDER / f"{font}.ttf"), size_px)


@lru_cache(maxsize=60000)
def _glyph(font: str, size_px: int, char: str) -> tuple[np.ndarray | None, int, int, float]:
    """(mask (h, w, 1) in 0 .. 1 or None for a space, offset x, offset y, advance) of one character."""
    face = _font(font, size_px)
    box = face.getbbox(char)
    if box[2] <= box[0] or box[3] <= box[1] or char.isspace():
        return None, 0, 0, face.getlength(char)
    mask = face.getmask(char)
    pixels = np.asarray(mask, np.float32).reshape(mask.size[1], mask.size[0], 1) / 255.0
    return pixels, int(box[0]), int(box[1]), face.getlength(char)
