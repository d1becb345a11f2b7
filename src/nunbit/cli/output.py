"""What commands print: the result on stdout, as text or JSON, and progress on stderr."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from nunbit.translation import translated, user_language


def show(result: Any, as_text: Callable[[Any], str], as_json: bool) -> None:
    """Print a result on stdout."""
    print(json.dumps(result, indent=1, ensure_ascii=False) if as_json else as_text(result))


def say(line: str) -> None:
    """Print a line on stderr, in the user's language."""
    print(translated(line, user_language()), file=sys.stderr, flush=True)


def print_notices(notices: Iterable[str], said: set[str]) -> None:
    """Print what the reader of an answer should know on stderr, each sentence once.

    Args:
        said: the sentences that were printed; new ones are added.
    """
    for notice in notices:
        if notice not in said:
            said.add(notice)
            say(f"note: {notice}")


def progress(text: str) -> None:
    """Print a line on stderr that the next one overwrites."""
    print(f"\r{text}", end="", file=sys.stderr, flush=True)


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """Show what is waited for on stderr, with the seconds, as long as the block runs; nothing where nobody looks.

    Args:
        what: such as ``loading nunbit-small``.
    """
    if not sys.stderr.isatty():
        yield
        return
    done, began, what = threading.Event(), time.monotonic(), translated(what, user_language())

    def show_seconds() -> None:
        while True:
            progress(f"{what} ... {time.monotonic() - began:.0f} s")
            if done.wait(1.0):
                return

    thread = threading.Thread(target=show_seconds, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        print("\r\033[K", end="", file=sys.stderr, flush=True)
