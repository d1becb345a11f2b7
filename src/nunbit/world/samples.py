"""An endless stream of world pictures with questions, each a function of seed and index, so that nothing is stored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from nunbit.world import DOMAINS, things
from nunbit.world.base import QA, Language, Picture, Split, generator

NONE: Mapping[str, float] = {}
MIXTURE: dict[str, float] = {
    "things": 0.34,
    "writing": 0.18,
    "documents": 0.14,
    "charts": 0.14,
    "puzzles": 0.12,
    "panels": 0.08,
}
"""Share of each domain among training pictures."""


@dataclass(slots=True)
class Sample:
    """A picture with questions about it."""

    picture: Picture
    questions: list[QA]


def sample(
    index: int,
    *,
    seed: int = 0,
    split: Split = "train",
    mixture: Mapping[str, float] = MIXTURE,
    questions: int = 8,
    korean: float = 0.5,
    even: bool = False,
    imagined: float = 0.0,
    kinds: Collection[str] = (),
    short: int = 0,
    emphasis: Mapping[str, float] = NONE,
) -> Sample:
    """Picture number ``index`` of a stream with up to ``questions`` questions.

    Args:
        mixture: the share of each domain.
        korean: share of questions in Korean.
        imagined: share of pictures that are Scenes without pixels (`nunbit.world.things.imagine`).
        short: writing is drawn again until it has at most so many characters, if above 0.
        kinds: only questions of these kinds; of all, if empty.
        even: kinds of questions are equally likely, however many of a kind the picture gives.
        emphasis: with ``even``, how much likelier a kind of a domain is than the others, as "writing/read": 2.0.
    """
    rng = generator(seed, index, split)
    names = list(mixture)
    weights = np.cumsum([mixture[n] for n in names])
    domain = DOMAINS[
        names[int(np.searchsorted(weights, rng.random() * weights[-1], side="right").clip(0, len(names) - 1))]
    ]
    picture = things.imagine(rng) if imagined and rng.random() < imagined else domain.draw(rng, split)
    while short and picture.domain == "writing" and len(picture.glyphs) > short:
        picture = domain.draw(rng, split)
    domain = DOMAINS[picture.domain]
    both: dict[Language, list[QA]] = {}
    out: list[QA] = []
    share: tuple[tuple[Language, float], ...] = (("ko", korean), ("en", 1 - korean))
    for language, part in share:
        if part > 0:
            both[language] = domain.make_questions(picture, rng, language)
    pool = [qa for qas in both.values() for qa in qas if not kinds or qa.kind in kinds]
    order = rng.permutation(len(pool))
    if even:
        frequency = Counter((qa.kind, qa.language) for qa in pool)
        rarity = [frequency[qa.kind, qa.language] / emphasis.get(f"{picture.domain}/{qa.kind}", 1.0) for qa in pool]
        order = np.argsort([-(rng.random() ** r) for r in rarity])
    for i in order[:questions]:
        out.append(pool[int(i)])
    return Sample(picture, out)
