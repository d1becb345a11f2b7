"""Sizes: "a large dog", "개가 작습니다", and whether a thing takes much or little of its picture."""

from __future__ import annotations

import re
from collections.abc import Sequence

from nunbit.evidence.index import Found, Index
from nunbit.evidence.names import Mention
from nunbit.evidence.statements import COLOURS, WINDOW_CHARS, Statement

SIZE_WORDS = {
    "large": "large big huge giant enormous 큰 커다란 거대한",
    "small": "small tiny 작은 조그만 조그마한",
}
SIZES = {form: size for size, forms in SIZE_WORDS.items() for form in forms.split()}
"""Word -> size. "Little" is none: a little girl is a young one."""
LARGE_FROM, LARGE_NEVER = 0.4, 0.12
SMALL_TO, SMALL_NEVER = 0.2, 0.6
"""Share that a thing takes of its picture's width or height, the larger of both: from where it is large, below where
it is not; up to where it is small, and above where it is not. These bounds are ours; people judge by the kind of thing,
too, so that only extremes contradict."""
_COLOUR = "|".join(sorted(COLOURS, key=len, reverse=True))
_BEFORE = re.compile(rf"(?:^|(?<=[^\w]))(?P<size>{'|'.join(SIZES)})\s+(?:(?:{_COLOUR})\s+)?$", re.I)
_IS = re.compile(
    r"\s+(?:is|are|looks?)(?P<not>\s+not|n['’]t)?\s+(?:very\s+|quite\s+|rather\s+)?"
    r"(?P<size>large|big|huge|small|tiny)\b"
    r"(?!\s+(?!and\b|in\b|compared\b)[a-z])",
    re.I,
)
_IS_KO = re.compile(r"\s*(?:아주\s*|매우\s*)?(?:(?P<large>크다|큽니다|커요)|(?P<small>작다|작습니다|작아요))")


def size_statements(text: str, mentions: Sequence[Mention]) -> list[Statement]:
    """What a text says of the sizes of things. What it denies is left out."""
    out = []
    for m in mentions:
        if before := _BEFORE.search(text, max(0, m.start - WINDOW_CHARS), m.start):
            size = SIZES[before["size"].casefold()]
            out.append(Statement("attribute", before.start("size"), m.end, m, size))
        if (after := _IS.match(text, m.end, m.end + WINDOW_CHARS)) and not after["not"]:
            out.append(Statement("attribute", m.start, after.end("size"), m, SIZES[after["size"].casefold()]))
        if korean := _IS_KO.match(text, m.after, m.after + WINDOW_CHARS):
            size = "large" if korean["large"] else "small"
            out.append(Statement("attribute", m.start, korean.end(), m, size))
    return out


def share_of_side(f: Found, index: Index) -> float:
    """The share of the picture's width or height, whichever is larger, that a thing takes."""
    scene = index.scenes[index.pictures.index(f.evidence.picture)]
    x1, y1, x2, y2 = f.evidence.box
    return max((x2 - x1) / scene.width, (y2 - y1) / scene.height)


def size_verdict(f: Found, size: str, index: Index) -> str:
    """``same``, ``other`` or ``near`` for a thing and the size that a text gives it."""
    share = share_of_side(f, index)
    if size == "large":
        return "same" if share >= LARGE_FROM else "other" if share <= LARGE_NEVER else "near"
    return "same" if share <= SMALL_TO else "other" if share >= SMALL_NEVER else "near"
