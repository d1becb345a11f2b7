"""Questions that take several steps, each with its worked solution.

Count two kinds and compare them, or look up two prices and add them.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from nunbit.world import documents, things
from nunbit.world.base import Language, Picture, Split, generator, pick
from nunbit.world.wording import josa

KINDS = ("more", "difference", "sum")
_MOST_DRAWS = 500


@dataclass(frozen=True, slots=True)
class Worked:
    """A question, the steps in words, and the answer that they end in."""

    question: str
    reasoning: str
    answer: str
    kind: str
    language: Language


@dataclass(frozen=True, slots=True)
class Solved:
    """A world picture with one such question."""

    picture: Picture
    worked: Worked


def draw(index: int, seed: int, split: Split, language: Language | None = None) -> Solved:
    """Picture number ``index`` of a stream: the kinds alternate; the language is random if none is given."""
    rng = generator(seed, index, split)
    kind = KINDS[index % len(KINDS)]
    chosen: Language = language or pick(rng, ("en", "ko"))
    for _ in range(_MOST_DRAWS):
        picture = documents.draw(rng, split) if kind == "sum" else things.draw(rng, split)
        worked = make_question(picture, rng, kind, chosen)
        if worked:
            return Solved(picture, worked)
    raise AssertionError(f"no picture in {_MOST_DRAWS} gives a question of the kind {kind}")


def make_question(picture: Picture, rng: np.random.Generator, kind: str, language: Language) -> Worked | None:
    """One question of the kind about a picture; None where it gives none."""
    if kind == "sum":
        return _sum(picture, rng, language)
    counts = Counter(o.name for o in picture.scene.objects)
    kinds = list(counts)
    if len(kinds) < 2:
        return None
    a, b = (kinds[int(i)] for i in rng.permutation(len(kinds))[:2])
    if counts[a] == counts[b]:
        return None
    return (_more if kind == "more" else _difference)(a, b, counts, language)


def _more(a: str, b: str, counts: Counter[str], language: Language) -> Worked:
    winner = a if counts[a] > counts[b] else b
    if language == "ko":
        question = f"{josa(_name(a, 'ko'), '과/와')} {_name(b, 'ko')} 중에 어느 것이 더 많은가요?"
    else:
        question = f"Which are there more of, {_plural(a)} or {_plural(b)}?"
    return Worked(
        question,
        _counted(a, b, counts, language),
        _name(winner, "ko") if language == "ko" else _plural(winner),
        "more",
        language,
    )


def _difference(a: str, b: str, counts: Counter[str], language: Language) -> Worked:
    if counts[a] < counts[b]:
        a, b = b, a
    rest = counts[a] - counts[b]
    if language == "ko":
        question = f"{josa(_name(a, 'ko'), '은/는')} {_name(b, 'ko')}보다 몇 개 더 많은가요?"
    else:
        question = f"How many more {_plural(a)} than {_plural(b)} are there?"
    steps = f"{_counted(a, b, counts, language)} {counts[a]} - {counts[b]} = {rest}."
    return Worked(question, steps, str(rest), "difference", language)


def _counted(a: str, b: str, counts: Counter[str], language: Language) -> str:
    if language == "ko":
        return f"{_name(a, 'ko')} {counts[a]}개. {_name(b, 'ko')} {counts[b]}개."
    return f"{_plural(a)}: {counts[a]}. {_plural(b)}: {counts[b]}."


def _sum(picture: Picture, rng: np.random.Generator, language: Language) -> Worked | None:
    doc = picture.scene.meta["doc"]
    if doc["type"] != "receipt":
        return None
    (a, first), (b, second) = (doc["rows"][int(i)] for i in rng.permutation(len(doc["rows"]))[:2])
    one, two, both = (documents.money(v, doc["hangul"]) for v in (first, second, first + second))
    question = (
        f"How much do {a} and {b} cost together?"
        if language == "en"
        else f"{josa(a, '과/와')} {b} 가격을 더하면 얼마인가요?"
    )
    return Worked(question, f"{a}: {one}. {b}: {two}. {one} + {two} = {both}.", both, "sum", language)


def _name(name: str, language: Language) -> str:
    return things.names()[name][1] if language == "ko" else name


def _plural(name: str) -> str:
    return things.names()[name][0]
