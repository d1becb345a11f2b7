"""MM-Vet: open questions on six abilities and their mixtures, graded 0.0 to 1.0 by a judge model.

Source: arXiv 2308.02490.

The prompt for the judge is our own wording of the paper's task (grade against a ground truth in which <AND> joins
what is all needed and <OR> what would each do), so figures compare between runs with the same judge, not with the
paper's GPT-4.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from nunbit.evaluation.benchmarks.base import BENCHMARKS, Benchmark, axes
from nunbit.evaluation.items import Item, ParsedAnswer, Protocol, ScoredAnswer
from nunbit.evaluation.protocols import RAW, named, question_then
from nunbit.evaluation.reading import Document, Pictures, listed, plain
from nunbit.messages import Message, question

_GRADE = re.compile(r"(?<![\d.])(0(?:\.\d+)?|1(?:\.0+)?)(?![\d.]*\d)")
_TASK = """Grade a prediction against the ground truth of a question, from 0.0 (wrong) to 1.0 (right) in steps of 0.1.
In the ground truth <AND> joins parts that are all needed, <OR> joins parts of which any one is enough. \
Parts that are missing or wrong lower the grade.
Examples:
question: What colour is the car? | ground truth: red | prediction: It is a red car. | grade: 1.0
question: Who is in the picture and where? | ground truth: a man <AND> a beach | prediction: \
A man stands in a room. | grade: 0.5
question: What is x? | ground truth: -1 <AND> -5 | prediction: x = 3 | grade: 0.0
Reply with the grade alone.
question: {question} | ground truth: {gold} | prediction: {answer} | grade:"""


def _no_credit(found: ParsedAnswer, item: Item) -> float:
    return 0.0


def _reasoned(item: Item) -> str:
    return (
        "First please perform reasoning, and think step by step to provide best answer to the following question: "
        f"\n\n{item.question}"
    )


class MMVet(Benchmark):
    """MM-Vet, graded by a judge model."""

    name, title, source = "mm-vet", "MM-Vet", "arXiv 2308.02490"
    columns = (frozenset({"question", "answer", "capability"}), frozenset({"question", "answer", "image", "category"}))
    splits = ()
    headline, needs_judge = "score", True
    protocols = named(
        Protocol("official", question_then(), RAW, _no_credit, "graded by the judge that is named; grades are cached"),
        Protocol("vlmevalkit", question_then(), RAW, _no_credit, "as official"),
        Protocol("lmms", _reasoned, RAW, _no_credit, "lmms-eval asks for reasoning first"),
    )

    def rows(self, document: Document) -> list[dict[str, Any]]:
        """The rows of the released JSON, whose keys are the items' identifiers."""
        if document.kind == "json" and isinstance(document.content, dict):
            return [{"question_id": k, **v} for k, v in document.content.items() if isinstance(v, dict)]
        return super().rows(document)

    def item(self, row: Mapping[str, Any], pictures: Pictures, place: str) -> Item | None:
        """One row as an Item; None without a picture."""
        loads = pictures.of(row.get("image") or row.get("imagename"))
        if not loads:
            return None
        able = row.get("capability") or row.get("category")
        abilities = sorted(a for part in listed(able) for a in re.split(r"[,;\s]+", part) if a)
        id_ = next((plain(row[c]) for c in ("question_id", "index") if plain(row.get(c))), place)
        return Item(
            id_,
            plain(row.get("imagename")) or id_,
            loads,
            plain(row["question"]),
            (plain(row["answer"]),),
            categories=axes(ability=abilities, mixture=" + ".join(abilities)),
        )

    def judge_question(self, item: Item, answer: str) -> list[Message]:
        """The released grading prompt with the question, the gold answer and the reply."""
        flat = {"question": item.question, "gold": item.gold[0], "answer": answer}
        return question(_TASK.format(**{k: " ".join(v.replace("|", "/").split()) for k, v in flat.items()}))

    def score_with_judge(
        self, items: Sequence[Item], answers: Sequence[str], verdicts: Sequence[str], protocol: Protocol
    ) -> list[ScoredAnswer]:
        """A verdict without a grade leaves the item unparsed: it counts nothing and is counted apart."""
        out = []
        for answer, verdict in zip(answers, verdicts, strict=True):
            grade = _GRADE.search(verdict)
            found = ParsedAnswer(grade[1], "judge") if grade else ParsedAnswer(None, f"judge said: {verdict[:60]}")
            out.append(ScoredAnswer(answer, found, float(grade[1]) if grade else 0.0))
        return out

    def figures(self, groups: Sequence[Sequence[Any]]) -> dict[str, float]:
        """The total, and the score of each capability, in hundredths."""
        return {"score": super().figures(groups)["accuracy"]}


BENCHMARKS.register(MMVet.name)(MMVet())
