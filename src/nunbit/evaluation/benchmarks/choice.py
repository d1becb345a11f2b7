"""Benchmarks that are plain multiple choice: one question, lettered options, accuracy.

AI2D, ScienceQA-IMG, SEED-Bench, K-DTCBench.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from nunbit.evaluation.benchmarks.base import Benchmark
from nunbit.evaluation.items import Item, letters
from nunbit.evaluation.reading import Pictures, listed, plain


class Choice(Benchmark):
    """Reads options from A..H, choice_a..choice_d or a list, and the answer as a letter or a number."""

    number_from: int = 0
    """The first number where answers are numbers."""

    def options(self, row: Mapping[str, Any]) -> dict[str, str]:
        """The options of a row by letter; empty where it has none."""
        for column in ("options", "choices"):
            if row.get(column) not in (None, ""):
                return letters(listed(row[column]))
        for form in ("{}", "choice_{}"):
            found = {k.upper(): plain(row.get(form.format(k))) for k in "abcdefgh"}
            if found["A"]:
                return {k: v for k, v in found.items() if v}
        return {}

    def gold(self, row: Mapping[str, Any], options: Mapping[str, str]) -> tuple[str, ...]:
        """The letter of the right option; empty where the row does not say."""
        answer = plain(row.get("answer"))
        if answer.upper() in options:
            return (answer.upper(),)
        if answer.isdigit() and 0 <= int(answer) - self.number_from < len(options):
            return ([*options][int(answer) - self.number_from],)
        same = [k for k, v in options.items() if v == answer]
        return tuple(same[:1])

    def item(self, row: Mapping[str, Any], pictures: Pictures, place: str) -> Item | None:
        """One row as an Item; None without a picture or options."""
        loads = self.loads(row, pictures)
        options = self.options(row)
        if not loads or not options:
            return None
        return Item(
            self.id(row, place),
            self.group(row, place),
            loads,
            plain(row["question"]),
            self.gold(row, options),
            options,
            plain(row.get("hint")),
            self.categories(row),
        )

    def loads(self, row: Mapping[str, Any], pictures: Pictures) -> tuple[Any, ...]:
        """The pictures of a row."""
        return pictures.of(row.get("image") or row.get("image_path"))

    def id(self, row: Mapping[str, Any], place: str) -> str:
        """The row's identifier in the data, else ``place``."""
        return next((plain(row[c]) for c in ("index", "question_id", "id", "pid") if plain(row.get(c))), place)

    def group(self, row: Mapping[str, Any], place: str) -> str:
        """Questions about one picture belong together, where the data say which picture it is."""
        return next(
            (plain(row[c]) for c in ("data_id", "image_id", "image_path") if plain(row.get(c))), self.id(row, place)
        )

    @abstractmethod
    def categories(self, row: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
        """Where the row counts: axis -> names."""


LETTER_COLUMNS: Sequence[frozenset[str]] = (
    frozenset({"question", "a", "b", "answer", "image"}),
    frozenset({"question", "choice_a", "choice_b", "answer", "image"}),
)
