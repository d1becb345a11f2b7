"""``key=value`` for frozen dataclasses: which keys there are (dotted for inner ones), and a copy with some of them
changed."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from fnmatch import fnmatchcase
from typing import Any, ClassVar, TypeVar

from nunbit.errors import UserError
from nunbit.training.aliases import setting_name

C = TypeVar("C")
NEGATIVE = ("model.layer",)
"""Keys whose number may be below 0."""


def parse(changes: Sequence[str]) -> dict[str, str]:
    """``key=value`` texts as a mapping; keys that earlier versions used have their present name. The last of equal keys
    counts.

    Raises:
        UserError: a text without ``=``.
    """
    out: dict[str, str] = {}
    for change in changes:
        key, mark, value = change.partition("=")
        if not mark:
            raise UserError(f"'{change}'", allowed="key=value", todo="write for example: tune.batch=64")
        out[setting_name(key)] = value
    return out


def override(config: C, changes: Mapping[str, str], unused: Callable[[str], bool] = lambda key: False) -> C:
    """A copy of a config with values applied by key; keys of inner dataclasses are dotted.

    Args:
        unused: whether this config has a key that does nothing: it is refused like an unknown one.

    Raises:
        UserError: an unknown or unused key (the nearest is named), or a value of the wrong type.
    """
    for key, value in changes.items():
        every = settings(config)
        known = {k: v for k, v in every.items() if not unused(k)}
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
            todo = f"did you mean '{near[0]}'?" if near else "name one of these"
            what = f"the setting '{key}' does nothing in this recipe" if key in every else f"unknown setting '{key}'"
            raise UserError(what, allowed=", ".join(known), todo=todo)
        config = _set(config, key.split("."), _read(key, value, known[key]))
    return config


def settings(config: Any, before: str = "") -> dict[str, Any]:
    """Every key of a config with its value, keys of inner dataclasses dotted."""
    out: dict[str, Any] = {}
    for f in fields(config):
        value = getattr(config, f.name)
        out |= settings(value, f"{before}{f.name}.") if is_dataclass(value) else {before + f.name: value}
    return out


def changed_settings(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What differs between the settings of a run that was begun and those of now, as ``key: old -> new``; old keys are
    translated."""
    old = {setting_name(key): value for key, value in then.items()}
    return [f"{key}: {old[key]} -> {value}" for key, value in now.items() if key in old and old[key] != value]


class Settings:
    """A config some of whose keys do nothing: these are neither shown nor accepted. The base of recipes' configs."""

    unused: ClassVar[tuple[str, ...]] = ()
    """Patterns of dotted keys that the recipe does not read."""

    @classmethod
    def is_unused(cls, key: str) -> bool:
        """Whether a key does nothing in this recipe."""
        return any(fnmatchcase(key, pattern) for pattern in cls.unused)

    def keys(self) -> dict[str, Any]:
        """Every key that may be changed, with its value."""
        return {key: value for key, value in settings(self).items() if not self.is_unused(key)}


def _set(config: Any, path: Sequence[str], value: Any) -> Any:
    head, *rest = path
    return replace(config, **{head: _set(getattr(config, head), rest, value) if rest else value})


def _read(key: str, value: str, now: Any) -> Any:
    if isinstance(now, bool):
        if value.lower() not in ("true", "false"):
            raise UserError(f"{key}={value}", allowed="true, false")
        return value.lower() == "true"
    try:
        found = type(now)(value)
    except ValueError:
        raise UserError(f"{key}={value}", allowed=f"a number ({type(now).__name__})") from None
    if isinstance(found, (int, float)) and (not math.isfinite(found) or (found < 0 and key not in NEGATIVE)):
        raise UserError(f"{key}={value}", allowed="0 or more")
    return found
