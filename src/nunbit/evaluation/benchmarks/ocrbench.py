"""OCRBench: reading in ten kinds, a thousand questions; right when the answer is inside the reply.

Source: arXiv 2305.07895.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nunbit.evaluation.benchmarks.base import BENCHMARKS, Benchmark, Scored, axes
from nunbit.evaluation.items import Item, ParsedAnswer, Protocol
from nunbit.evaluation.metrics import contains
from nunbit.evaluation.protocols import RAW, WORDS, named, question_then
from nunbit.evaluation.reading import Pictures, golds, plain

_FORMULA = "Handwritten Mathematical Expression Recognition"
_AREAS = {
    "Scene Text-centric VQA": "Scene Text-centric VQA",
    "Doc-oriented VQA": "Doc-oriented VQA",
    "Key Information Extraction": "Key Information Extraction",
    _FORMULA: _FORMULA,
}


def _credit(found: ParsedAnswer, item: Item) -> float:
    return float(found.value is not None and contains(found.value, item.gold, formula=item.facts["formula"]))


def _narrow_credit(found: ParsedAnswer, item: Item) -> float:
    return float(
        found.value is not None and contains(found.value, item.gold, formula=item.facts["formula"], narrow=True)
    )


class OCRBench(Benchmark):
    """OCRBench: an answer inside the reply counts."""

    name, title, source = "ocrbench", "OCRBench", "arXiv 2305.07895"
    columns = (frozenset({"question", "answer", "image"}), frozenset({"question", "answers", "image_path"}))
    protocols = named(
        Protocol(
            "official",
            question_then(),
            RAW,
            _credit,
            "the answer inside the reply; formulas without spaces and with case",
        ),
        Protocol("nunbit", question_then(), WORDS, _credit, "the same; refusals are unparsed"),
        Protocol("vlmevalkit", question_then(), RAW, _credit, "as official"),
        Protocol(
            "lmms", question_then(), RAW, _narrow_credit, "as official; full-width characters count as narrow ones"
        ),
    )

    def item(self, row: Mapping[str, Any], pictures: Pictures, place: str) -> Item | None:
        """One row as an Item; None without a picture."""
        loads = pictures.of(row.get("image") or row.get("image_path"))
        if not loads:
            return None
        kind = plain(row.get("question_type") or row.get("category") or row.get("type"))
        formula = kind == _FORMULA or plain(row.get("dataset") or row.get("dataset_name")) == "HME100k"
        id_ = next((plain(row[c]) for c in ("index", "id") if plain(row.get(c))), place)
        return Item(
            id_,
            id_,
            loads,
            plain(row["question"]),
            tuple(golds(row.get("answer") or row.get("answers"))),
            categories=axes(category=kind, area=_AREAS.get(kind, "Text Recognition") if kind else ""),
            facts={"formula": formula},
        )

    def figures(self, groups: Sequence[Sequence[Scored]]) -> dict[str, float]:
        """The released score counts right answers out of 1000; on part of the data the share says more, so both are
        given.
        """
        right = sum(m.score for g in groups for _, m in g)
        return super().figures(groups) | {"right answers": float(right)}


BENCHMARKS.register(OCRBench.name)(OCRBench())
