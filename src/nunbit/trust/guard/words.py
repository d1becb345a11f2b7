"""Text that was read from pictures as the guard compares it: one alphabet, one case, hidden spellings undone, and
lines gathered into the passages that somebody would read together."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

from nunbit.scene import Box
from nunbit.trust.guard.tables import guard_table

MOST_CHARS = 20_000
"""Characters of one text that are looked at; no picture that people read holds more."""
MOST_LINES = 400
"""Lines of a request that are looked at, at most."""
FAR, TALLER, BESIDE = 1.6, 1.9, 3.0
"""Lines of one block lie at most so many heights under each other and differ in height by at most this factor; parts
of a row stand at most so many heights apart."""
BEFORE, AFTER = 1, 3
"""Lines around a suspicious one that are masked with it."""
_LETTERS = "аa еe оo рp сc уy хx іi јj ѕs ԁd һh ӏl ԛq ԝw вb нh кk мm тt αa εe οo ρp υu νv ιi τt ηn βb κk"
_LOOKALIKES = str.maketrans(
    {pair[0]: pair[1] for pair in _LETTERS.split()}
    | dict.fromkeys("“”„‟«»「」『』", '"')
    | dict.fromkeys("‘’‚‛`´", "'")
    | dict.fromkeys("–—―−", "-")
    | {"｜": "|", "¦": "|", "…": ".", "·": " ", "•": " ", "_": " "}
)
_LEET = str.maketrans("013457@$|!", "oieastasli")
_MIXED = re.compile(r"[a-z0-9@$|!]*[a-z][a-z0-9@$|!]*[a-z0-9]")
_SPELT = re.compile(r"(?<![^\W\d_])(?:[^\W\d_][ .·_*-]){4,}[^\W\d_](?![^\W\d_])")
_LONG = re.compile(r"[a-z]{6,14}")
_REPAIRED = 6
"""Letters of a word that is compared with the words of the rules by leaving one letter out."""


@lru_cache(maxsize=4096)
def normalised(text: str) -> str:
    """A text in one case, with compatible and look-alike characters made one, accents and invisible characters left
    out, spelt-out words joined, digits inside words read as letters, and misread words of the rules mended."""
    text = unicodedata.normalize("NFKC", text[:MOST_CHARS]).casefold().translate(_LOOKALIKES)
    text = "".join(c for c in unicodedata.normalize("NFD", text) if c == "\n" or not _is_invisible(c))
    text = unicodedata.normalize("NFC", text)
    text = _SPELT.sub(_joined, text)
    text = _MIXED.sub(_unleet, text)
    text = _LONG.sub(lambda m: _mended(m[0]), text)
    return "\n".join(" ".join(line.split()) for line in text.split("\n")).strip()


def _is_invisible(char: str) -> bool:
    return unicodedata.category(char) in ("Mn", "Cf", "Cc")


def _joined(found: re.Match[str]) -> str:
    """Letters that stand apart as words: cut where more than one separator stood, else into words of the rules."""
    letters = re.sub(r"[ .·_*-]", "", found[0])
    words, at = list[str](), 0
    while at < len(letters):
        size = next((n for n in range(14, 1, -1) if letters[at : at + n] in rule_words()), 1)
        words.append(letters[at : at + size])
        at += size
    return " ".join(words) if len(words) * 2 <= len(letters) else letters


def _unleet(found: re.Match[str]) -> str:
    """A word of letters with digits for letters (``1gn0re``), as letters; model names and units stay."""
    word = found[0]
    if word.isalpha() or sum(c.isalpha() for c in word) < 0.5 * len(word):
        return word
    plain = word.translate(_LEET)
    return next((w for w in (plain, plain.replace("i", "l"), _mended(plain)) if w in rule_words()), word)


@cache
def rule_words() -> frozenset[str]:
    """English words that the rules are made of, as they stand in ``words.tsv``."""
    return frozenset(row[0] for row in guard_table("words.tsv"))


@cache
def _shortened() -> dict[str, str]:
    """Words of the rules with one letter left out, and the words whole."""
    out: dict[str, str] = {}
    for word in sorted(rule_words()):
        if len(word) >= _REPAIRED:
            for i in range(1, len(word)):
                out.setdefault(word[:i] + word[i + 1 :], word)
    return out


@lru_cache(maxsize=4096)
def _mended(word: str) -> str:
    """A word of the rules for one that differs from it in one letter (``instructlons``), its first aside."""
    if word in rule_words() or word.rstrip("s") in rule_words() or len(word) < _REPAIRED:
        return word
    for form in (word, *(word[:i] + word[i + 1 :] for i in range(1, len(word)))):
        known = _shortened().get(form) or (form if form in rule_words() and len(form) >= _REPAIRED else None)
        if known and known[0] == word[0] and abs(len(known) - len(word)) <= 1:
            return known
    return word


@dataclass(frozen=True, slots=True)
class ReadLine:
    """A line that a view of a picture shows.

    Attributes:
        picture: its position in the request.
        text: as it was read.
        box: in the picture's own pixels.
        place: in the view's frame, where the line lies level; lines are gathered by it.
        view: the view's name; ``given`` for what was read already.
    """

    picture: int
    text: str
    box: Box
    place: Box
    view: str = "given"


def blocks(lines: Sequence[ReadLine]) -> list[list[ReadLine]]:
    """Lines of one picture and view gathered into blocks that are read together, each from top to bottom."""
    groups: list[list[ReadLine]] = []
    for line in sorted(lines, key=lambda x: (x.place[1], x.place[0])):
        joined = [g for g in groups if any(_together(line, other) for other in g)]
        merged = [x for g in joined for x in g] + [line]
        groups = [g for g in groups if g not in joined] + [merged]
    return [_rows(g) for g in groups]


def with_neighbours(found: Sequence[ReadLine], lines: Sequence[ReadLine]) -> list[ReadLine]:
    """Lines with those around them in their blocks, `BEFORE` and `AFTER`: an order goes on where it is no longer
    suspicious by itself (``... and say BANANA``)."""
    held = set(map(id, found))
    out = {id(x): x for x in found}
    for key in dict.fromkeys((x.picture, x.view) for x in found):
        for block in blocks([x for x in lines if (x.picture, x.view) == key]):
            for i, line in enumerate(block):
                if id(line) in held:
                    out |= {id(x): x for x in block[max(0, i - BEFORE) : i + AFTER + 1]}
    return [*out.values()]


def _rows(group: list[ReadLine]) -> list[ReadLine]:
    """A block's lines in reading order: lines whose middles are level are one row, from left to right."""
    rows: list[list[ReadLine]] = []
    for line in sorted(group, key=lambda x: x.place[1] + x.place[3]):
        middle = (line.place[1] + line.place[3]) / 2
        if rows and middle < rows[-1][0].place[3] and middle - _middle(rows[-1][0]) < 0.5 * _height(line):
            rows[-1].append(line)
        else:
            rows.append([line])
    return [line for row in rows for line in sorted(row, key=lambda x: x.place[0])]


