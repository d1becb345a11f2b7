"""AI2D: questions about school diagrams, in its two forms that score several points apart and are therefore two
benchmarks.

``ai2d-mask``: the labels in the diagram are covered by the options' letters; ``ai2d-no-mask``: they stay visible.
Source: arXiv 1603.07396; the two forms as in VLMEvalKit (AI2D_TEST, AI2D_TEST_NO_MASK).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from nunbit.errors import UserError
from nunbit.evaluation import harness
from nunbit.evaluation.benchmarks.base import BENCHMARKS, axes
from nunbit.evaluation.benchmarks.choice import LETTER_COLUMNS, Choice
from nunbit.evaluation.items import Protocol
from nunbit.evaluation.protocols import (
    CHOICE,
    VLMEVALKIT_CHOICE,
    by_options,
    equal,
    named,
    plain_choice_prompt,
)
from nunbit.evaluation.reading import Document


class AI2D(Choice):
    """AI2D with the labels of the asked parts masked by letters."""

    name, title, source = "ai2d-mask", "AI2D (labels masked)", "arXiv 1603.07396"
    masked = True
    columns = (*LETTER_COLUMNS, frozenset({"question", "options", "answer", "image"}))
    protocols = named(
        Protocol("official", plain_choice_prompt, CHOICE, equal, "one letter asked for; nunbit's rules"),
        VLMEVALKIT_CHOICE,
        Protocol(
            "lmms",
            plain_choice_prompt,
            by_options(harness.lmms_exact_letter),
            equal,
            'lmms-eval: the reply must be the letter or start with "X."; "The answer is B" is unparsed',
            version=2,
        ),
    )

    def refusal(self, document: Document) -> UserError | None:
        """The name of the file or folder says which form it is; nothing inside does."""
        where = f"{document.files.root}/{document.name}".lower()
        bare = bool(re.search(r"no[-_]?mask", where))
        if bare == self.masked and (bare or "mask" in document.name.lower()):
            other = "ai2d-no-mask" if self.masked else "ai2d-mask"
            return UserError(
                f"'{document.name}' is the other form of AI2D", allowed=f"{other} for this file", todo=f"run {other}"
            )
        return None

    def categories(self, row: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
        """The data's ``category``."""
        return axes(category=row.get("category"))


class AI2DNoMask(AI2D):
    """AI2D with the labels left in the diagram."""

    name, title = "ai2d-no-mask", "AI2D (labels visible)"
    masked = False


for _benchmark in (AI2D, AI2DNoMask):
    BENCHMARKS.register(_benchmark.name)(_benchmark())
