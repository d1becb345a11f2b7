"""An endless stream of world pictures with questions, as a function of (seed, number): nothing is stored, everything can be redrawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from nunbit.world import DOMAINS
from nunbit.world.base import QA, Language, Picture, Split, generator

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
    picture: Picture
    questions: list[QA]


def sample(index: int, *, seed: int = 0, split: Split = "train", mixture: Mapping[str, float] = MIXTURE, questions: int = 8,
           korean: float = 0.5) -> Sample:  # fmt: skip
    """Picture number ``index`` of a stream with up to ``questions`` questions, each in Korean with the given probability."""
    rng = generator(seed, index, split)
    names = list(mixture)
    weights = np.cumsum([mixture[n] for n in names])
    domain = DOMAINS[
        names[int(np.searchsorted(weights, rng.random() * weights[-1], side="right").clip(0, len(names) - 1))]
    ]
    picture = domain.draw(rng, split)
    both: dict[Language, list[QA]] = {}
    out: list[QA] = []
    share: tuple[tuple[Language, float], ...] = (("ko", korean), ("en", 1 - korean))
    for language, part in share:
        if part > 0:
            both[language] = domain.ask(picture, rng, language)
    pool = [qa for qas in both.values() for qa in qas]
    for i in rng.permutation(len(pool))[:questions]:
        out.append(pool[int(i)])
    return Sample(picture, out)
