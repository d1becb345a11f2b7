"""Small words: Korean particles, lists, yes and no."""

from __future__ import annotations

from collections.abc import Sequence

from nunbit.world.base import COLOURS, Language


def josa(word: str, pair: str) -> str:
    """``word`` with the right particle of a pair: ``josa("개", "이/가")`` is 개가. A final ㄹ takes 로, not 으로."""
    with_final, without = pair.split("/")
    last = word[-1]
    final = (ord(last) - 0xAC00) % 28 if "가" <= last <= "힣" else 0
    if with_final == "으로" and final == 8:
        final = 0
    return word + (with_final if final else without)


def yes_no(truth: bool, language: Language) -> str:
    """Yes or no in a language."""
    return {("en", True): "yes", ("en", False): "no", ("ko", True): "네", ("ko", False): "아니요"}[language, truth]


def listing(words: Sequence[str], language: Language) -> str:
    """``a, b and c`` / ``a, b, c``."""
    if language == "ko" or len(words) < 2:
        return ", ".join(words)
    return ", ".join(words[:-1]) + " and " + words[-1]


def colour_word(colour: str, language: Language) -> str:
    """A colour of `COLOURS` in a language."""
    return colour if language == "en" else COLOURS[colour][0]


def article(noun: str) -> str:
    """An English noun with "a" or "an" before it."""
    return ("an " if noun[0] in "aeiou" and not noun.startswith("uni") else "a ") + noun
