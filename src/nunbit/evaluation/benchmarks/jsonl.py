"""A user's own questions: JSON lines with ``question``, ``image`` or ``images``, and ``answer``/``answers``; with
``options`` a choice.

Further keys: ``id``, ``category`` (text or list), ``group``, ``hint``. Pictures are files beside the lines, or base64.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nunbit.evaluation import extraction
from nunbit.evaluation.benchmarks.base import BENCHMARKS, Benchmark, axes
from nunbit.evaluation.items import Item, ParsedAnswer, Protocol, letters
from nunbit.evaluation.matching import is_right
from nunbit.evaluation.protocols import LETTER_EN, equal, named, plain_choice_prompt
from nunbit.evaluation.reading import Pictures, golds, listed, plain


def _prompt(item: Item) -> str:
    if item.options:
        return plain_choice_prompt(item, LETTER_EN)
    return f"{item.hint}\n{item.question}" if item.hint else item.question


def _parse(reply: str, item: Item) -> ParsedAnswer:
    return extraction.choice(reply, item.options) if item.options else extraction.words(reply)


def _credit(found: ParsedAnswer, item: Item) -> float:
    if item.options:
        return equal(found, item)
    return float(found.value is not None and is_right(found.value, item.gold))


class OwnQuestions(Benchmark):
    """A user's own questions, one JSON object a line."""

    name, title, source = "jsonl", "your own JSON lines", "docs/evaluation.md"
    columns = (
        frozenset({"question", "image"}),
        frozenset({"question", "images"}),
        frozenset({"question", "answers"}),
        frozenset({"question", "answer"}),
    )
    splits = ()
    protocols = named(
        Protocol(
            "official",
            _prompt,
            _parse,
            _credit,
            "equality after folding case and spaces; a box at IoU 0.5; options by letter",
        )
    )

    def item(self, row: Mapping[str, Any], pictures: Pictures, place: str) -> Item | None:
        """One line as an Item."""
        given = row.get("options") or {}
        options = {str(k): plain(v) for k, v in given.items()} if isinstance(given, Mapping) else letters(listed(given))
        gold = tuple(listed(row["answers"]) if row.get("answers") else _one_answer(row.get("answer")))
        if options:
            gold = tuple(g if g in options else next((k for k, v in options.items() if v == g), g) for g in gold)
        id_ = plain(row.get("id")) or place
        image = row.get("images") or row.get("image")
        group = plain(row.get("group")) or (image if isinstance(image, str) and len(image) < 200 else id_)
        return Item(
            id_,
            group,
            pictures.of(image),
            plain(row["question"]),
            gold,
            options,
            plain(row.get("hint")),
            axes(category=row.get("category") or ()),
        )


def _one_answer(value: Any) -> list[str]:
    """``answer`` is one text, whatever it looks like; only a JSON list of texts holds several."""
    return golds(value) if isinstance(value, (list, tuple)) else [plain(value)] if plain(value) else []


BENCHMARKS.register(OwnQuestions.name)(OwnQuestions())
