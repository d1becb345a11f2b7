"""What commands print: a result on stdout, in words or as JSON, and on stderr how far they are."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any


def show(result: Any, as_text: Callable[[Any], str], as_json: bool) -> None:
    print(json.dumps(result, indent=1, ensure_ascii=False) if as_json else as_text(result))


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def progress(text: str) -> None:
    """In the place of what was said before."""
    print(f"\r{text}", end="", file=sys.stderr, flush=True)
