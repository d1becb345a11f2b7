"""Rules of the guard: which of a dozen signs of an order to a model a text shows, in English and Korean.

``rules.tsv`` has the patterns, ``stems.tsv`` the words that they share, as ``{NAME}``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

from nunbit.trust.guard.tables import guard_table

GROUPS = (
    "override", "distract", "address", "role", "control", "secrecy", "reveal", "user", "image", "tags", "tokens",
    "tool", "reads", "speech",
)  # fmt: skip
"""What each rule is a sign of: former orders set aside, the question set aside, a model addressed, a part to play, the
answer dictated, silence asked for, secrets asked for, something to do to the user, a claim about the picture, headings
such as "SYSTEM:", marks of chat templates, tools and addresses, "if you read this", and any order to say something."""
MOST_FOUND = 200
"""Places of one pattern in one text that count."""
Sign = tuple[str, int, int]
"""A group, and where its pattern starts and ends in the text."""


@cache
def _patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    """Compiled patterns with their groups. A blank in a pattern stands for a line break too; every repetition is
    bounded, so that no text takes long."""
    stems = {row[0]: row[1] for row in guard_table("stems.tsv")}
    out = []
    for group, _, pattern in guard_table("rules.tsv"):
        filled = re.sub(r"\{([A-Z_]+)\}", lambda m: stems[m[1]], pattern)
        front = r"\b" if re.match(r"\(\?:[a-z]", filled) else ""
        out.append((group, re.compile(front + filled.replace(" ", r"\s"), re.MULTILINE)))
    return tuple(out)


def find_signs(text: str) -> Sequence[Sign]:
    """The signs in a normalised text, in no order."""
    found: list[Sign] = []
    for group, pattern in _patterns():
        for _, match in zip(range(MOST_FOUND), pattern.finditer(text), strict=False):
            found.append((group, match.start(), match.end()))
    return found
