"""Edits of Korean sentences: a number, a colour, a side, a name, a member of a list; particles follow their nouns.

Every function yields ``(start, end, new words)``, places of the whole text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from nunbit.evidence.names import COUNTERS, NUMERALS_KO
from nunbit.evidence.statements import BOX, COLOURS, part_named
from nunbit.evidence.wording import PARTS_KO
from nunbit.trust.phrases import first_colours
from nunbit.trust.trace import Check
from nunbit.world.names import korean
from nunbit.world.wording import josa

Piece = tuple[int, int, str]
_BEFORE_COUNTER = {1: "한", 2: "두", 3: "세", 4: "네", 5: "다섯", 6: "여섯", 7: "일곱", 8: "여덟", 9: "아홉", 10: "열"}
_ALONE = {1: "하나", 2: "둘", 3: "셋", 4: "넷"}
_NUMERAL = re.compile(rf"\d{{1,4}}|{'|'.join(sorted(NUMERALS_KO, key=len, reverse=True))}")
_STEMS = {"red": "빨갛", "yellow": "노랗", "blue": "파랗", "black": "까맣", "white": "하얗"}
_BEFORE_NOUN = {"red": "빨간", "yellow": "노란", "blue": "파란", "black": "검은", "white": "흰"}
_SIZES = {"큰": "작은", "커다란": "작은", "거대한": "작은", "크다": "작다", "큽니다": "작습니다", "커요": "작아요"}
_SIZES |= {"작은": "큰", "조그만": "큰", "조그마한": "큰", "작다": "크다", "작습니다": "큽니다", "작아요": "커요"}
_SIDES = {"왼쪽": "오른쪽", "왼편": "오른편", "오른쪽": "왼쪽", "오른편": "왼편"}
_LEVELS = {"위쪽": "아래쪽", "위": "아래", "아래쪽": "위쪽", "아래": "위", "밑": "위"}
_PART = re.compile(
    r"(?:한가운데|가운데|중앙|(?:왼쪽|오른쪽|왼편|오른편|위쪽|아래쪽|위|아래|상단|하단)"
    r"(?:\s+(?:왼쪽|오른쪽|위쪽|아래쪽|위|아래|상단|하단|가운데))?)"
)
_FLIPS = {"있습니다": "없습니다", "있어요": "없어요", "없습니다": "있습니다", "없어요": "있어요"}
_THERE = (
    ("보이지 않습니다", "보입니다"),
    ("보이지 않아요", "보여요"),
    ("없습니다", "있습니다"),
    ("없어요", "있어요"),
    ("없고", "있고"),
    ("없지만", "있지만"),
    ("없으며", "있으며"),
    ("없다", "있다"),
)
_PARTICLES = (
    "이/가",
    "은/는",
    "을/를",
    "과/와",
    "으로/로",
    "이랑/랑",
    "이나/나",
    "이고/고",
    "이에요/예요",
    "이라고/라고",
)
_JOIN = r"(?:와|과|하고|이랑|랑)?\s*(?:,|및|그리고)?\s*"
_JOINED_AFTER = re.compile(r"(?:\s*(?:와|과|하고|이랑|랑)\s+|\s*,\s*|\s+(?:및|그리고)\s+)")
_JOINED_BEFORE = re.compile(r"(?:(?<=[가-힣0-9])(?:와|과|하고|이랑|랑)\s+|\s*,\s*|\s+(?:및|그리고)\s+)$")
_CLAUSE = re.compile(r"(?<=[있하없])고,?\s+|(?<=으며),?\s+|(?<=지만),?\s+|(?<=는데),?\s+|,\s+")


def flipped_lead(words: str) -> str:
    """아니요 for 네, 네 for 아니요; 없습니다 for 있습니다."""
    given = re.match(r"\s*([가-힣]+)", words)
    first = given[1] if given else ""
    if first in _FLIPS:
        return _FLIPS[first]
    return "네" if first.startswith(("아니", "아뇨")) else "아니요"


def replacements(text: str, check: Check, sentence: tuple[int, int]) -> Iterator[Piece]:
    """New words for a wrong statement about a thing that is there."""
    c, (start, end) = check.claim, check.claim.span
    if c.denied:
        for old, new in _THERE:
            at = text.find(old, start, sentence[1])
            if at >= 0:
                yield at, at + len(old), new
    elif c.kind == "count":
        yield from _count(text, check)
    elif c.kind == "attribute" or (c.kind == "existence" and c.value):
        yield from _described(text, check, sentence)
    elif c.kind == "place":
        yield from _placed(text, check, sentence)
    elif c.kind == "relation":
        table = _SIDES if c.value in ("left of", "right of") else _LEVELS
        for m in re.finditer("|".join(table), text[start : sentence[1]]):
            yield start + m.start(), start + m.end(), table[m[0]]
    elif c.kind == "text" and check.found:
        yield start, end, check.found
    elif check.found:
        yield _renamed(text, start, end, korean(check.found))


def _count(text: str, check: Check) -> Iterator[Piece]:
    start, end = check.claim.span
    number = re.match(r"\d+", check.found)
    if number is None:
        return
    many, more = int(number[0]), "-" in check.found
    for m in _NUMERAL.finditer(text, start, end):
        counter = re.match(rf"\s*(?:{COUNTERS})", text[m.end() :])
        tail = counter[0] if counter else ""
        word = str(many)
        if not m[0].isdigit():
            word = (_BEFORE_COUNTER if tail or m[0] not in _ALONE.values() else _BEFORE_COUNTER | _ALONE).get(
                many, str(many)
            )
        yield m.start(), m.end() + len(tail), word + tail + (" 이상" if more else "")


def _described(text: str, check: Check, sentence: tuple[int, int]) -> Iterator[Piece]:
    """Another colour or size. "파란색" stays a noun, "파란" an adjective, "파랗" a stem."""
    said, colour = check.claim.value.split(", "), check.found.split("/")[0].split(",")[0].strip()
    forms = sorted((c for c in COLOURS if not c.isascii()), key=len, reverse=True)
    for a, b in (check.claim.span, sentence):
        for m in re.finditer("|".join(forms), text[a:b]):
            if colour in ("large", "small") or COLOURS[m[0]] not in said:
                continue
            noun = first_colours(check.found, "ko")
            if m[0] in _STEMS.values():
                new = _STEMS.get(colour, "")
            else:
                new = _BEFORE_NOUN.get(colour, noun) if m[0] in _BEFORE_NOUN.values() else noun
            if new:
                yield a + m.start(), a + m.end(), new
        if colour in ("large", "small"):
            for m in re.finditer("|".join(sorted(_SIZES, key=len, reverse=True)), text[a:b]):
                yield a + m.start(), a + m.end(), _SIZES[m[0]]


def _placed(text: str, check: Check, sentence: tuple[int, int]) -> Iterator[Piece]:
    start = check.claim.span[0]
    if box := BOX.search(text, start, sentence[1]):
        yield *box.span(), check.found
        return
    for m in _PART.finditer(text, start, sentence[1]):
        if part_named(m[0]) == check.claim.value and check.found in PARTS_KO:
            yield m.start(), m.end(), PARTS_KO[check.found]


def _renamed(text: str, start: int, end: int, name: str) -> Piece:
    """Another name, the particle after it as the name wants it."""
    return start, end + _particle_length(text, end), name_with_particle(text, end, name)


def _particle_length(text: str, end: int) -> int:
    return next((len(p) for pair in _PARTICLES for p in pair.split("/") if text.startswith(p, end)), 0)


def name_with_particle(text: str, end: int, name: str) -> str:
    """A name with the particle that stands at a place of a text, in the form that fits the name."""
    for pair in _PARTICLES:
        if any(text.startswith(p, end) for p in pair.split("/")):
            return josa(name, pair)
    return name


def removals(text: str, check: Check, sentence: tuple[int, int]) -> Iterator[Piece]:
    """The words that name a thing which is not there: a member of a list, then the clause."""
    (start, end), (first, last) = check.claim.span, sentence
    if after := _JOINED_AFTER.match(text, end, last):
        yield start, after.end(), ""
    if before := _JOINED_BEFORE.search(text[first:start]):
        begin = first + before.start()
        noun = re.search(r"[가-힣A-Za-z0-9]+$", text[first:begin])
        length = _particle_length(text, end)
        if noun and length:
            yield first + noun.start(), end + length, name_with_particle(text, end, noun[0])
        yield begin, end, ""
    cuts = [first, *(first + v for m in _CLAUSE.finditer(text[first:last]) for v in m.span()), last]
    for i, (a, b) in enumerate(zip(cuts[::2], cuts[1::2], strict=True)):
        if a <= start < b and len(cuts) > 2:
            if a > first:  # the clause before it becomes the end of the sentence
                yield cuts[2 * i - 1], last, "습니다."
            else:
                yield first, cuts[2], ""
