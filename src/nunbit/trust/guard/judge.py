"""Judges what was read: of all runs of lines of a request, which is most likely an order to a model, and why."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nunbit.trust.guard.classifier import Classifier, between_features, load_classifier, text_features, tokens
from nunbit.trust.guard.rules import GROUPS, find_signs
from nunbit.trust.guard.words import MOST_CHARS, ReadLine, normalised, orders

RUN_LINES = 7
"""Lines of a run, at most. Longer orders show in their parts."""
_RUN_SIZES = tuple(range(1, RUN_LINES + 1))
STRONG = frozenset(GROUPS) - {"address", "control", "speech"}
"""Signs of which two in a few lines are hardly ever ordinary writing."""
_ORDINARY_PAIRS = frozenset((("address", "image"), ("address", "reveal"), ("address", "tags"), ("address", "user")))
FEW_LINES, CLEAR, LIKELY = 3, 0.8, 0.6
"""A run of so few lines has at least the first score with two strong signs or the marks of a chat template, and at
least the second where a model is addressed and its answer dictated, or either beside one strong sign."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A run of lines with its score.

    Attributes:
        lines: in reading order.
        score: how likely it is an order to a model, 0 to 1.
        signs: groups of `rules` that it shows, in their order.
    """

    lines: tuple[ReadLine, ...]
    score: float
    signs: tuple[str, ...]

    @property
    def text(self) -> str:
        """The lines as they were read."""
        return "\n".join(line.text for line in self.lines)


def judge(lines: Sequence[ReadLine], classifier: Classifier | None = None) -> list[Passage]:
    """All runs of up to `RUN_LINES` neighbouring lines, the most suspicious first; of equal ones the shortest."""
    chosen = classifier or load_classifier()
    found = {tuple(map(id, p.lines)): p for order in orders(lines) for p in _runs(order, chosen)}
    return sorted(found.values(), key=lambda p: (-p.score, len(p.lines)))


def score_text(text: str, classifier: Classifier | None = None) -> float:
    """The highest score of the runs of a text's lines."""
    box = (0.0, 0.0, 1.0, 1.0)
    lines = [ReadLine(0, t, box, (0.0, i, 1.0, i + 1.0)) for i, t in enumerate(text.split("\n"))]
    return max((p.score for p in _runs(lines, classifier or load_classifier())), default=0.0)


def _runs(order: Sequence[ReadLine], classifier: Classifier) -> list[Passage]:
    texts = [normalised(line.text.replace("\n", " ")) for line in order]
    starts = [0, *itertools.accumulate(len(t) + 1 for t in texts)]
    joined = "\n".join(texts)[: 4 * MOST_CHARS]
    signs = find_signs(joined)
    words = [tokens(t) for t in texts]
    own = [np.array(text_features(w), np.int64) for w in words]
    between = [np.array(between_features(a, b), np.int64) for a, b in itertools.pairwise(words)]
    out = []
    for size in _RUN_SIZES:
        for i in range(len(order) - size + 1):
            low, high = starts[i], starts[i + size]
            shown = {g for g, a, b in signs if low <= a and b <= high}
            parts = own[i : i + size] + between[i : i + size - 1]
            score = classifier.score(parts, shown)
            if size <= FEW_LINES:
                score = max(score, _least(shown))
            out.append(Passage(tuple(order[i : i + size]), score, tuple(g for g in GROUPS if g in shown)))
    return out


def _least(shown: set[str]) -> float:
    """The score that the signs alone give a few lines."""
    strong = shown & STRONG
    if len(strong) > 1 or "tokens" in strong:
        return CLEAR
    if {"address", "control"} <= shown:
        return LIKELY
    pairs = ((weak, s) for weak in ("address", "control") if weak in shown for s in strong)
    return LIKELY if any(p not in _ORDINARY_PAIRS for p in pairs) else 0.0
