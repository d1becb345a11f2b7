"""SEED-Bench and K-SEED: multiple choice in nine picture and three video types.

Source: arXiv 2307.16125; K-SEED arXiv 2411.19103.

Video questions are asked only where the data hold frames; otherwise they are left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nunbit.evaluation import extraction, harness
from nunbit.evaluation.benchmarks.base import BENCHMARKS, axes
from nunbit.evaluation.benchmarks.choice import LETTER_COLUMNS, Choice
from nunbit.evaluation.items import Protocol
from nunbit.evaluation.protocols import (
    CHOICE,
    LETTER_KO,
    VLMEVALKIT_CHOICE,
    by_options,
    equal,
    named,
    plain_choice_prompt,
)
from nunbit.evaluation.reading import Document, Pictures, plain

_TYPES = (
    "Scene Understanding",
    "Instance Identity",
    "Instance Location",
    "Instance Attributes",
    "Instances Counting",
    "Spatial Relation",
    "Instance Interaction",
    "Visual Reasoning",
    "Text Understanding",
    "Action Recognition",
    "Action Prediction",
    "Procedure Understanding",
)


class SeedBench(Choice):
    """SEED-Bench, English."""

    name, title, source = "seed-bench", "SEED-Bench", "arXiv 2307.16125"
    columns = (*LETTER_COLUMNS, frozenset({"question", "choice_a", "choice_b", "answer", "data_id"}))
    protocols = named(
        Protocol(
            "official",
            plain_choice_prompt,
            CHOICE,
            equal,
            "a letter is generated and read by nunbit's rules (the paper ranks the options by likelihood)",
        ),
        VLMEVALKIT_CHOICE,
        Protocol(
            "lmms",
            plain_choice_prompt,
            by_options(harness.first_character),
            equal,
            'lmms-eval: the first character of the reply, so that "The answer is B" is unparsed',
        ),
    )

    def rows(self, document: Document) -> list[dict[str, Any]]:
        """SEED-Bench.json keeps its rows under ``questions`` and the names of the types beside them."""
        content = document.content
        if isinstance(content, dict) and isinstance(content.get("questions"), list):
            types = {v: k for k, v in content.get("question_type", {}).items()}
            return [{**q, "category": types.get(q.get("question_type_id"), "")} for q in content["questions"]]
        return super().rows(document)

    def loads(self, row: Mapping[str, Any], pictures: Pictures) -> tuple[Any, ...]:
        """The picture of a row; none for a video without frames."""
        if row.get("image") not in (None, ""):
            return super().loads(row, pictures)
        return pictures.of(plain(row.get("data_id"))) if plain(row.get("data_type")) != "video" else ()

    def categories(self, row: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
        """The question type, and whether picture or video."""
        number = plain(row.get("question_type_id"))
        named_ = _TYPES[int(number) - 1] if number.isdigit() and 1 <= int(number) <= len(_TYPES) else ""
        return axes(category=plain(row.get("category")) or named_, kind=row.get("data_type"))


def _korean_prompt(item: Any) -> str:
    return plain_choice_prompt(item, LETTER_KO)


class KSeed(SeedBench):
    """K-SEED, the Korean translation."""

    name, title, source = "k-seed", "K-SEED", "arXiv 2411.19103"
    protocols = named(
        Protocol(
            "official",
            _korean_prompt,
            by_options(extraction.choice),
            equal,
            "the authors' Korean sentence; nunbit's rules",
        ),
        VLMEVALKIT_CHOICE,
        Protocol("lmms", _korean_prompt, by_options(harness.first_character), equal, "lmms-eval: the first character"),
    )


for _benchmark in (SeedBench, KSeed):
    BENCHMARKS.register(_benchmark.name)(_benchmark())
