r"""One number read out of a reply, whole or not at all.

A reply is cut into quantities. A plain one has a value: ``1,234``, ``1 234``, ``1{,}234``, ``-2.5``, ``3e5``, with any
unit behind it (``12 cm^2``, ``30^\circ``). Everything of which a number is only a part is compound and is never read by
half: fractions, powers, roots, multiples of pi, ``3 x 10^5``, times, ranges, dates, ``5 ± 0.2``, ``3 million``.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from nunbit.evaluation.items import UNPARSED, ParsedAnswer
from nunbit.evaluation.number_patterns import (
    BEFORE,
    BEHIND,
    BETWEEN,
    DAY_OR_YEAR,
    DENIED_BEFORE,
    DENIED_BEHIND,
    FRAME,
    IN_DATE,
    LABEL,
    MONTH_BEFORE,
    ONES,
    PLAIN,
    SCRIPT,
    SIGN,
    SPACES,
    TENS,
    UNIT,
    WORD,
)
from nunbit.evaluation.number_words import counted
from nunbit.evaluation.reply_text import Boxed, boxed, prepare

_SCAN = re.compile(rf"(?P<script>{SCRIPT})|(?<![A-Za-z\d])(?<!\d\.)(?P<number>{SIGN}{PLAIN})")
_BOLD = re.compile(r"(?<!\d)\*\*|\*\*(?!\d)|[`$]")
_LIST_ITEM = r"[-−–+]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:[eE][-+]?\d+)?|[-−–+]?\.\d+"
_LIST = re.compile(rf"\[\s*(?:{_LIST_ITEM})(?:\s*,\s*(?:{_LIST_ITEM}))*\s*\]")


_NUMBERS_ALONE = re.compile(r"[-−–+]?[\d.,]+(?:\s*[,;]\s+[-−–+]?[\d.,]+)+")


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number with its place; ``value`` None where the number is only a part of something compound."""

    value: str | None
    span: tuple[int, int]


def quantities(text: str, start: int = 0, stop: int | None = None) -> list[Quantity]:
    """Every quantity of a prepared text that begins in ``[start, stop)``, in order."""
    found = [m.span("number") for m in _SCAN.finditer(text, 0, stop or len(text)) if m["number"]]
    out: list[Quantity] = []
    for k, (first, last) in enumerate(found):
        alone = not BEHIND.match(text, last) and not BEFORE.search(text, max(0, first - 24), first)
        alone = alone and not _in_name_or_date(text, first, last)
        value = plain_number(text[first:last]) if alone else None
        if k and out and _joined(text, found[k - 1], (first, last)):
            out[-1] = Quantity(None, (out[-1].span[0], last))
        else:
            out.append(Quantity(value, (first, last)))
    return [q for q in out if q.span[1] > start]


def number(reply: str) -> ParsedAnswer:
    """One number, as plain digits without thousands separators."""
    text = _BOLD.sub(lambda m: " " * len(m[0]), prepare(reply))
    for box in reversed(boxed(text)):
        if (inside := _of_box(text, box)) is not None:
            return inside
    found = [q for q in quantities(text) if not _is_denied(text, q.span)]
    words = [_of_word(m) for m in WORD.finditer(text) if not _is_denied(text, m.span())]
    words += [Quantity(value, span) for value, span in counted(text) if not _is_denied(text, span)]
    if not found and len(words) == 1 and text[slice(*words[0].span)] == text.strip(" .!\n*_\0"):
        return _read(words[0], "number word")
    if (stated := _stated(text, [*words, *found])) is not None:
        return _read(stated, "stated")
    if not found:
        # "one of them" and 一个 count nothing.
        counts = len(words) == 1 and text[slice(*words[0].span)].lower() not in ("one", "一")
        return _read(words[0], "only number word") if counts else UNPARSED
    if len(found) == 1:
        return _read(found[0], "only number")
    if _NUMBERS_ALONE.fullmatch(text.strip(" .!\n*_\0")):
        return UNPARSED  # a list is no number
    after = [q for q in found if text[: q.span[0]].rstrip(" €£¥₩").endswith("=")]
    return _read(after[-1], "after =") if after else _read(found[-1], "last number")


