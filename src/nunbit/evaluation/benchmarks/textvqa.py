"""TextVQA: questions about writing in pictures, ten people's answers each. Source: arXiv 1904.08920.

Reference OCR tokens in the prompt are worth several points, so the protocol that gives them says so in its name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nunbit.evaluation.benchmarks.base import BENCHMARKS, Benchmark, axes
from nunbit.evaluation.items import Item, ParsedAnswer, Protocol
from nunbit.evaluation.metrics import vqa_accuracy
from nunbit.evaluation.protocols import RAW, SHORT, WORDS, named
from nunbit.evaluation.reading import Pictures, golds, listed, plain


def _prompt(item: Item) -> str:
    return f"{item.question.capitalize()}\n{SHORT}"


def _ocr_prompt(item: Item) -> str:
    seen = item.facts["ocr"]
    return item.question.capitalize() + (f"\nReference OCR token: {', '.join(seen)}" if seen else "") + f"\n{SHORT}"


def _plain_prompt(item: Item) -> str:
    return f"{item.question}\n{SHORT}"


def _credit(found: ParsedAnswer, item: Item) -> float:
    return vqa_accuracy(found.value, item.gold) if found.value is not None else 0.0


def _vlmevalkit_credit(found: ParsedAnswer, item: Item) -> float:
    return vqa_accuracy(found.value, item.gold, split_words=False) if found.value is not None else 0.0


class TextVQA(Benchmark):
    """TextVQA, VQA accuracy over ten people's answers."""

    name, title, source = "textvqa", "TextVQA", "arXiv 1904.08920"
    columns = (
        frozenset({"question", "answers", "image_id"}),
        frozenset({"question", "answer", "image"}),
        frozenset({"question", "image_id"}),
    )
    splits = ("val", "validation", "test")
    protocols = named(
        Protocol("official", _prompt, RAW, _credit, "VQA accuracy over ten leave-one-out rounds; no OCR tokens"),
        Protocol(
            "official-ocr", _ocr_prompt, RAW, _credit, "the same with the data's OCR tokens in the prompt (LLaVA-1.5)"
        ),
        Protocol("nunbit", _prompt, WORDS, _credit, 'the same; "The answer is ..." is cut off, refusals are unparsed'),
        Protocol(
            "vlmevalkit",
            _plain_prompt,
            RAW,
            _vlmevalkit_credit,
            "question as it is written; one step of the normalisation is left out there",
        ),
        Protocol("lmms", _prompt, RAW, _credit, "as official"),
    )

    def item(self, row: Mapping[str, Any], pictures: Pictures, place: str) -> Item | None:
        """One row as an Item; None without a picture."""
        image_id = plain(row.get("image_id"))
        loads = pictures.of(row.get("image") or (f"{image_id}.jpg" if image_id else None))
        if not loads:
            return None
        people = tuple(golds(row.get("answers") or row.get("answer")))
        id_ = next((plain(row[c]) for c in ("question_id", "index") if plain(row.get(c))), place)
        return Item(
            id_,
            image_id or id_,
            loads,
            plain(row["question"]),
            people,
            categories=axes(category=row.get("image_classes") or ()),
            facts={"ocr": listed(row.get("ocr_tokens"))},
        )


BENCHMARKS.register(TextVQA.name)(TextVQA())
