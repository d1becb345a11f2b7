"""Error sentences in the user's language: English, or Korean by the catalogue ``korean.tsv``.

The code writes English. A sentence in English is matched with the catalogue's templates when it is shown, so that no
code has to know of languages. A sentence that the catalogue does not have stays English.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Literal

from nunbit.errors import UserError, as_sentence

Language = Literal["en", "ko"]
CATALOGUE = Path(__file__).parent / "korean.tsv"
LONGEST = 2000
"""Longer texts are not matched: they hold what somebody else wrote."""


def user_language(environment: Mapping[str, str] | None = None) -> Language:
    """The language of the command line: that of ``LC_ALL``, ``LC_MESSAGES`` or ``LANG``, the first that is set."""
    found = os.environ if environment is None else environment
    name = next((found[n] for n in ("LC_ALL", "LC_MESSAGES", "LANG") if found.get(n)), "")
    return "ko" if name.lower().startswith("ko") else "en"


def accepted_language(header: str) -> Language:
    """The language that a request prefers, of those that there are. Source: RFC 9110, sec. 12.5.4."""
    best: tuple[float, Language] = (0.0, "en")
    for part in header[:500].split(","):
        name, _, weight = part.strip().partition(";")
        found = re.fullmatch(r"\s*q=([01](?:\.\d{0,3})?)\s*", weight) if weight else None
        quality = float(found[1]) if found else 0.0 if weight else 1.0
        language: Language | None = {"ko": "ko", "en": "en"}.get(name.strip().lower()[:2])  # type: ignore[assignment]
        if language and quality > best[0]:
            best = quality, language
    return best[1]


def message(error: UserError, language: Language) -> str:
    """The sentences of an error."""
    if language == "en":
        return str(error)
    parts = [as_sentence(korean(error.given.rstrip(".")))]
    if error.allowed:
        parts.append(as_sentence(f"허용: {korean(error.allowed.rstrip('.'))}"))
    if error.todo:
        parts.append(as_sentence(korean(error.todo.rstrip("."))))
    return " ".join(parts)


def translated(text: str, language: Language) -> str:
    """A sentence that the code wrote in English, in a language."""
    return text if language == "en" else korean(text)


def korean(text: str) -> str:
    """A sentence, or a part of one, in Korean; as it is where the catalogue does not have it."""
    return _korean(text, 3)


def _korean(text: str, depth: int) -> str:
    if depth == 0 or len(text) > LONGEST:
        return text
    plain = catalogue().get(_escaped(text))
    if plain is not None:
        return plain.format()
    for pattern, quoted, target in _patterns():
        if found := pattern.fullmatch(text):
            values = zip(found.groups(), quoted, strict=True)
            return target.format(*(value if own else _korean(value, depth - 1) for value, own in values))
    return text


@lru_cache(maxsize=1)
def catalogue() -> dict[str, str]:
    """Korean templates by the English ones."""
    lines = CATALOGUE.read_text(encoding="utf-8").split("\n")
    return dict(line.split("\t") for line in lines if line and not line.startswith("# "))


@lru_cache(maxsize=1)
def _patterns() -> list[tuple[re.Pattern[str], list[bool], str]]:
    """Templates with values in them as patterns, those with most words of their own first; which of the values stand in
    quotation marks, so that they are somebody's own words; and the Korean template."""
    out = []
    for english, target in catalogue().items():
        literal = [_unescaped(part) for part in re.split(r"(?<!\{)\{\}(?!\})", english)]
        if len(literal) > 1:
            pattern = re.compile("(.*?)".join(map(re.escape, literal)), re.DOTALL)
            out.append((-len("".join(literal)), pattern, [part.endswith("'") for part in literal[:-1]], target))
    return [row[1:] for row in sorted(out, key=lambda row: row[0])]


def _escaped(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


def _unescaped(text: str) -> str:
    return text.replace("{{", "{").replace("}}", "}")
