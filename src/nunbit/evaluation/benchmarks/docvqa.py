"""DocVQA: questions about scanned pages; ANLS. Source: arXiv 2007.00398."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from nunbit.evaluation.benchmarks.base import BENCHMARKS, Benchmark, Scored, average, axes
from nunbit.evaluation.items import Item, ParsedAnswer, Protocol
from nunbit.evaluation.metrics import anls
from nunbit.evaluation.protocols import LITERAL, RAW, SHORT, WORDS, named, question_then
from nunbit.evaluation.reading import Pictures, golds, plain

_PROMPT = question_then(SHORT)


def _credit(*, raw_lengths: bool) -> Callable[[ParsedAnswer, Item], float]:
    return lambda found, item: anls(found.value, item.gold, raw_lengths=raw_lengths) if found.value is not None else 0.0


class DocVQA(Benchmark):
    """DocVQA, average normalised Levenshtein similarity."""

    name, title, source = "docvqa", "DocVQA", "arXiv 2007.00398"
    columns = (frozenset({"question", "questionid"}), frozenset({"question", "answer", "image"}))
    splits = ("val", "validation", "test")
    headline = "ANLS"
    protocols = named(
        Protocol(
            "official",
            _PROMPT,
            RAW,
            _credit(raw_lengths=False),
            "ANLS with threshold 0.5, lengths after spaces are collapsed",
        ),
        Protocol(
            "nunbit",
            _PROMPT,
            WORDS,
            _credit(raw_lengths=False),
            'the same; "The answer is ..." is cut off, refusals are unparsed',
        ),
        Protocol("vlmevalkit", _PROMPT, LITERAL, _credit(raw_lengths=True), "lengths before spaces are collapsed"),
        Protocol("lmms", _PROMPT, LITERAL, _credit(raw_lengths=True), "lengths before spaces are collapsed"),
    )

    def item(self, row: Mapping[str, Any], pictures: Pictures, place: str) -> Item | None:
        """One row as an Item; None without a picture."""
        loads = pictures.of(row.get("image"))
        if not loads:
            return None
        id_ = next((plain(row[c]) for c in ("questionid", "index") if plain(row.get(c))), place)
        document, number = row.get("ucsf_document_id") or row.get("docid"), row.get("ucsf_document_page_no")
        page = f"{plain(document)} {plain(number)}".strip()
        return Item(
            id_,
            page or id_,
            loads,
            plain(row["question"]),
            tuple(golds(row.get("answers") or row.get("answer"))),
            categories=axes(category=row.get("question_types") or ()),
        )

    def figures(self, groups: Sequence[Sequence[Scored]]) -> dict[str, float]:
        """ANLS, the mean of the scores, in hundredths."""
        return {
            "ANLS": 100 * average(m.score for g in groups for _, m in g),
            "exact": 100 * average(m.score == 1 for g in groups for _, m in g),
        }


BENCHMARKS.register(DocVQA.name)(DocVQA())
