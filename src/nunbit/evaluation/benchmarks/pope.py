"""POPE: is there a certain object in the picture?

Random, popular and adversarial absences. Headline: F1 of "yes". Source: arXiv 2305.10355.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from nunbit.evaluation import harness
from nunbit.evaluation.benchmarks.base import BENCHMARKS, Benchmark, Scored, average, axes
from nunbit.evaluation.items import Item, Protocol
from nunbit.evaluation.protocols import SHORT, YES_NO, by_text, equal, named, question_then
from nunbit.evaluation.reading import Document, Pictures, plain

_KINDS = ("random", "popular", "adversarial")


class POPE(Benchmark):
    """POPE, yes/no questions about objects."""

    name, title, source = "pope", "POPE", "arXiv 2305.10355"
    columns = (frozenset({"text", "label", "image"}), frozenset({"question", "answer", "image"}))
    headline, mean = "F1", False
    protocols = named(
        Protocol(
            "official",
            question_then(),
            by_text(harness.pope_yes_no),
            equal,
            "the released calculation: a no-word in the first sentence is no, every other text is yes",
            total=True,
        ),
        Protocol(
            "nunbit",
            question_then(),
            YES_NO,
            equal,
            "the released question and metric; nunbit's rules; unparsed is neither",
        ),
        Protocol(
            "vlmevalkit",
            question_then(),
            by_text(harness.vlmevalkit_yes_no),
            equal,
            "VLMEvalKit: one of the two words; unknown counts as no",
            version=2,
        ),
        Protocol(
            "lmms",
            question_then(SHORT),
            YES_NO,
            equal,
            'lmms-eval\'s sentence; its own matcher takes "Yes." for wrong and its yes ratio counts the truth: '
            "both are corrected here",
        ),
        Protocol(
            "lmms-literal",
            question_then(SHORT),
            by_text(harness.lmms_pope),
            equal,
            "lmms-eval as it is: only the bare word counts",
        ),
    )

    def rows(self, document: Document) -> list[dict[str, Any]]:
        """The released files are JSON lines, one file a kind: the kind is in the name only."""
        kind = next((k for k in _KINDS if k in document.name.lower()), "")
        return [{"category": kind, **r} for r in super().rows(document)]

    def _preferred(self, found: list[tuple[str, list[Item]]]) -> list[tuple[str, list[Item]]]:
        return found if any(k in name for name, _ in found for k in _KINDS) else super()._preferred(found)

    def item(self, row: Mapping[str, Any], pictures: Pictures, place: str) -> Item | None:
        """One row as an Item; None without a picture or a yes/no label."""
        answer = plain(row.get("label") or row.get("answer")).lower()
        loads = pictures.of(row.get("image"))
        if answer not in ("yes", "no") or not loads:
            return None
        kinds = [k for k in re.split(r"[,\s]+", plain(row.get("category"))) if k]
        number = next((plain(row[c]) for c in ("index", "id", "question_id") if plain(row.get(c))), place)
        image = plain(row.get("image_source")) or (plain(row.get("image")) if isinstance(row.get("image"), str) else "")
        id_ = f"{kinds[0]}/{number}" if len(kinds) == 1 else number
        group = image if 0 < len(image) < 200 else _twin(row, number)
        return Item(
            id_, group, loads, plain(row.get("text") or row.get("question")), (answer,), categories=axes(category=kinds)
        )

    def figures(self, groups: Sequence[Sequence[Scored]]) -> dict[str, float]:
        """`counts` over all questions, and over those of each kind of absence."""
        scored = [s for g in groups for s in g]
        out = counts(scored)
        for kind in sorted({k for i, _ in scored for k in i.categories.get("category", ())}):
            part = counts([s for s in scored if kind in s[0].categories["category"]])
            out |= {f"{kind} {name}": value for name, value in part.items()}
        return out


def counts(scored: Sequence[Scored]) -> dict[str, float]:
    """F1, precision and recall of yes; accuracy; the share of replies that say yes. What is unparsed is no yes."""
    said = [(m.found.value == "yes", i.gold[0] == "yes") for i, m in scored]
    hits = sum(a and b for a, b in said)
    precision = hits / max(1, sum(a for a, _ in said))
    recall = hits / max(1, sum(b for _, b in said))
    return {
        "F1": 100 * 2 * precision * recall / max(1e-12, precision + recall),
        "accuracy": 100 * average(m.score for _, m in scored),
        "precision": 100 * precision,
        "recall": 100 * recall,
        "yes ratio": 100 * average(a for a, _ in said),
    }


def _twin(row: Mapping[str, Any], number: str) -> str:
    """Without a name of the picture every question stands alone."""
    return plain(row.get("image_id")) or number


BENCHMARKS.register(POPE.name)(POPE())
