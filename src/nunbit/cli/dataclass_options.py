"""Commands whose arguments and options are the fields of one frozen dataclass, so that nothing passes on 20
parameters."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, TypeVar, get_type_hints

import typer

T = TypeVar("T")


def command(
    app: typer.Typer, options: type[T], name: str | None = None
) -> Callable[[Callable[[T], None]], Callable[[T], None]]:
    """Register a function of one dataclass as a command.

    Args:
        app: the group that gets the command.
        options: a dataclass. A field is annotated as a Typer parameter is; a field whose type is a dataclass
            contributes the fields of that dataclass.
        name: the command's name; the function's if None.

    Returns:
        A decorator that leaves the function as it is.
    """

    def register(function: Callable[[T], None]) -> Callable[[T], None]:
        parameters = _parameters(options)

        def call(**values: Any) -> None:
            function(_build(options, values))

        setattr(call, "__signature__", inspect.Signature(parameters))  # noqa: B010 (mypy refuses the plain assignment)
        call.__annotations__ = {p.name: p.annotation for p in parameters}
        call.__doc__ = (function.__doc__ or "").split("\n\n    Raises:")[0].split("\n\n    Args:")[0]
        app.command(name or function.__name__.replace("_", "-"))(call)
        return function

    return register


def _parameters(options: type[Any]) -> list[inspect.Parameter]:
    hints = get_type_hints(options, include_extras=True)
    out: list[inspect.Parameter] = []
    for field in fields(options):
        hint = hints[field.name]
        if is_dataclass(hint) and isinstance(hint, type):
            out += _parameters(hint)
            continue
        default = inspect.Parameter.empty if field.default is MISSING else field.default
        out.append(inspect.Parameter(field.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=hint))
    return out


def _build(options: type[T], values: dict[str, Any]) -> T:
    hints = get_type_hints(options)
    nested = {n: _build(h, values) for n, h in hints.items() if is_dataclass(h) and isinstance(h, type)}
    given = {f.name: nested.get(f.name, values.get(f.name)) for f in fields(options)}  # type: ignore[arg-type]
    return options(**given)
