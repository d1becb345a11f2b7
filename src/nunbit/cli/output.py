"""What commands print: the result on stdout, as text or JSON, and progress on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any


def show(result: Any, as_text: Callable[[Any], str], as_json: bool) -> None:
    """Print a result on stdout."""
    print(json.dumps(result, indent=1, ensure_ascii=False) if as_json else as_text(result))


def say(line: str) -> None:
    """Print a line on stderr."""
    print(line, file=sys.stderr, flush=True)


def progress(text: str) -> None:
    """Print a line on stderr that the next one overwrites."""
    print(f"\r{text}", end="", file=sys.stderr, flush=True)
