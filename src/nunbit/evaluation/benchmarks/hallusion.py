"""HallusionBench: yes/no questions about figures, true and edited. Source: arXiv 2310.14566.

aAcc is over questions, fAcc over figures with all questions right, qAcc over questions right for all their figures.
The released script has GPT-4 read the replies; here rules do, and figure 0 of the *VS* part (no picture) is asked in
words and left out of fAcc, as there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from nunbit.evaluation import harness
from nunbit.evaluation.benchmarks.base import BENCHMARKS, Benchmark, Scored, average, axes
from nunbit.evaluation.items import Item, Protocol
from nunbit.evaluation.protocols import YES_NO, by_text, equal, named, question_then
from nunbit.evaluation.reading import Pictures, plain

_TRUTH = {"0": "no", "1": "yes", "no": "no", "yes": "yes"}


class HallusionBench(Benchmark):
    """HallusionBench with its three accuracies."""

    name, title, source = "hallusionbench", "HallusionBench", "arXiv 2310.14566"
    columns = (
        frozenset({"category", "subcategory", "set_id", "figure_id", "question_id", "question", "gt_answer"}),
        frozenset({"index", "question", "answer", "category", "l2-category"}),
    )
    splits = ()
    headline = "aAcc"
    protocols = named(
        Protocol("official", question_then(), YES_NO, equal, "the released metrics; nunbit's rules in place of GPT-4"),
        Protocol(
            "vlmevalkit",
            question_then(),
            by_text(harness.vlmevalkit_yes_no),
            equal,
            "VLMEvalKit: one of the two words, not both",
            version=2,
        ),
    )

    def item(self, row: Mapping[str, Any], pictures: Pictures, place: str) -> Item | None:
        """One row as an Item; None where its index or its truth value is unreadable."""
        if "set_id" in row:
            part, sub = plain(row["category"]), plain(row["subcategory"])
            numbers = [plain(row[c]) for c in ("set_id", "figure_id", "question_id")]
            source = row.get("image") or row.get("filename")
            loads = (
                pictures.of(source.removeprefix("./") if isinstance(source, str) else source)
                if plain(row.get("visual_input")) != "0"
                else ()
            )
            truth = plain(row["gt_answer"])
        else:
            part, sub = plain(row["category"]), plain(row["l2-category"])
            numbers = plain(row["index"]).split("_")[-3:]
            loads, truth = pictures.of(row.get("image")), plain(row["answer"]).lower()
        if len(numbers) != 3 or truth not in _TRUTH:
            return None
        set_, figure, question = numbers
        kind = f"{part}_{sub}_{set_}"
        return Item(
            f"{kind}_{figure}_{question}",
            kind,
            loads,
            plain(row["question"]),
            (_TRUTH[truth],),
            categories=axes(category=part, subcategory=sub),
            facts={"figure": figure, "question": question, "part": part},
        )

    def figures(self, groups: Sequence[Sequence[Scored]]) -> dict[str, float]:
        """aAcc, fAcc and qAcc (see the module) and their mean, in hundredths."""
        by_figure: list[bool] = []
        by_question: list[bool] = []
        for g in groups:
            for name, out in (("figure", by_figure), ("question", by_question)):
                parts: dict[str, list[bool]] = defaultdict(list)
                for i, m in g:
                    if not (name == "figure" and i.facts["part"] == "VS" and i.facts["figure"] == "0"):
                        parts[i.facts[name]].append(m.score == 1)
                out += [all(p) for p in parts.values()]
        a, f, q = (100 * average(x) for x in ([m.score for g in groups for _, m in g], by_figure, by_question))
        return {"aAcc": a, "fAcc": f, "qAcc": q, "mean of the three": (a + f + q) / 3}


BENCHMARKS.register(HallusionBench.name)(HallusionBench())
