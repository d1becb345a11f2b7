"""Names of things in a text, English and Korean: where they stand, and which names of a Scene they may mean.

English names count as whole words with their plurals, Korean names at the beginning of a word and only before
particles. The longest name wins: a hot dog is no dog. Different names with one Korean name and of one kind are
one thing.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from nunbit.coco import PANOPTIC_CLASSES, short_name
from nunbit.world.names import KINDS_KO, broader, english_plural, kind_of, korean_thing, table

ANYTHING = "thing"
"""The name that every object answers to."""
NOT_NAMES = frozenset(("picture", "photo", "place", "point", "light", "left", "right", "text"))
"""Names of the tables that mean something else in nearly every answer."""
WORD = re.compile(r"[A-Za-z]+(?:-[A-Za-z]+)*(?:['’]t\b)?|[0-9]+|[가-힣]+")
NUMERALS_KO = {
    **dict(zip("하나 둘 셋 넷 다섯 여섯 일곱 여덟 아홉 열".split(), range(1, 11), strict=True)),
    **dict(zip("한 두 세 네 석 넉 열한 열두 스무".split(), (1, 2, 3, 4, 3, 4, 11, 12, 20), strict=True)),
}
COUNTERS = "마리|사람|개|명|대|권|장|송이|그루|벌|켤레|자루|잔|병|채|척|분|쌍"
ONE_TAIL = (
    "들|은|는|이|가|을|를|과|와|의|에|에서|에게|도|로|으로|만|랑|이랑|하고|보다|까지|부터|밖에|처럼|뿐|이나|나|이며|며|이고|고"
    "|이라고|라고|이라서|라서|이라|라|이지만|지만|이다|입니다|입니까|이에요|예요|이네요|네요|이야|야|인가요|인가|인지|일까요|인|인데"
)
TAIL = re.compile(rf"(?:{'|'.join(sorted(ONE_TAIL.split('|'), key=len, reverse=True))}){{0,3}}(?![가-힣])")
_QUANTITY = re.compile(rf"(?:[0-9]|여러|몇|{'|'.join(NUMERALS_KO)})\s?$")
LONGEST_KO, LONGEST_WORDS = 12, 4


@dataclass(frozen=True, slots=True)
class Mention:
    """A name that a text holds.

    Attributes:
        start, end: its place, without particles; after: where its particles end.
        names: canonical English names that it may mean; several for a Korean homograph.
        broader: names of things of which it is a special case: "woman" of person.
        doubtful: a Korean name of one syllable, which is often part of another word.
    """

    start: int
    end: int
    after: int
    names: tuple[str, ...]
    broader: tuple[str, ...] = ()
    doubtful: bool = False

    @property
    def name(self) -> str:
        """The first canonical name."""
        return (*self.names, *self.broader)[0]

    def same(self, other: Mention) -> bool:
        """Whether both may mean one thing."""
        return bool({*self.names, *self.broader} & {*other.names, *other.broader})


@dataclass(frozen=True, slots=True)
class _Entry:
    names: tuple[str, ...]
    broader: tuple[str, ...]


@lru_cache(maxsize=1)
def _groups() -> dict[str, str]:
    """Name -> the first name of the table with the same Korean name and kind."""
    first: dict[tuple[str, str], str] = {}
    return {name: first.setdefault(row, name) for name, row in table().items()}


def canonical(name: str) -> str:
    """The name under which a thing is compared: lower case, without COCO's endings, one for all its synonyms."""
    plain = short_name(" ".join(name.casefold().split()))
    plain = _same().get(plain, plain)
    return _groups().get(plain, plain)


@lru_cache(maxsize=1)
def _rows() -> list[dict[str, str]]:
    with (Path(__file__).parent / "synonyms.tsv").open(encoding="utf-8", newline="") as f:
        return list(csv.DictReader(f, delimiter="\t"))


@lru_cache(maxsize=1)
def _same() -> dict[str, str]:
    return {r["form"]: r["name"] for r in _rows() if r["how"] == "same"}


@lru_cache(maxsize=1)
def _entries() -> tuple[dict[str, _Entry], dict[str, _Entry]]:
    """English and Korean form -> what it may mean."""
    english: dict[str, _Entry] = {}
    hangul: dict[str, _Entry] = {}
    kinds = {k: k for k in KINDS_KO}
    known = {n: canonical(n) for n in (*table(), *map(short_name, PANOPTIC_CLASSES[:80]))} | kinds
    for name in known:
        if name not in NOT_NAMES:
            _add(english, hangul, name, known[name])
    for row in _rows():
        exact = () if row["how"] == "narrower" else (canonical(row["name"]),)
        if row["how"] == "narrower":
            exact = (row["form"],) if row["form"].isascii() else ()
        broader = (canonical(row["name"]),) if row["how"] == "narrower" else ()
        target = hangul if re.search("[가-힣]", row["form"]) else english
        forms = {row["form"]} if target is hangul else {row["form"], english_plural(row["form"])}
        for form in forms:
            target[form] = _Entry(exact, broader)
    return english, hangul


