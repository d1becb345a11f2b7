"""The one exception meant for people. It says what was given, what is allowed, what to do.

An `assert` guards our own invariants; a `UserError` answers somebody else's input. This file imports nothing of nunbit.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable


class UserError(ValueError):
    """A sentence for the user: the command line prints it and exits with code 2, the server answers 400 with it.

    Args:
        given: what was given, e.g. ``"photo.txt is not an image"``.
        allowed: what is allowed, e.g. ``"PNG, JPEG, WebP, GIF and BMP files"``.
        todo: what to do now, e.g. ``"convert the file, or name another one"``.
    """

    def __init__(self, given: str, *, allowed: str = "", todo: str = "") -> None:
        given, allowed, todo = visible(given), visible(allowed), visible(todo)
        self.given, self.allowed, self.todo = given, allowed, todo
        parts = [as_sentence(given)]
        if allowed:
            parts.append(as_sentence("Allowed: " + allowed))
        if todo:
            parts.append(as_sentence(todo[0].upper() + todo[1:]))
        super().__init__(" ".join(parts))


_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def visible(text: str) -> str:
    """The text with its control characters written out: a name in a file of data must not move a terminal's cursor or
    turn a line round."""
    return _CONTROL.sub(lambda m: f"\\x{ord(m[0]):02x}", text)


def as_sentence(text: str) -> str:
    """The text with one mark at its end."""
    return text if text.endswith("?") else text.rstrip(".") + "."


class ContextLengthError(UserError):
    """More tokens than the model's context holds. The server answers with the code ``context_length_exceeded``."""


def unknown_name(kind: str, name: str, choices: Iterable[str]) -> UserError:
    """The error for a name that is not in a list: names every choice and the nearest one."""
    known = sorted(choices)
    near = difflib.get_close_matches(name, known, n=1)
    todo = f"did you mean '{near[0]}'?" if near else "name one of these"
    return UserError(f"unknown {kind} '{name}'", allowed=", ".join(known) or "none is registered", todo=todo)


def check_names(kind: str, names: Iterable[str], choices: Collection[str]) -> None:
    """Raise `unknown_name` for the first name that is not in the list."""
    for name in names:
        if name not in choices:
            raise unknown_name(kind, name, choices)
