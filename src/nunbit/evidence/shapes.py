"""Whether a record that was read from JSON holds what its fields declare."""

from __future__ import annotations

import math
from dataclasses import fields
from functools import cache
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

T = TypeVar("T")


def as_declared(record: T) -> T:
    """A dataclass whose fields are texts, finite numbers, choices and tuples of them, as it is.

    Raises:
        ValueError: a field with a value of another type.
    """
    hints = _hints(type(record))  # type: ignore[arg-type]
    for field in fields(record):  # type: ignore[arg-type]
        value = getattr(record, field.name)
        if not _is(value, hints[field.name]):
            raise ValueError(f"{field.name}: {str(value)[:60]}")
    return record


@cache
def _hints(cls: type) -> dict[str, Any]:
    return get_type_hints(cls)


def _is(value: Any, hint: Any) -> bool:
    inner = get_args(hint)
    if get_origin(hint) is Literal:
        return isinstance(value, str) and value in inner
    if get_origin(hint) is tuple:
        if not isinstance(value, tuple):
            return False
        if inner[-1:] == (Ellipsis,):
            return all(_is(v, inner[0]) for v in value)
        return len(value) == len(inner) and all(map(_is, value, inner))
    if hint in (int, float):
        number = isinstance(value, int if hint is int else (int, float)) and not isinstance(value, bool)
        return number and abs(value) < 1e15 and math.isfinite(value)
    return isinstance(value, hint)
