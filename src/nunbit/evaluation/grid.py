"""Many runs at once: targets x benchmarks x protocols x ways, one folder, one table, one page.

Each cell is a run in a folder of its own (see `runner`), so a killed grid goes on where it was and a cell that is done costs its marking only.
A cell that fails does not stop the others; the grid then ends with an error that names it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nunbit.errors import UserError
from nunbit.evaluation.benchmarks import BENCHMARKS
from nunbit.evaluation.compare import Run, load
from nunbit.evaluation.prompt_strategies import Helpers, PromptStrategy, asked_in
from nunbit.evaluation.runner import limited, run
from nunbit.evaluation.target import Target
from nunbit.files import write_text

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Column:
    """A benchmark under one protocol, with its data."""

    benchmark: str
    protocol: str
    data: Path

    @property
    def name(self) -> str:
        return f"{self.benchmark}@{self.protocol}"


@dataclass(frozen=True, slots=True)
class Grid:
    """What is asked: every column of every target in every way.

    Args:
        targets: name of a folder -> opens the target; opened when its first cell comes, and let go after its last.
        helpers: examples and eyes for the ways.
        limit: the first so many items of each benchmark, groups whole.
    """

    targets: Mapping[str, Callable[[], Target]]
    columns: Sequence[Column]
    ways: Sequence[PromptStrategy] = (PromptStrategy(),)
    helpers: Helpers = Helpers()
    limit: int | None = None
    tries: int = 3


def columns_of(texts: Sequence[str]) -> list[Column]:
    """``mmbench@official,lmms=DATA`` -> a column for each protocol; without ``@`` the official one."""
    out = []
    for text in texts:
        what, equals, data = text.partition("=")
        name, _, protocols = what.partition("@")
        if not equals or not data:
            raise UserError(f"'{text}' names no data", allowed="BENCHMARK=DATA or BENCHMARK@PROTOCOL,PROTOCOL=DATA")
        for protocol in protocols.split(",") if protocols else ["official"]:
            BENCHMARKS[name].protocol(protocol)
            out.append(Column(name, protocol, Path(data)))
    return out


def run_grid(grid: Grid, folder: Path, say: Say = lambda _: None) -> list[dict[str, Any]]:
    """Run every cell that is not done. Returns a row a cell; written as ``grid.json`` after each.

    Raises:
        UserError: after all cells, where some failed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    items = {c.name: limited(BENCHMARKS[c.benchmark].read(c.data), grid.limit) for c in grid.columns}
    rows: list[dict[str, Any]] = []
    failed: list[str] = []
    for label, make in grid.targets.items():
        try:
            target = make()
        except UserError as e:
            failed.append(f"{label}: {e.given}")
            continue
        for way in grid.ways:
            for column in grid.columns:
                place = folder / column.name / _folder(label) / _folder(way.name)
                say(f"\n{label}, {way.name}, {column.name}\n")
                try:
                    rows.append(_cell(grid, column, items[column.name], asked_in(way, target, grid.helpers), place, label, way, say))
                except UserError as e:
                    failed.append(f"{label}, {way.name}, {column.name}: {e.given}")
                write_text(folder / "grid.json", json.dumps({"cells": rows, "failed": failed}, ensure_ascii=False, indent=1))
    if failed:
        raise UserError(f"{len(failed)} of {len(grid.targets) * len(grid.ways) * len(grid.columns)} cells failed: {'; '.join(failed[:5])}",
                        allowed=f"the others are in '{folder}'", todo="mend what failed and give the same command again: it goes on from there")  # fmt: skip
    return rows


def _cell(grid: Grid, column: Column, items: Sequence[Any], target: Target, place: Path, label: str, way: PromptStrategy, say: Say) -> dict[str, Any]:
    benchmark = BENCHMARKS[column.benchmark]
    result = run(benchmark, benchmark.protocol(column.protocol), items, target, place, data=str(column.data.resolve()), tries=grid.tries, say=say)
    return {"target": label, "model": target.name, "way": way.name, "column": column.name, "figure": result.headline, "value": result.value,
            "interval": result.interval, "items": result.items, "unparsed": result.unparsed, "folder": str(place)}  # fmt: skip


def as_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """A line for each target and way, a column for each benchmark and protocol."""
    columns = [*dict.fromkeys(r["column"] for r in rows)]
    cells = {(r["target"], r["way"], r["column"]): r for r in rows}
    lines = [*dict.fromkeys((r["target"], r["way"]) for r in rows)]
    titles = [f"{t}, {w}" if len({x for _, x in lines}) > 1 else t for t, w in lines]
    wide = max([len(t) for t in titles], default=0) + 2
    spans = [max(len(c), 22) + 2 for c in columns]
    out = [" " * wide + "".join(f"{c:>{s}}" for c, s in zip(columns, spans, strict=True))]
    for title, (target, way) in zip(titles, lines, strict=True):
        shown = [_shown(cells.get((target, way, c))) for c in columns]
        out.append(f"{title:{wide}}" + "".join(f"{v:>{s}}" for v, s in zip(shown, spans, strict=True)))
    return "\n".join(out)


def runs_of(rows: Sequence[Mapping[str, Any]]) -> list[Run]:
    """The finished cells as runs, for the report."""
    return [load(r["folder"]) for r in rows]


def _shown(row: Mapping[str, Any] | None) -> str:
    if row is None:
        return "failed"
    if row["value"] is None:
        return "no gold"
    low, high = row["interval"]
    return f"{row['value']:.1f} [{low:.1f}, {high:.1f}]"


def _folder(name: str) -> str:
    return re.sub(r"[^\w.-]+", "-", name).strip("-.")[-80:] or "x"
