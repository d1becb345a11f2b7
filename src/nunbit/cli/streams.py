"""The three streams of the command line as they may be: closed, in a small alphabet, a pipe whose reader has gone, on a
full disk."""

from __future__ import annotations

import codecs
import os
import sys

ESCAPED = "nunbit-escaped"
BROKEN_PIPE = 141
"""Exit code of a process that SIGPIPE ended, as other tools have it."""


def prepare() -> None:
    """Make all three streams usable: a closed one goes nowhere, and what an alphabet lacks is written ``\\uXXXX``, as
    JSON has it."""
    _open_closed()
    codecs.register_error(ESCAPED, _escaped)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=ESCAPED)


def _open_closed() -> None:
    """A file that is opened later must not get the number of a stream: what is printed would be written into it."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115  (as long as the process)


def _escaped(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    found = error.object[error.start : error.end]
    units = found.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i] << 8 | units[i + 1]:04x}" for i in range(0, len(units), 2)), error.end


def flush() -> None:
    """Write what is left of the output.

    Raises:
        OSError: it cannot be written; the rest is then given up, so that the interpreter does not try again.
    """
    try:
        sys.stdout.flush()
    except OSError as e:
        e.filename = e.filename or "stdout"
        give_up_output()
        raise


def give_up_output() -> None:
    """Let what is still to be written go nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
