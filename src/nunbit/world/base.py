"""What every domain of the procedural world shares: Picture, QA, the canvas size, colours, and how domains register.

A domain is a file with two functions: ``draw(rng, split, style=None) -> Picture`` and ``ask(picture, rng, language) -> list[QA]``.
Everything is a function of the random generator that comes in, so a seed names a picture for ever. No models, no files opened
but the artwork and fonts that ship with the package.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from nunbit.registry import Registry
from nunbit.scene import Scene

SIZE_PX = 192
"""Side of a world picture. The tiny model sees pictures at this size: 12 x 12 cells of 16 pixels."""

Language = Literal["en", "ko"]
Split = Literal["train", "test", "unseen"]
"""``test`` draws from seeds never used in training; ``unseen`` also uses the artwork style kept out of training."""

KINDS = ("exists", "count", "attribute", "relation", "compare", "locate", "read", "lookup", "order", "describe")

COLOURS: dict[str, tuple[str, tuple[int, int, int]]] = {
    "red": ("빨간색", (214, 40, 40)),
    "orange": ("주황색", (245, 130, 32)),
    "yellow": ("노란색", (250, 210, 40)),
    "green": ("초록색", (46, 140, 60)),
    "blue": ("파란색", (38, 84, 200)),
    "purple": ("보라색", (128, 60, 170)),
    "pink": ("분홍색", (245, 140, 185)),
    "brown": ("갈색", (120, 72, 40)),
    "black": ("검은색", (25, 25, 28)),
    "white": ("흰색", (250, 250, 250)),
    "gray": ("회색", (135, 135, 140)),
}
"""English name -> (Korean name, typical RGB)."""


@dataclass(slots=True)
class Glyph:
    """One drawn character and its box in pixels: the dense truth that teaches an encoder to read."""

    char: str
    box: tuple[float, float, float, float]


@dataclass(slots=True)
class Picture:
    """Pixels ``(SIZE_PX, SIZE_PX, 3)`` uint8 with their exact Scene. ``glyphs`` are all characters drawn, in reading order."""

    pixels: np.ndarray
    scene: Scene
    domain: str
    glyphs: list[Glyph]


@dataclass(frozen=True, slots=True)
class QA:
    """A question with its exact answer. ``accept`` lists other strings that are right too. A box answer is written ``[x1, y1, x2, y2]``
    in hundredths of the picture's side (integers 0 to 100) and is right at IoU >= 0.5. ``unordered``: a list that is right in any order."""

    question: str
    answer: str
    kind: str
    language: Language
    accept: tuple[str, ...] = ()
    unordered: bool = False


@dataclass(frozen=True, slots=True)
class Domain:
    draw: Callable[..., Picture]
    ask: Callable[[Picture, np.random.Generator, Language], list[QA]]


DOMAINS: Registry[Domain] = Registry("world domain")


def generator(seed: int, index: int, split: Split) -> np.random.Generator:
    """The random generator of picture ``index``: splits can never meet, whatever the seed."""
    tag = hashlib.blake2b(f"nunbit-world/{split}/{seed}/{index}".encode(), digest_size=16).digest()
    return np.random.Generator(np.random.SFC64(np.frombuffer(tag, dtype=np.uint64).tolist()))


def pick(rng: np.random.Generator, items):
    """One of ``items``, uniformly. Plain indexing: numpy's ``choice`` is ten times slower on short lists."""
    return items[int(rng.integers(len(items)))]


def box_text(box: tuple[float, float, float, float], width: int = SIZE_PX, height: int = SIZE_PX) -> str:
    """A box as the answer to "where": hundredths of the picture's sides."""
    x1, y1, x2, y2 = box
    return f"[{round(100 * x1 / width)}, {round(100 * y1 / height)}, {round(100 * x2 / width)}, {round(100 * y2 / height)}]"
