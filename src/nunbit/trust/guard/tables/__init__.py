"""Tables of the guard: words, stems and rules in tab-separated files, and the sentences that its classifier learns
from."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent


@cache
def guard_table(name: str) -> Sequence[tuple[str, ...]]:
    """The rows of a table without its heading."""
    lines = (FOLDER / name).read_text(encoding="utf-8").splitlines()[1:]
    return tuple(tuple(line.split("\t")) for line in lines if line)
