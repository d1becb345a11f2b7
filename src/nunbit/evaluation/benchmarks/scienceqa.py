"""ScienceQA-IMG: school questions with a picture, by subject, context and grade. Source: arXiv 2209.09513."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from nunbit.evaluation import harness
from nunbit.evaluation.benchmarks.base import BENCHMARKS, axes
from nunbit.evaluation.benchmarks.choice import LETTER_COLUMNS, Choice
from nunbit.evaluation.items import Item, Protocol
from nunbit.evaluation.protocols import (
    CHOICE,
    LETTER_EN,
    VLMEVALKIT_CHOICE,
    by_options,
    equal,
    lettered,
    named,
)
from nunbit.evaluation.reading import Pictures, plain

_SUBJECTS = {"natural science": "NAT", "social science": "SOC", "language science": "LAN"}


def _prompt(item: Item) -> str:
    context = f"Context: {item.hint}\n" if item.hint else ""
    return f"{context}{item.question}\n{lettered(item)}\n{LETTER_EN}"


class ScienceQA(Choice):
    """The questions of ScienceQA that have a picture."""

    name, title, source = "scienceqa-img", "ScienceQA-IMG", "arXiv 2209.09513"
    columns = (frozenset({"question", "choices", "answer", "image"}), *LETTER_COLUMNS)
    protocols = named(
        Protocol("official", _prompt, CHOICE, equal, "context, question, options; nunbit's rules"),
        VLMEVALKIT_CHOICE,
        Protocol(
            "lmms",
            _prompt,
            by_options(harness.lmms_whole_reply),
            equal,
            'lmms-eval: the whole reply is the letter or starts with "X."; "(B)" is unparsed',
        ),
    )

    def item(self, row: Mapping[str, Any], pictures: Pictures, place: str) -> Item | None:
        """Rows of the original problems.json name their picture by split and id; only the test split with pictures is
        asked.
        """
        if row.get("split") in ("train", "val") and plain(row.get("image")).lower() == "image.png":
            return None
        return super().item(row, pictures, place)

    def loads(self, row: Mapping[str, Any], pictures: Pictures) -> tuple[Any, ...]:
        """The picture of a row; in problems.json it lies in a folder named after split and identifier."""
        image = row.get("image")
        if isinstance(image, str) and image == "image.png":
            return pictures.of(f"{row.get('split', 'test')}/{row['id']}/image.png")
        return super().loads(row, pictures)

    def categories(self, row: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
        """Subject, context, grade, topic and category."""
        subject = plain(row.get("subject"))
        grade = re.search(r"\d+", plain(row.get("grade")))
        context = ("TXT", "IMG") if plain(row.get("hint")) else ("IMG",)
        level = ("G1-6" if int(grade[0]) <= 6 else "G7-12") if grade else ""
        return axes(
            subject=_SUBJECTS.get(subject, subject),
            context=context,
            grade=level,
            topic=row.get("topic"),
            category=row.get("category"),
        )


BENCHMARKS.register(ScienceQA.name)(ScienceQA())
