"""The config of a connector: common fields, checked values, and a round trip through JSON."""

from __future__ import annotations

import difflib
import types
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from nunbit.errors import UserError


@dataclass(frozen=True)
class ConnectorConfig:
    """Fields common to all connectors; a connector's own config adds to them.

    Args:
        name: the registered name.
        vision_width: Dv, width of the encoder's features.
        text_width: Dt, width of the language model.
    """

    name: str
    vision_width: int
    text_width: int


C = TypeVar("C", bound=ConnectorConfig)


def make_config(config_class: type[C], name: str, values: Mapping[str, Any]) -> C:
    """A checked config. A list stands for a tuple, as JSON has no tuples.

    Raises:
        UserError: an unknown field (it names the nearest), a width that is missing, or a value of another type.
    """
    known = [f.name for f in fields(config_class) if f.name != "name"]
    for key in values:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            todo = f"did you mean '{near[0]}'?" if near else "name one of these"
            raise UserError(f"the connector '{name}' has no field '{key}'", allowed=", ".join(known), todo=todo)
    missing = [key for key in ("vision_width", "text_width") if key not in values]
    if missing:
        raise UserError(f"the connector '{name}' was given no {' and no '.join(missing)}", todo="give both widths")
    hints = get_type_hints(config_class)
    made = {key: _checked(name, key, value, hints[key]) for key, value in values.items()}
    for key in ("vision_width", "text_width"):
        if made[key] < 1:
            raise UserError(f"{key} = {made[key]} for the connector '{name}'", allowed="at least 1")
    return config_class(name=name, **made)


def config_to_dict(config: ConnectorConfig) -> dict[str, Any]:
    """All fields, ``name`` included, as JSON values: ``build(**config_to_dict(config))`` gives an equal config."""
    return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(config).items()}


def _checked(name: str, key: str, value: Any, hint: Any) -> Any:
    if get_origin(hint) is tuple and isinstance(value, (list, tuple)):
        value = tuple(value)
    if not _has_type(value, hint):
        shown = getattr(hint, "__name__", str(hint)) if get_origin(hint) is None else str(hint)
        raise UserError(f"{key} = {value!r} for the connector '{name}'", allowed=f"a value of type {shown}")
    return value


def _has_type(value: Any, hint: Any) -> bool:
    origin = get_origin(hint)
    if origin is tuple:
        return isinstance(value, tuple) and all(_has_type(v, get_args(hint)[0]) for v in value)
    if origin in (Union, types.UnionType):
        return any(_has_type(value, h) for h in get_args(hint))
    if hint in (int, float):  # a bool is an int to Python and a mistake here
        return isinstance(value, (int, hint)) and not isinstance(value, bool)
    return isinstance(value, hint)
