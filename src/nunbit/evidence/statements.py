"""What a text says of things, before it is compared with a Scene; and the words that both languages share.

Names of things are found before (`names`), so that patterns only look at what stands between them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from nunbit.evidence.claims import ClaimKind
from nunbit.evidence.names import Mention

WINDOW_CHARS = 80
"""How far a word may stand from the name that it belongs to, so that long texts take linear time."""

COLOUR_WORDS = {
    "red": "red 빨간색 빨강색 빨강 빨간 빨갛 붉은색 붉은 적색",
    "orange": "orange 주황색 주황 오렌지색",
    "yellow": "yellow golden gold 노란색 노랑색 노랑 노란 노랗 황색 금색",
    "green": "green 초록색 초록 녹색 연두색",
    "blue": "blue navy cyan 파란색 파랑색 파랑 파란 파랗 청색 하늘색 남색",
    "purple": "purple violet 보라색 보라 자주색",
    "pink": "pink 분홍색 분홍 핑크색 핑크",
    "brown": "brown 갈색 밤색",
    "black": "black 검은색 검정색 검정 검은 까만색 까만 까맣",
    "white": "white 흰색 하얀색 하양 하얀 하얗 흰 백색",
    "gray": "gray grey silver 회색 은색",
    "beige": "beige 베이지색 베이지",
}
COLOURS = {form: colour for colour, forms in COLOUR_WORDS.items() for form in forms.split()}
"""Word -> colour as Scenes name it."""
NEAR_COLOURS = frozenset(
    frozenset(pair.split("/"))
    for pair in (
        "red/orange red/pink red/brown red/purple orange/yellow orange/brown pink/purple blue/purple gray/white"
        " gray/black gray/blue brown/black brown/gray beige/white beige/yellow beige/brown beige/gray beige/orange"
        " beige/pink yellow/brown blue/green yellow/green blue/black green/black white/yellow white/pink brown/yellow"
    ).split()
)
"""Colours that people and cameras call differently: one is no contradiction of the other."""

HORIZONTAL = {"left": "left", "right": "right", "왼쪽": "left", "왼편": "left", "오른쪽": "right", "오른편": "right"}
VERTICAL = {
    **dict.fromkeys(("top", "upper", "위쪽", "위", "윗부분", "상단"), "top"),
    **dict.fromkeys(("bottom", "lower", "아래쪽", "아래", "아랫부분", "하단"), "bottom"),
}
CENTRE = ("center", "centre", "middle", "가운데", "중앙", "한가운데")
BOX = re.compile(r"\[\s*(\d{1,3})\s*,\s*(\d{1,3})\s*,\s*(\d{1,3})\s*,\s*(\d{1,3})\s*\]")
"""A box in hundredths of the picture's sides."""


@dataclass(frozen=True, slots=True)
class Statement:
    """What a text says of a thing.

    Attributes:
        start, end: the words that say it.
        about: the thing, None for text.
        value: a number, a colour, a part ("top left"), a box, a predicate, or text.
        other: the second thing of a relation.
        colours: the colours that the thing has by the way ("two red cars"): only such things count.
        denied: it is said not to be so.
        bound: how a number is meant: ``=``, ``>=``, ``<=`` or ``~`` (about).
        partial: the text says more of the thing than this, so neither its number nor its absence can be checked.
    """

    kind: ClaimKind
    start: int
    end: int
    about: Mention | None = None
    value: str = ""
    other: Mention | None = None
    colours: tuple[str, ...] = ()
    denied: bool = False
    bound: str = "="
    partial: bool = False

    def at(self, start: int, end: int, *, denied: bool = False) -> Statement:
        """The same at another place, for an answer that says it of what the question names.

        Args:
            denied: turn it round.
        """
        return replace(self, start=start, end=end, denied=self.denied != denied)


def part_named(words: str) -> str:
    """``left``, ``top right``, ``center`` ... for a phrase that names a part of the picture; "" if it names none."""
    lower = words.casefold()
    found = _part_words().findall(lower)
    x = next((HORIZONTAL[w] for w in found if w in HORIZONTAL), "")
    y = next((VERTICAL[w] for w in found if w in VERTICAL), "")
    if x or y:
        return f"{y} {x}".strip()
    return "center" if any(w in CENTRE for w in found) else ""


@lru_cache(maxsize=1)
def _part_words() -> re.Pattern[str]:
    english = [w for w in (*HORIZONTAL, *VERTICAL, *CENTRE) if w.isascii()]
    hangul = sorted((w for w in (*HORIZONTAL, *VERTICAL, *CENTRE) if not w.isascii()), key=len, reverse=True)
    return re.compile(rf"\b(?:{'|'.join(english)})\b|{'|'.join(hangul)}")


def clauses(text: str, mentions: Sequence[Mention], ends: re.Pattern[str]) -> Iterator[tuple[int, int]]:
    """Where the clause of each mention begins and ends; ``ends`` matches up to the beginning of the next clause."""
    cuts = [m.end() for m in ends.finditer(text)]
    begin, cut = 0, 0
    for m in mentions:
        while cut < len(cuts) and cuts[cut] <= m.start:
            begin, cut = cuts[cut], cut + 1
        yield begin, cuts[cut] if cut < len(cuts) else len(text)


def without_doubles(statements: list[Statement]) -> list[Statement]:
    """Statements of which no two say the same at one place; in the order of the text."""
    return sorted(dict.fromkeys(statements), key=lambda s: (s.start, s.end))
