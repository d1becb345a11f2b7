"""Structure of what was read: rows, columns, tables and pairs of a name and a value, from the places of the lines
alone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from nunbit.scene import Box, Scene, TextLine

LEVEL = 0.5
"""Lines whose heights overlap this much stand in one row."""
MIN_COLUMNS, MIN_ROWS = 3, 3
SAME_COLUMN = 0.5
_VALUE = re.compile(r"^[^\w]*[\d][\d.,:/%\-+ ]*\s*\S{0,4}$")


def structure(scene: Scene) -> None:
    """Sort ``scene.text_lines`` into reading order and put what they form into ``scene.meta``, in place.

    ``meta["rows"]``: positions in ``text_lines``, row by row. ``meta["tables"]``: a list of tables, each a list of
    rows of cells
    ``{"text", "box"}`` (an empty cell has text ``""`` and no box). ``meta["pairs"]``: ``[name, value]`` of rows with
    two cells.
    """
    rows = rows_of(scene.text_lines)
    scene.text_lines[:] = [line for row in rows for line in row]
    if not rows:
        return
    counted = iter(range(len(scene.text_lines)))
    scene.meta["rows"] = [[next(counted) for _ in row] for row in rows]
    tables, used = tables_of(rows)
    if tables:
        scene.meta["tables"] = tables
    pairs = [
        [row[0].text, row[1].text] for i, row in enumerate(rows) if i not in used and len(row) == 2 and _is_pair(row)
    ]
    if pairs:
        scene.meta["pairs"] = pairs


def rows_of(lines: Sequence[TextLine]) -> list[list[TextLine]]:
    """Lines beside each other as rows from top to bottom, each from left to right."""
    rows: list[list[TextLine]] = []
    for line in sorted(lines, key=lambda t: (t.box[1] + t.box[3]) / 2):
        if rows and _level(rows[-1], line):
            rows[-1].append(line)
        else:
            rows.append([line])
    return [sorted(row, key=lambda t: t.box[0]) for row in rows]


def _level(row: Sequence[TextLine], line: TextLine) -> bool:
    top, bottom = min(t.box[1] for t in row), max(t.box[3] for t in row)
    shared = min(bottom, line.box[3]) - max(top, line.box[1])
    beside = all(
        min(t.box[2], line.box[2]) - max(t.box[0], line.box[0]) <= 0.3 * (line.box[2] - line.box[0]) for t in row
    )
    return beside and shared >= LEVEL * min(bottom - top, line.box[3] - line.box[1])


def tables_of(rows: Sequence[Sequence[TextLine]]) -> tuple[list[list[list[dict[str, Any]]]], set[int]]:
    """Runs of rows with three columns or more, as tables; and which rows they took."""
    tables, used, start = [], set[int](), 0
    while start < len(rows):
        end = start
        while end < len(rows) and len(rows[end]) >= MIN_COLUMNS:
            end += 1
        if end - start >= MIN_ROWS:
            columns = _columns([line.box for row in rows[start:end] for line in row])
            if len(columns) >= MIN_COLUMNS:
                tables.append([_cells(row, columns) for row in rows[start:end]])
                used |= set(range(start, end))
        start = max(end, start + 1)
    return tables, used


def _columns(boxes: Sequence[Box]) -> list[tuple[float, float]]:
    """Spans of x that boxes share, from left to right."""
    spans: list[list[float]] = []
    for left, right in sorted((b[0], b[2]) for b in boxes):
        if spans and min(right, spans[-1][1]) - left > 0:
            spans[-1][1] = max(spans[-1][1], right)
        else:
            spans.append([left, right])
    return [(a, b) for a, b in spans]


def _cells(row: Sequence[TextLine], columns: Sequence[tuple[float, float]]) -> list[dict[str, Any]]:
    """The cells of a row, one a column."""
    out = []
    for left, right in columns:
        here = [t for t in row if left <= (t.box[0] + t.box[2]) / 2 <= right]
        cell: dict[str, Any] = {"text": " ".join(t.text for t in here)}
        if here:
            xs, ys = [v for t in here for v in t.box[::2]], [v for t in here for v in t.box[1::2]]
            cell["box"] = [min(xs), min(ys), max(xs), max(ys)]
        out.append(cell)
    return out


def _is_pair(row: Sequence[TextLine]) -> bool:
    """A name on the left; on the right a value, or something set far apart from it."""
    left, right = row
    gap = right.box[0] - left.box[2]
    return not _VALUE.match(left.text) and (bool(_VALUE.match(right.text)) or gap > 2 * (left.box[3] - left.box[1]))