def number_list(reply: str) -> ParsedAnswer:
    """A list of numbers in brackets, written as Python writes it."""
    lists = [*_LIST.finditer(prepare(reply))]
    if not lists:
        return UNPARSED
    inner = re.findall(_LIST_ITEM, re.sub(r",(?=\d{3}\b)", ", ", lists[-1][0]))
    return ParsedAnswer("[" + ", ".join(plain_number(n) for n in inner) + "]", "last list", lists[-1].span())


def plain_number(text: str) -> str:
    """Digits, sign, point and exponent of a plain number, without separators."""
    bare = re.sub(rf"\{{,\}}|\\,|[,{SPACES}]", "", text)
    bare = "".join(c if c.isascii() else str(unicodedata.decimal(c, c)) for c in bare)  # digits of any script
    return bare.replace("−", "-").replace("–", "-").lstrip("+")


def _joined(text: str, one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether two numbers are parts of one expression."""
    between = text[one[1] : other[0]]
    if re.fullmatch(UNIT, between) and (not between or text[other[0]] in "-−–+"):
        return True  # 10-12, 10%-12%: what looks like the second one's sign
    if LABEL.fullmatch(between):
        return False
    if IN_DATE.fullmatch(between) and (between.strip(" ,") or _in_name_or_date(text, *one)):
        return DAY_OR_YEAR.match(text[slice(*one)]) is not None
    return BETWEEN.fullmatch(between) is not None


def _in_name_or_date(text: str, first: int, last: int) -> bool:
    """Whether a number belongs to a name or a date: ``COVID-19``, ``May 5``."""
    if re.search(r"[A-Za-z][-−–]$", text[max(0, first - 3) : first]):
        return True
    return bool(MONTH_BEFORE.search(text, max(0, first - 16), first) and DAY_OR_YEAR.match(text[first:last]))


def _is_denied(text: str, span: tuple[int, int]) -> bool:
    """Whether a number is only named to be denied: ``not 3``, ``3이 아니라``."""
    before = DENIED_BEFORE.search(text, max(0, span[0] - 40), span[0])
    return before is not None or DENIED_BEHIND.match(text, span[1]) is not None


def _of_box(text: str, box: Boxed) -> ParsedAnswer | None:
    r"""The number that a ``\boxed{}`` holds; unparsed where it holds one only in part, None where it holds none."""
    held = quantities(text, *box.span)
    if len(held) == 1 and not re.search(r"√|\\sqrt|\\pi|π|\\[dtc]?frac", box.text):
        return _read(held[0], "boxed")
    if held or re.search(r"\d|\\[dtc]?frac|\\sqrt|\\pi|π", box.text):
        return UNPARSED
    word = WORD.fullmatch(text, *box.span)
    return _read(_of_word(word), "boxed") if word else None


def _stated(text: str, found: list[Quantity]) -> Quantity | None:
    """The quantity right behind the last "answer is" that has one."""
    starts = {q.span[0]: q for q in found}
    stated = None
    for frame in FRAME.finditer(text):
        stated = starts.get(frame.end(), stated)
    return stated


def _of_word(m: re.Match[str]) -> Quantity:
    if m["more"]:
        return Quantity(None, m.span())
    value = ONES.index(m["one"].lower()) if m["one"] else 10 * (2 + TENS.index(m["tens"].lower()))
    return Quantity(str(value + (ONES.index(m["unit"].lower()) if m["unit"] else 0)), m.span())


def _read(quantity: Quantity, rule: str) -> ParsedAnswer:
    return UNPARSED if quantity.value is None else ParsedAnswer(quantity.value, rule, quantity.span)
