"""``key=value`` for frozen dataclasses: which keys there are (dotted for inner ones), and a copy with some of them changed."""

from __future__ import annotations

import difflib
import math
from collections.abc import Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

from nunbit.errors import UserError

R = TypeVar("R")


def override(recipe: R, changes: Sequence[str]) -> R:
    """A copy with ``key=value`` applied; keys of inner dataclasses are dotted.

    Raises:
        UserError: not key=value, an unknown key (the nearest is named), or a value of the wrong type.
    """
    for change in changes:
        key, mark, value = change.partition("=")
        if not mark:
            raise UserError(f"'{change}'", allowed="key=value", todo="write for example: tune.batch=64")
        known = settings(recipe)
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
            raise UserError(f"unknown setting '{key}'", allowed=", ".join(known), todo=f"did you mean '{near[0]}'?" if near else "name one of these")  # fmt: skip
        recipe = _set(recipe, key.split("."), _read(key, value, known[key]))
    return recipe


def settings(recipe: Any, before: str = "") -> dict[str, Any]:
    """Every key that may be overridden, with its value."""
    out: dict[str, Any] = {}
    for f in fields(recipe):
        value = getattr(recipe, f.name)
        out |= settings(value, f"{before}{f.name}.") if is_dataclass(value) else {before + f.name: value}
    return out


def _set(recipe: Any, path: Sequence[str], value: Any) -> Any:
    head, *rest = path
    return replace(recipe, **{head: _set(getattr(recipe, head), rest, value) if rest else value})


def _read(key: str, value: str, now: Any) -> Any:
    if isinstance(now, bool):
        if value.lower() not in ("true", "false"):
            raise UserError(f"{key}={value}", allowed="true, false")
        return value.lower() == "true"
    try:
        found = type(now)(value)
    except ValueError:
        raise UserError(f"{key}={value}", allowed=f"a number ({type(now).__name__})") from None
    if isinstance(found, (int, float)) and (not math.isfinite(found) or (found < 0 and key != "model.layer")):
        raise UserError(f"{key}={value}", allowed="0 or more")
    return found
