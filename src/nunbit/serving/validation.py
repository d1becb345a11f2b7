"""What the validation of a request's JSON found, in sentences: which field, what is allowed there."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from nunbit.translation import Language, translated

MAX_SENTENCES = 3
_UNION_BRANCH = re.compile(r"(str|int|float|bool|dict|list|model|function-|constrained-|nullable|[A-Z]\w+$)(\b|\[)")
"""Parts of a place that name a branch of a union: names of Python types, or of our classes."""
_KINDS = {
    "string": "a string",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "list": "a list",
    "dict": "an object",
    "model": "an object",
    "finite": "a finite number",
}


def is_json(content_type: str) -> bool:
    """Whether a Content-Type header names JSON."""
    kind = content_type.partition(";")[0].strip().lower()
    return kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))


def sentences(found: Sequence[Mapping[str, Any]], language: Language = "en") -> tuple[str, str | None]:
    """The first findings of a validation as sentences, and the first field that is at fault.

    Args:
        found: ``errors()`` of pydantic.
        language: of the sentences.
    """
    allowed: dict[str, list[str]] = {}
    for error in found:
        allowed.setdefault(_place(error["loc"][1:] if error["type"] != "json_invalid" else ()), []).append(
            _allowed(error)
        )
    out = []
    for place, forms in [*allowed.items()][:MAX_SENTENCES]:
        unique = [*dict.fromkeys(forms)]
        where = f"'{place}'" if place else "the body"
        if unique == ["missing"]:
            out.append(translated(f"{where} is missing", language) + ".")
        else:
            known = [translated(f, language) for f in unique if f != "missing"]
            forms_known = f"Allowed: {' or '.join(known)}" if language == "en" else f"허용: {', '.join(known)}"
            out.append(f"{translated(f'{where} is not valid', language)}. {forms_known}.")
    param = next((place for place in allowed if place), None)
    return " ".join(out) or translated("a request that cannot be read", language) + ".", param


def _place(parts: Sequence[Any]) -> str:
    kept = [str(p) for i, p in enumerate(parts) if isinstance(p, int) or not i or not _UNION_BRANCH.match(str(p))]
    return ".".join(kept)[:120]


def _allowed(error: Mapping[str, Any]) -> str:
    """What is allowed where an error was found."""
    kind, context = str(error["type"]), error.get("ctx") or {}
    if kind == "missing":
        return "missing"
    if kind == "json_invalid":
        return f"JSON ({str(context.get('error', 'it cannot be parsed'))[:80]})"
    if kind == "literal_error":
        return str(context.get("expected", ""))[:200]
    for name, words, key in (
        ("greater_than_equal", "at least", "ge"),
        ("less_than_equal", "at most", "le"),
        ("greater_than", "more than", "gt"),
        ("less_than", "less than", "lt"),
    ):
        if kind == name:
            return f"{words} {context.get(key)}"
    if kind.endswith("too_long"):
        return f"at most {context.get('max_length')} {'characters' if kind.startswith('string') else 'entries'}"
    if kind.endswith("too_short"):
        return f"at least {context.get('min_length')} {'characters' if kind.startswith('string') else 'entries'}"
    return next((words for start, words in _KINDS.items() if kind.startswith(start)), "another value")
