"""K-DTCBench: Korean documents, tables and charts, multiple choice. Source: arXiv 2411.19103."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nunbit.evaluation import harness
from nunbit.evaluation.benchmarks.base import BENCHMARKS, axes
from nunbit.evaluation.benchmarks.choice import LETTER_COLUMNS, Choice
from nunbit.evaluation.items import Item, Protocol
from nunbit.evaluation.protocols import (
    CHOICE,
    LETTER_KO,
    VLMEVALKIT_CHOICE,
    by_options,
    equal,
    named,
)


def _prompt(item: Item) -> str:
    options = ", ".join(f"{k}: {v}" for k, v in item.options.items())
    return f"{item.question}\nOptions: {options}\n{LETTER_KO}"


class KDTCBench(Choice):
    """K-DTCBench: Korean documents, tables and charts."""

    name, title, source = "k-dtcbench", "K-DTCBench", "arXiv 2411.19103"
    columns = LETTER_COLUMNS
    protocols = named(
        Protocol("official", _prompt, CHOICE, equal, "the authors' prompt; nunbit's rules"),
        VLMEVALKIT_CHOICE,
        Protocol("lmms", _prompt, by_options(harness.first_character), equal, "lmms-eval: the first character"),
    )

    def categories(self, row: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
        """The data's ``category``: document, table or chart."""
        return axes(category=row.get("category"))


BENCHMARKS.register(KDTCBench.name)(KDTCBench())
