"""What every domain of the procedural world shares: pictures, questions, the canvas size, colours, the registry.

A domain is a file with two functions, ``draw`` and ``make_questions`` (see `Domain`). Both depend on nothing but their
arguments and the random generator, so a seed always gives the same picture. There are no models, and no files but the
artwork and fonts that ship with the package.
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
"""Side of a world picture, and of the tiny model's input: 12 x 12 cells of 16 pixels."""

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
    """One drawn character and its box in pixels, from which an encoder learns to read."""

    char: str
    box: tuple[float, float, float, float]


@dataclass(slots=True)
class Picture:
    """A drawn picture.

    Attributes:
        pixels: ``(SIZE_PX, SIZE_PX, 3)`` uint8.
        scene: exactly what was drawn.
        domain: which drew it.
        glyphs: all characters drawn, in reading order.
    """

    pixels: np.ndarray
    scene: Scene
    domain: str
    glyphs: list[Glyph]


@dataclass(frozen=True, slots=True)
class QA:
    """A question with its exact answer.

    A box answer is written ``[x1, y1, x2, y2]`` in hundredths of the picture's side (integers 0 to 100) and is right at
    IoU >= 0.5.

    Attributes:
        kind: one of `KINDS`.
        accept: other strings that are right too.
        unordered: the answer is a list that is right in any order.
    """

    question: str
    answer: str
    kind: str
    language: Language
    accept: tuple[str, ...] = ()
    unordered: bool = False


@dataclass(frozen=True, slots=True)
class Domain:
    """A kind of pictures.

    Attributes:
        draw: ``draw(rng, split, style=None)`` makes a picture, in one artwork style if one is named.
        make_questions: ``make_questions(picture, rng, language)`` gives questions about one.
    """

    draw: Callable[..., Picture]
    make_questions: Callable[[Picture, np.random.Generator, Language], list[QA]]


DOMAINS: Registry[Domain] = Registry("world domain")


def generator(seed: int, index: int, split: Split) -> np.random.Generator:
    """The random generator of picture ``index``; no two splits share one, whatever the seed."""
    tag = hashlib.blake2b(f"nunbit-world/{split}/{seed}/{index}".encode(), digest_size=16).digest()
    return np.random.Generator(np.random.SFC64(np.frombuffer(tag, dtype=np.uint64).tolist()))


def pick(rng: np.random.Generator, items):
    """One of ``items``, uniformly; numpy's ``choice`` is ten times slower on short lists."""
    return items[int(rng.integers(len(items)))]


def box_text(box: tuple[float, float, float, float], width: int = SIZE_PX, height: int = SIZE_PX) -> str:
    """A box as the answer to a question for a place: hundredths of the picture's sides."""
    shares = (round(100 * v / side) for v, side in zip(box, (width, height, width, height), strict=True))
    return f"[{', '.join(map(str, shares))}]"
