"""ChartQA: charts with questions by people and by machine; relaxed accuracy. Source: arXiv 2203.10244."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from nunbit.evaluation.benchmarks.base import BENCHMARKS, Benchmark, Scored, average, axes
from nunbit.evaluation.items import Item, ParsedAnswer, Protocol
from nunbit.evaluation.metrics import relaxed, relaxed_exact_years
from nunbit.evaluation.protocols import LITERAL, RAW, SHORT, WORDS, named, question_then
from nunbit.evaluation.reading import Document, Pictures, golds, plain

_PROMPT = question_then("Answer the question with a single word.")


def _credit(rule: Callable[[str, str], bool]) -> Callable[[ParsedAnswer, Item], float]:
    return lambda found, item: float(found.value is not None and any(rule(found.value, g) for g in item.gold))


class ChartQA(Benchmark):
    """ChartQA, relaxed accuracy."""

    name, title, source = "chartqa", "ChartQA", "arXiv 2203.10244"
    columns = (frozenset({"imgname", "query", "label"}), frozenset({"question", "answer", "image"}))
    protocols = named(
        Protocol(
            "official",
            _PROMPT,
            RAW,
            _credit(relaxed),
            "relaxed accuracy as published: 5 % off is right, years included",
        ),
        Protocol(
            "nunbit",
            _PROMPT,
            WORDS,
            _credit(relaxed_exact_years),
            'a year must be exact; "1,234", "$5" and a missing % sign are read',
        ),
        Protocol("vlmevalkit", question_then(SHORT), RAW, _credit(relaxed), "VLMEvalKit's sentence; relaxed accuracy"),
        Protocol(
            "lmms", _PROMPT, LITERAL, _credit(relaxed), "relaxed accuracy; a space around a word makes it wrong there"
        ),
    )

    def rows(self, document: Document) -> list[dict[str, Any]]:
        """The released files are one for people, one for machine: the kind is in the name only."""
        kind = next((k for k in ("human", "augmented") if k in document.name.lower()), "")
        return [{"type": kind, **r} for r in super().rows(document)]

    def _preferred(self, found: list[tuple[str, list[Item]]]) -> list[tuple[str, list[Item]]]:
        """A folder of the release holds train, val and test as folders of these names."""
        test = [f for f in found if "test" in f[0].lower()]
        return test or super()._preferred(found)

    def item(self, row: Mapping[str, Any], pictures: Pictures, place: str) -> Item | None:
        """One row as an Item; None without a picture."""
        image = row.get("image") or row.get("imgname")
        loads = pictures.of(image)
        gold = tuple(golds(row.get("label") if "label" in row else row.get("answer")))
        if not loads:
            return None
        id_ = plain(row.get("index")) or place
        name = plain(row.get("imgname")) or (image if isinstance(image, str) and len(image) < 200 else id_)
        kind = plain(row.get("type") or row.get("split")).removesuffix("_test").removeprefix("test_")
        return Item(
            id_, name, loads, plain(row.get("query") or row.get("question")), gold, categories=axes(category=kind)
        )

    def figures(self, groups: Sequence[Sequence[Scored]]) -> dict[str, float]:
        """The mean over items, and the mean of the two halves, which papers often report."""
        scored = [s for g in groups for s in g]
        halves = {
            k: average(m.score for i, m in scored if k in i.categories.get("category", ()))
            for k in ("human", "augmented")
        }
        both = (
            {"mean of the two halves": 50 * sum(halves.values())}
            if all(any(k in i.categories.get("category", ()) for i, _ in scored) for k in halves)
            else {}
        )
        return super().figures(groups) | both


BENCHMARKS.register(ChartQA.name)(ChartQA())
