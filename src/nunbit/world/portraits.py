"""Portraits: one object, large in a small picture, with its name: the pairs that a contrastive model learns from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nunbit.world import things
from nunbit.world.base import COLOURS, Language, Split, pick
from nunbit.world.text import blend
from nunbit.world.wording import colour_word

SIDE_PX = 64
SIZES_PX = (36, 40, 44, 48, 52, 56, 60)


@dataclass(slots=True)
class Portrait:
    """A picture of one object.

    Attributes:
        pixels: ``(SIDE_PX, SIDE_PX, 3)`` uint8.
        name: of the object, in English.
        colour: of a shape; empty for artwork.
    """

    pixels: np.ndarray
    name: str
    colour: str = ""

    def called(self, language: Language, coloured: bool = False) -> str:
        """The object's name in a language, with its colour if ``coloured`` and it is known."""
        name = things.names()[self.name][1] if language == "ko" else self.name
        return f"{colour_word(self.colour, language)} {name}" if coloured and self.colour else name


def draw(rng: np.random.Generator, split: Split, name: str, colour: str = "") -> Portrait:
    """A portrait of an object, in a style of the split.

    Args:
        name: of an artwork object or a shape.
        colour: of a shape; any colour if none is given.
    """
    left, top = (int(v) for v in rng.integers(0, things.SIZE_PX - SIDE_PX, 2))
    pixels = things.background(rng)[top : top + SIDE_PX, left : left + SIDE_PX].copy()
    style = things.UNSEEN_STYLE if split == "unseen" else pick(rng, things.STYLES)
    size, flip, hue = pick(rng, SIZES_PX), bool(rng.random() < 0.5), ""
    if name in things.SHAPES:
        hue = colour or pick(rng, tuple(COLOURS))
        alpha = things.shape_mask(name, size)
        ink = np.clip(np.asarray(COLOURS[hue][1], np.float32) + rng.integers(-14, 15, 3), 0, 255).astype(np.float32)
    else:
        ink, alpha = things.artwork_tile(style, things.artwork_names().index(name), size, flip)
    h, w = alpha.shape[:2]
    x, y = (int(rng.integers(0, SIDE_PX - n + 1)) for n in (w, h))
    blend(pixels, x, y, alpha, ink)
    return Portrait(pixels, name, hue)