def _middle(line: ReadLine) -> float:
    return (line.place[1] + line.place[3]) / 2


def _height(line: ReadLine) -> float:
    return max(1.0, line.place[3] - line.place[1])


def _together(a: ReadLine, b: ReadLine) -> bool:
    high, low = sorted((_height(a), _height(b)), reverse=True)
    if high > TALLER * low:
        return False
    across = min(a.place[2], b.place[2]) - max(a.place[0], b.place[0])
    down = max(a.place[1], b.place[1]) - min(a.place[3], b.place[3])
    return (across > 0 and down < FAR * low) or (down < -0.5 * low and across > -BESIDE * low)


def orders(lines: Sequence[ReadLine]) -> list[list[ReadLine]]:
    """The orders in which lines are read: each block, the lines of each picture and view as they come, and those of
    all pictures joined, so that a text that is spread over pictures is whole in one of them."""
    lines = list(lines)[:MOST_LINES]
    keys = dict.fromkeys((x.picture, x.view) for x in lines)
    out: list[list[ReadLine]] = []
    for key in keys:
        own = [x for x in lines if (x.picture, x.view) == key]
        gathered = blocks(own)
        out += gathered
        if len(gathered) > 1:
            out.append(own)
    if len({picture for picture, _ in keys}) > 1:
        out.append(sorted(lines, key=lambda x: x.picture))
    return out
