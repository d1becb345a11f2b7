"""What surrounds a thing and should not change its name: the background, and another thing beside it.

Letters: P pictures, K names, N backgrounds.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from nunbit.studies.figures import accuracy, paired_gain
from nunbit.studies.robustness.data import SIDES_PX, LabelledSet, background, paste
from nunbit.studies.robustness.zero_shot import Classifier, Say, chosen, share

BACKGROUNDS, ALONE, BESIDE = 4, 0.55, 0.4
"""Backgrounds that each thing is shown on; and shares of the side that a thing, and what stands beside it, take."""


def by_background(classifier: Classifier, data: LabelledSet, labels: Tensor, seed: int, say: Say) -> dict[str, Any]:
    """Every thing on plain grey and on several backgrounds, each background also alone; label vectors ``(K, D)``.

    Returns:
        ``plain`` and ``other``: accuracies; ``cost``: what backgrounds cost, paired; ``changed``: things whose name
        depends on the background; ``pulled``: of the wrong names on a background, how many are the name that the empty
        background itself gets, and ``expected``: how many would be by chance, with the backgrounds exchanged.
    """
    side, rng = SIDES_PX[data.source], np.random.default_rng(seed)
    places = [background(data.source, rng, side) for _ in range(BACKGROUNDS)]
    empty = chosen(classifier, [Image.fromarray(p) for p in places], labels)
    grey = np.full((side, side, 3), 127, np.uint8)
    rows = []
    for place in (grey, *places):
        shown = [Image.fromarray(paste(place, t.rgba, ALONE, (0.5, 0.5))) for t in data.things]
        rows.append(chosen(classifier, shown, labels))
        say(f"backgrounds {len(rows)}/{BACKGROUNDS + 1}")
    truth, given = np.asarray(data.labels), np.asarray(rows)
    wrong = given[1:] != truth
    pulled = [given[1 + n] == empty[n] for n in range(BACKGROUNDS)]
    others = [given[1 + n] == empty[(n + 1) % BACKGROUNDS] for n in range(BACKGROUNDS)]
    return {
        "plain": share(rows[0], data),
        "other": accuracy((given[1:] == truth).mean(0).tolist(), data.labels),
        "cost": paired_gain((given[0] == truth).astype(float), (given[1:] == truth).mean(0), data.labels),
        "changed": float((given[1:] != given[1]).any(0).mean()),
        "pulled": _part(pulled, wrong),
        "expected": _part(others, wrong),
        "backgrounds": BACKGROUNDS,
    }


def by_company(classifier: Classifier, data: LabelledSet, labels: Tensor, seed: int, say: Say) -> dict[str, Any]:
    """Every thing large on the left, alone and with a smaller thing of another name on the right; label vectors
    ``(K, D)``.

    Returns:
        ``alone`` and ``beside``: accuracies; ``cost``, paired; ``other``: how often the smaller thing's name is given;
        ``neither``: how often a name of neither; ``pulls``: the names that most often take over, with how often they
        stood beside and took over.
    """
    side, rng = SIDES_PX[data.source], np.random.default_rng(seed)
    partners = _partners(data, rng)
    alone, beside = [], []
    for t, partner in zip(data.things, partners, strict=True):
        left = paste(background(data.source, rng, side), t.rgba, ALONE, (0.3, 0.5))
        alone.append(Image.fromarray(left))
        beside.append(Image.fromarray(paste(left, data.things[partner].rgba, BESIDE, (0.82, 0.5))))
    first, second = chosen(classifier, alone, labels), chosen(classifier, beside, labels)
    say("things beside others")
    truth, other = np.asarray(data.labels), np.asarray([data.labels[p] for p in partners])
    given = np.asarray(second)
    took = Counter(data.names[o] for o, g in zip(other, given, strict=True) if g == o)
    stood = Counter(data.names[o] for o in other)
    return {
        "alone": share(first, data),
        "beside": share(second, data),
        "cost": paired_gain((np.asarray(first) == truth).astype(float), (given == truth).astype(float), data.labels),
        "other": float((given == other).mean()),
        "neither": float(((given != other) & (given != truth)).mean()),
        "pulls": {name: [stood[name], n] for name, n in took.most_common(8)},
    }


def _partners(data: LabelledSet, rng: np.random.Generator) -> list[int]:
    """For each thing the position of one of another name."""
    labels = np.asarray(data.labels)
    return [int(rng.choice(np.flatnonzero(labels != own))) for own in labels]


def _part(which: list[np.ndarray], of: np.ndarray) -> float:
    return float((np.asarray(which) & of).sum() / max(1, of.sum()))
