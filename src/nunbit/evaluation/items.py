"""The nouns of an evaluation: Item (a question with its pictures), ParsedAnswer (what was read out of a reply),
ScoredAnswer (its score), Protocol, BenchmarkResult.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Load = Callable[[], bytes]
"""Gives the file bytes of one picture; reading waits until they are wanted, so that a large benchmark need not fit in
memory.
"""


@dataclass(frozen=True, slots=True)
class Item:
    """One question.

    Args:
        id: unique in its benchmark.
        group: what belongs together (a picture, a question in all its rotations): intervals resample whole groups.
        loads: its pictures, in order.
        question, hint, options: as the benchmark states them; options by letter.
        gold: replies that are right; empty where the split has no public answers.
        categories: axis (``category``, ``l2-category`` ...) -> names; an item may have several on one axis.
        facts: whatever else the scoring of this benchmark needs.
    """

    id: str
    group: str
    loads: tuple[Load, ...]
    question: str
    gold: tuple[str, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)
    hint: str = ""
    categories: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def pictures(self) -> tuple[bytes, ...]:
        """The file bytes of its pictures, read now."""
        return tuple(load() for load in self.loads)


@dataclass(frozen=True, slots=True)
class ParsedAnswer:
    """What a rule read out of a reply. ``value`` None means unparsed: no rule applied, and nothing is guessed."""

    value: str | None
    rule: str
    span: tuple[int, int] | None = None

    @property
    def parsed(self) -> bool:
        """Whether a rule applied."""
        return self.value is not None


UNPARSED = ParsedAnswer(None, "unparsed")


@dataclass(frozen=True, slots=True)
class ScoredAnswer:
    """A reply with what was found in it and its credit, 0 to 1 (a CIDEr may exceed 1)."""

    answer: str
    found: ParsedAnswer
    score: float
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Protocol:
    """How a benchmark is prompted and scored: prompt, parsing, credit. A change of any of them is a new version.

    Args:
        total: every text becomes some answer (as the harness it follows does), so nothing but silence is unparsed.
    """

    name: str
    prompt: Callable[[Item], str]
    parse: Callable[[str, Item], ParsedAnswer]
    credit: Callable[[ParsedAnswer, Item], float]
    note: str
    version: int = 1
    total: bool = False


@dataclass(frozen=True, slots=True)
class Unit:
    """What is counted once: an item, or a group that is right only as a whole."""

    id: str
    group: str
    score: float
    parsed: bool
    categories: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table; ``score`` and ``interval`` (95 %) in the unit of the headline."""

    n: int
    score: float
    unparsed: int
    interval: tuple[float, float]


@dataclass(frozen=True, slots=True)
class BenchmarkResult:
    """A scored run: the headline with its interval, further figures, a table per axis of categories, and the units
    for comparisons.
    """

    benchmark: str
    protocol: str
    headline: str
    value: float | None
    interval: tuple[float, float] | None
    items: int
    unscored: int
    unparsed: int
    figures: Mapping[str, float]
    tables: Mapping[str, Mapping[str, Row]]
    units: Sequence[Unit]


def letters(texts: Sequence[str]) -> dict[str, str]:
    """Options by letter, A first."""
    return {chr(ord("A") + i): t for i, t in enumerate(texts)}
