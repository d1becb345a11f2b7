"""What can be asked about a painted page of which perception read only a part: look-ups whose answers were read, and,
where everything was read, all else."""

from __future__ import annotations

from collections import Counter

import numpy as np

from nunbit.recipes.small.rows import Turn
from nunbit.scene import Scene
from nunbit.scene_layout import arrange
from nunbit.world import paper_questions
from nunbit.world.base import Language
from nunbit.world.papers import Paper

COPIED = ("lookup", "reading", "follow-up")
"""Kinds of question whose answer stands on the page."""
NEAR = 0.06
"""A figure read off an axis may differ by so much from the truth."""


def ask(paper: Paper, read: Scene, rng: np.random.Generator, language: Language, many: int) -> list[list[Turn]]:
    """Up to ``many`` conversations about a page that was read as ``read``."""
    if paper.colours:
        return _ask_chart(paper, read, rng, language, many)
    words = Counter(w for line in read.text_lines for w in _plain(line.text).split())
    whole = not Counter(w for row in paper.rows for c in row for w in _plain(c).split()) - words
    page = " ".join(" ".join(_plain(line.text) for line in row) for row in arrange(read).rows)
    out = []
    for conversation in paper_questions.ask(paper, read, rng, language, 3 * many):
        copied = all(_plain(answer) in page for _, answer in conversation.turns)
        if conversation.kind in COPIED and not copied:
            continue
        if whole or copied or conversation.kind in ("unanswerable", "naming"):
            out.append(conversation.turns)
    return out[:many]


def _plain(text: str) -> str:
    return text.casefold().replace(" / ", " ")


def _ask_chart(paper: Paper, read: Scene, rng: np.random.Generator, language: Language, many: int) -> list[list[Turn]]:
    """Questions about a chart of which all bars were found: figures as they were found."""
    bars = [t for t in arrange(read).things if t.thing.name == "bar"]
    found = [(" ".join(t.labels), t.value) for t in sorted(bars, key=lambda t: t.thing.box[0])]
    if [label.casefold() for label, _ in found] != [label.casefold() for label in paper.numbers]:
        return []
    for (_, figure), (label, value) in zip(found, paper.numbers.items(), strict=True):
        number = figure.removeprefix("about ").replace(",", "")
        if not number.isdigit() or abs(float(number) - value) > max(1.0, NEAR * value):
            return []
        paper.say(label, figure)
    return [c.turns for c in paper_questions.ask(paper, read, rng, language, many)]
