"""Patterns of personal data and of keys in texts: mail addresses, phone numbers, cards, resident numbers, keys of APIs.

A pattern finds what looks like it. Check digits are counted where there are some, so that other long numbers are not
taken for cards.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

CHARS_MAX = 200_000
"""Characters of a text that are looked at."""


@dataclass(frozen=True, slots=True)
class Personal:
    """Something personal: which kind, and its words with most letters hidden."""

    kind: str
    hidden: str


def _card(text: str) -> bool:
    """Luhn's check."""
    digits = [int(c) for c in text if c.isdigit()]
    if not 13 <= len(digits) <= 19 or len(set(digits)) == 1:
        return False
    doubled = [d if i % 2 == 0 else (2 * d if d < 5 else 2 * d - 9) for i, d in enumerate(reversed(digits))]
    return sum(doubled) % 10 == 0


def _resident(text: str) -> bool:
    """A Korean resident number begins with a day that exists; newer ones have no check digit."""
    digits = [int(c) for c in text if c.isdigit()]
    month, day = 10 * digits[2] + digits[3], 10 * digits[4] + digits[5]
    return 1 <= month <= 12 and 1 <= day <= 31 and 1 <= digits[6] <= 8


def _address(text: str) -> bool:
    return all(int(p) < 256 for p in text.split(".")) and not text.startswith(("0.", "127."))


def _any(text: str) -> bool:
    return True


_DIGIT = r"(?<![\w.,-])"
_PATTERNS: tuple[tuple[str, re.Pattern[str], Callable[[str], bool]], ...] = (
    ("mail address", re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{2,63}){1,4}"), _any),
    ("resident number", re.compile(rf"{_DIGIT}\d{{6}}-[1-8]\d{{6}}(?!\d)"), _resident),
    ("card number", re.compile(rf"{_DIGIT}\d(?:[ -]?\d){{12,18}}(?![\d-])"), _card),
    (
        "phone number",
        re.compile(
            rf"{_DIGIT}(?:\+\d{{1,3}}[ .-]?)?(?:\(\d{{2,4}}\)[ ]?|0\d{{1,3}}[ .-])\d{{3,4}}[ .-]\d{{3,4}}(?![\d-])"
            r"|(?<!\w)\+\d{1,3}(?:[ .-]?\d{2,4}){3,4}(?![\d-])"
        ),
        _any,
    ),
    ("network address", re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w.])"), _address),
    (
        "key of an API",
        re.compile(
            r"(?<!\w)(?:sk-[\w-]{20,}|AKIA[A-Z0-9]{16}|gh[pousr]_\w{36,}|hf_\w{30,}|xox[abp]-[\w-]{20,}"
            r"|AIza[\w-]{35})(?!\w)|-----BEGIN [A-Z ]*PRIVATE KEY-----"
        ),
        _any,
    ),
)
KINDS = tuple(kind for kind, _, _ in _PATTERNS)


def personal_data(text: str) -> Iterator[Personal]:
    """What looks personal in a text, in the order of its kinds; nothing is found twice."""
    text, taken = text[:CHARS_MAX], set[tuple[int, int]]()
    for kind, pattern, holds in _PATTERNS:
        for m in pattern.finditer(text):
            if holds(m[0]) and not any(a < m.end() and m.start() < b for a, b in taken):
                taken.add(m.span())
                yield Personal(kind, hidden(m[0]))


def hidden(words: str) -> str:
    """The words with all letters and digits hidden but the first two."""
    return words[:2] + re.sub(r"\w", "*", words[2:])
