"""What the recipe trains on: shares of domains and kinds of questions, and the curriculum of the language model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

EMPHASIS = {
    "things/count": 1.3,
    "things/locate": 1.3,
    "things/describe": 1.2,
    "things/exists": 0.5,
    "things/attribute": 0.4,
    "things/relation": 0.6,
    "things/compare": 0.6,
    "things/order": 0.7,
    "writing/read": 3.0,
    "writing/attribute": 0.2,
    "writing/count": 0.6,
    "documents/lookup": 2.4,
    "documents/compare": 1.2,
    "documents/read": 1.2,
    "documents/order": 1.2,
    "documents/count": 0.5,
    "documents/describe": 0.1,
    "charts/compare": 1.7,
    "charts/attribute": 1.2,
    "charts/lookup": 1.2,
    "charts/read": 0.3,
    "charts/count": 0.3,
    "charts/describe": 0.1,
    "puzzles/lookup": 1.5,
    "puzzles/order": 1.2,
    "puzzles/read": 1.3,
    "puzzles/describe": 0.1,
    "puzzles/count": 0.6,
    "puzzles/compare": 0.4,
    "panels/lookup": 1.2,
    "panels/count": 0.15,
    "panels/exists": 0.15,
    "panels/describe": 0.1,
}
"""How often kinds of questions are asked, by "domain/kind": easy ones less often."""
MIXTURE = {"things": 0.28, "writing": 0.22, "documents": 0.19, "charts": 0.14, "puzzles": 0.12, "panels": 0.05}
"""Shares of the domains."""


@dataclass(frozen=True, slots=True)
class CurriculumStage:
    """What the language model is asked before step ``until``.

    Attributes:
        until: the first step that belongs to the next stage.
        kinds: kinds of questions, all if empty.
        review: share of the pictures that belong to an earlier stage of the curriculum.
        korean: share of the questions in Korean.
        imagined: share of Scenes that were never drawn (`nunbit.world.things.imagine`).
        short: texts of at most so many characters, if above 0.
        mixture: shares of the domains, the task's own if empty.
        emphasis: how much likelier than others a kind of question is, by "domain/kind".
        empty: share of the empty cells that stands in the sequence.
        cells: cells of each object in the sequence, on average at most.
    """

    until: float = float("inf")
    kinds: tuple[str, ...] = ()
    review: float = 0.0
    korean: float = 0.5
    imagined: float = 0.0
    short: int = 0
    mixture: Mapping[str, float] = field(default_factory=dict)
    emphasis: Mapping[str, float] = field(default_factory=dict)
    empty: float = 0.05
    cells: float = 3.0


THINGS, WRITING, DOCUMENTS = {"things": 1.0}, {"writing": 1.0}, {"documents": 1.0}
EVERYTHING = CurriculumStage(imagined=0.25, empty=0.03, cells=2.5, emphasis=EMPHASIS, mixture=MIXTURE)
CURRICULUM = (
    CurriculumStage(until=350, mixture=THINGS, imagined=1.0, kinds=("attribute",), korean=0.0, empty=0.0, cells=1.5),
    CurriculumStage(
        until=750, mixture=THINGS, imagined=1.0, kinds=("attribute", "exists", "locate"), empty=0.02, cells=2.0
    ),
    CurriculumStage(
        until=1000,
        mixture=WRITING,
        kinds=("read", "attribute", "locate", "exists"),
        short=7,
        empty=0.02,
        cells=2.0,
        review=0.35,
    ),
    CurriculumStage(
        until=1250,
        mixture=THINGS,
        imagined=1.0,
        kinds=("relation", "compare", "order", "count"),
        empty=0.02,
        cells=2.0,
        review=0.4,
    ),
    CurriculumStage(
        until=1450,
        mixture=DOCUMENTS,
        kinds=("lookup", "compare", "order", "exists", "read", "count"),
        empty=0.02,
        cells=2.0,
        review=0.4,
    ),
    EVERYTHING,
)
"""The language model begins with the colours of a few imagined things, in one language: there it binds names to what
cells hold within some 150 steps. Then places, short words, two things at once, documents, each with some of what came
before; most of the time goes to everything."""
