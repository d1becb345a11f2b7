"""``nunbit.toml``: options of commands, for those that are typed every time.

    [serve]
    model = "runs/llava15/model"
    port = 9000

A section is a command (``[eval.run]`` for ``nunbit eval run``), a key one of its options. A flag wins over the
environment, that over the file, and the file over the default.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nunbit.errors import UserError, unknown_name

FILE, VARIABLE = "nunbit.toml", "NUNBIT_CONFIG"
ENVIRONMENT = "NUNBIT"
"""An option's variable: ``NUNBIT_SERVE_PORT`` is ``--port`` of ``nunbit serve``."""


def config_path() -> Path | None:
    """The file that ``$NUNBIT_CONFIG`` names, else ``nunbit.toml`` in the working folder; None where there is none.

    Raises:
        UserError: the named file does not exist.
    """
    if named := os.environ.get(VARIABLE):
        path = Path(named).expanduser()
        if not path.is_file():
            raise UserError(f"{VARIABLE}={named} is no file", allowed="a TOML file", todo=f"unset {VARIABLE}")
        return path
    return Path(FILE) if Path(FILE).is_file() else None


def default_map(path: Path, command: Any) -> dict[str, Any]:
    """What click takes as ``default_map``: the values of a file by command and parameter.

    Args:
        command: the click command of ``nunbit``.

    Raises:
        UserError: a file that is no TOML, an unknown section or key, or a value that an option cannot have.
    """
    import tomllib

    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as e:
        raise UserError(f"'{path}' cannot be read ({e})", allowed="TOML: [command] and option = value") from None
    return _section(data, command, "", path)


def _section(data: Mapping[str, Any], command: Any, name: str, path: Path) -> dict[str, Any]:
    commands = getattr(command, "commands", None)
    if commands is not None:
        out = {}
        for key, inner in data.items():
            if key not in commands:
                raise unknown_name(
                    f"section of {path}", f"{name} {key}".strip(), [f"{name} {c}".strip() for c in commands]
                )
            if not isinstance(inner, Mapping):
                raise UserError(f"{key} = {inner!r} in {path}", allowed=f"a section [{f'{name}.{key}'.strip('.')}]")
            out[key] = _section(inner, commands[key], f"{name}.{key}".strip("."), path)
        return out
    options = _options(command)
    values = {}
    for key, value in data.items():
        if key.replace("_", "-") not in options:
            raise unknown_name(f"option of [{name}] in {path}", key, options)
        values[options[key.replace("_", "-")].name] = _value(
            options[key.replace("_", "-")], key, value, f"[{name}] in {path}"
        )
    return values


def _options(command: Any) -> dict[str, Any]:
    """The options of a command by their long names without dashes."""
    options = [p for p in command.params if p.param_type_name == "option"]
    return {o.removeprefix("--"): p for p in options for o in p.opts if o.startswith("--") and o != "--help"}


def _value(option: Any, key: str, value: Any, place: str) -> Any:
    """A value as the option takes it."""
    if isinstance(value, list) != bool(option.multiple) or isinstance(value, Mapping):
        raise UserError(f"{key} = {value!r} of {place}", allowed="a list" if option.multiple else "one value")
    if bool(option.is_flag) != isinstance(value, bool):
        raise UserError(
            f"{key} = {value!r} of {place}", allowed="true or false" if option.is_flag else "a text or number"
        )
    if option.bare_type() == "str" and not isinstance(value, str):
        raise UserError(f"{key} = {value!r} of {place}", allowed=f'a text: {key} = "{value}"')
    return value
