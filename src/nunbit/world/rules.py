"""Episodes whose rule stands only in the solved examples: made-up names of shapes and colours, and made-up units.

Without the examples the answer can only be guessed. The made-up words of tests are never those of training.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from nunbit.world import lexicon, portraits, things
from nunbit.world.base import COLOURS, Language, Split, pick
from nunbit.world.canvas import frame, rect

SIDE_PX = portraits.SIDE_PX
CLASSES, LEVELS = 4, 6
UNITS = (2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 15, 20)
LETTERS, VOWELS = "bdfgklmnprstvz", "aeiou"
QUESTIONS: dict[str, dict[Language, str]] = {
    "shape": {"en": "What is this called?", "ko": "이것의 이름은 무엇인가요?"},
    "colour": {"en": "What is this color called?", "ko": "이 색의 이름은 무엇인가요?"},
    "gauge": {"en": "What is the value?", "ko": "값은 얼마인가요?"},
}
KINDS = tuple(QUESTIONS)


@dataclass(frozen=True, slots=True)
class Example:
    """A solved example.

    Attributes:
        pixels: ``(SIDE_PX, SIDE_PX, 3)`` uint8.
        answer: under the episode's rule.
        case: what decides the answer: a shape, a colour or a level.
    """

    pixels: np.ndarray
    question: str
    answer: str
    case: str


@dataclass(frozen=True, slots=True)
class Episode:
    """Solved examples under one rule, and a question under the same."""

    kind: str
    language: Language
    pool: tuple[Example, ...]
    query: Example


def episode(rng: np.random.Generator, split: Split, kind: str, language: Language, pool: int) -> Episode:
    """An episode. If there are more examples than cases, at least one has the case of the question.

    Args:
        pool: how many solved examples.
        kind: one of `KINDS`.
        split: whose made-up words are used: ``train``, or any other.
    """
    make = {"shape": _shapes, "colour": _colours, "gauge": _gauges}[kind](rng, split, language)
    question = QUESTIONS[kind][language]
    found = []
    for _ in range(pool + 1):
        pixels, answer, case = make()
        found.append(Example(pixels, question, answer, case))
    again = [i for i, x in enumerate(found) if sum(x.case == y.case for y in found) > 1]
    query = found.pop(again[-1] if again else -1)
    return Episode(kind, language, tuple(found), query)


Maker = Callable[[], tuple[np.ndarray, str, str]]


def _shapes(rng: np.random.Generator, split: Split, language: Language) -> Maker:
    cases = [str(s) for s in rng.permutation(tuple(things.SHAPES))[: _some(rng, split, CLASSES)]]
    called = dict(zip(cases, words(rng, split, language, len(cases)), strict=True))

    def make() -> tuple[np.ndarray, str, str]:
        name = pick(rng, cases)
        return portraits.draw(rng, split, name).pixels, called[name], name

    return make


def _colours(rng: np.random.Generator, split: Split, language: Language) -> Maker:
    cases = [str(c) for c in rng.permutation(tuple(COLOURS))[: _some(rng, split, CLASSES)]]
    called = dict(zip(cases, words(rng, split, language, len(cases)), strict=True))

    def make() -> tuple[np.ndarray, str, str]:
        hue = pick(rng, cases)
        drawn = portraits.draw(rng, split, pick(rng, tuple(things.SHAPES)), hue)
        return drawn.pixels, called[hue], hue

    return make


def _gauges(rng: np.random.Generator, split: Split, language: Language) -> Maker:
    unit, hue = int(pick(rng, UNITS)), COLOURS[pick(rng, ("red", "orange", "green", "blue", "purple", "black"))][1]
    levels = [1 + int(v) for v in rng.permutation(LEVELS)[: _some(rng, split, LEVELS)]]

    def make() -> tuple[np.ndarray, str, str]:
        level = pick(rng, levels)
        return gauge(rng, level, hue), str(level * unit), str(level)

    return make


def _some(rng: np.random.Generator, split: Split, most: int) -> int:
    """How many different cases an episode has.

    Training has episodes with fewer: with two cases, attending to the examples pays from the first step.
    """
    return int(rng.integers(2, most + 1)) if split == "train" else most


def gauge(rng: np.random.Generator, level: int, hue: tuple[int, int, int]) -> np.ndarray:
    """Pixels ``(SIDE_PX, SIDE_PX, 3)`` of a frame with ticks and no numbers, filled up to one of `LEVELS` levels."""
    pixels = np.empty((SIDE_PX, SIDE_PX, 3), np.uint8)
    pixels[:] = rng.integers(215, 256, 3)
    x, wide, step = int(rng.integers(12, 28)), int(rng.integers(18, 26)), 9
    bottom = SIDE_PX - int(rng.integers(3, 7))
    rect(pixels, (x, bottom - level * step, x + wide, bottom), hue)
    frame(pixels, (x - 1, bottom - LEVELS * step, x + wide + 1, bottom + 1), (90, 90, 96))
    for tick in range(1, LEVELS):
        rect(pixels, (x - 5, bottom - tick * step, x - 1, bottom - tick * step + 1), (90, 90, 96))
    return pixels


def words(rng: np.random.Generator, split: Split, language: Language, count: int) -> list[str]:
    """Made-up words of different first sounds; a quarter of all such words is kept out of training."""
    out: list[str] = []
    while len(out) < count:
        made = _word(rng, language)
        held_out = sum(map(ord, made)) % 4 == 0
        if held_out == (split != "train") and made not in _REAL and all(made[0] != w[0] for w in out):
            out.append(made)
    return out


def _word(rng: np.random.Generator, language: Language) -> str:
    if language == "ko":
        return pick(rng, lexicon.SYLLABLES) + pick(rng, lexicon.SYLLABLES)
    return pick(rng, LETTERS) + pick(rng, VOWELS) + pick(rng, LETTERS)


_REAL = {*lexicon.ENGLISH, *lexicon.KOREAN, *things.names(), *(korean for _, korean in things.names().values())}