def _add(english: dict[str, _Entry], hangul: dict[str, _Entry], name: str, meant: str) -> None:
    for form in (name, english_plural(name)):
        english.setdefault(form.casefold(), _Entry((meant,), ()))
    own = KINDS_KO.get(name) or korean_thing(name)  # not `korean`, for which "orange" is the colour
    if re.search("[가-힣]", own):
        before = hangul.get(own, _Entry((), ()))
        hangul[own] = _Entry(tuple(dict.fromkeys((*before.names, meant))), ())


class Lexicon:
    """Finds names in texts: those of the tables, and those of the Scenes at hand.

    Args:
        extra: names of Scenes.
    """

    def __init__(self, extra: Iterable[str] = ()) -> None:
        known, hangul = _entries()
        own: dict[str, _Entry] = {}
        own_hangul: dict[str, _Entry] = {}
        for name in dict.fromkeys(extra):
            plain = short_name(" ".join(name.casefold().split()))
            if plain and plain not in NOT_NAMES:
                if re.search("[가-힣]", plain):
                    own_hangul.setdefault(plain, _Entry((canonical(plain),), ()))
                elif plain not in known:
                    own |= {form: _Entry((canonical(plain),), ()) for form in (plain, english_plural(plain))}
                    if (korean := korean_thing(plain)) and korean not in hangul:
                        own_hangul.setdefault(korean, _Entry((canonical(plain),), ()))
        self._english = (known, own)
        self._hangul = (hangul, own_hangul)

    def mentions(self, text: str) -> list[Mention]:
        """The names in a text, in order, none overlapping another. Takes time in proportion to the text."""
        words = list(WORD.finditer(text))
        out: list[Mention] = []
        i = 0
        while i < len(words):
            found = (
                self._korean_at(text, words[i].start())
                if "가" <= words[i][0][0] <= "힣"
                else self._english_at(text, words, i)
            )
            if found is None:
                i += 1
                continue
            out.append(found)
            while i < len(words) and words[i].start() < found.after:
                i += 1
        return out

    def _english_at(self, text: str, words: list[re.Match[str]], i: int) -> Mention | None:
        for length in range(min(LONGEST_WORDS, len(words) - i), 0, -1):
            last = words[i + length - 1]
            form = text[words[i].start() : last.end()].casefold()
            if length > 1 and "  " in form:
                continue
            entry = self._english[0].get(form) or self._english[1].get(form)
            if entry:
                tail = TAIL.match(text, last.end())
                return Mention(
                    words[i].start(), last.end(), tail.end() if tail else last.end(), entry.names, entry.broader
                )
        return None

    def _korean_at(self, text: str, start: int) -> Mention | None:
        for length in range(min(LONGEST_KO, len(text) - start), 0, -1):
            form = text[start : start + length]
            entry = self._hangul[0].get(form) or self._hangul[1].get(form)
            tail = TAIL.match(text, start + length) if entry else None
            if entry and tail:
                if length == 1 and not _stands_alone(text, start, tail):
                    return None
                return Mention(start, start + length, tail.end(), entry.names, entry.broader, length == 1)
        return None


def _stands_alone(text: str, start: int, tail: re.Match[str]) -> bool:
    """Whether a syllable is a name: not a counter after a number, and before a particle, a number or a stop."""
    if _QUANTITY.search(text[max(0, start - 4) : start]):
        return False
    rest = text[tail.end() : tail.end() + 4].lstrip(" ")
    number = rest[:1].isdigit() or any(rest.startswith(n + " ") or rest == n for n in NUMERALS_KO)
    side = rest.startswith(("왼쪽", "오른쪽", "위", "아래", "옆", "앞", "뒤"))
    return bool(tail[0]) or not rest or not ("가" <= rest[0] <= "힣") or number or side


def labels_of(name: str, *others: str) -> set[str]:
    """What a thing of a Scene may be called: its names, what it is as well (an owl is a bird), their kind, and "thing".

    Args:
        others: further names, such as a finer one.
    """
    names = {canonical(n) for n in (name, *others) if n}
    plain = {short_name(n.casefold()) for n in (name, *others) if n}
    wider = {canonical(w) for n in names | plain for w in broader(n)}
    return names | plain | wider | {kind_of(n) for n in names | plain} | {ANYTHING}
