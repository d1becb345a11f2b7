"""Reads the tables of words that lie beside the makers: one line an entry, columns by name."""

from __future__ import annotations

import csv
from pathlib import Path


def rows(name: str) -> list[dict[str, str]]:
    """The rows of ``name.tsv``, by column; quotes are letters like others."""
    with (Path(__file__).parent / f"{name}.tsv").open(encoding="utf-8", newline="") as f:
        return list(csv.DictReader(f, delimiter="\t", quoting=csv.QUOTE_NONE))
