"""Many runs at once: targets x benchmarks x protocols x prompt strategies, in one folder, with one table and one page.

Each cell is a run in a folder of its own (see `runner`), so a killed grid resumes where it stopped; a finished cell
is only scored again. A cell that fails does not stop the others; the grid then ends with an error that names it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from nunbit.errors import UserError
from nunbit.evaluation.benchmarks import BENCHMARKS
from nunbit.evaluation.compare import EvalRun, load
from nunbit.evaluation.items import Item
from nunbit.evaluation.old_names import with_current_keys
from nunbit.evaluation.prompt_strategies import PromptStrategy, StrategyResources, with_strategy
from nunbit.evaluation.runner import limited, run
from nunbit.evaluation.target import Target
from nunbit.files import write_text
from nunbit.system_errors import safe_name

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Column:
    """A benchmark under one protocol, with its data."""

    benchmark: str
    protocol: str
    data: Path

    @property
    def name(self) -> str:
        """``BENCHMARK@PROTOCOL``."""
        return f"{self.benchmark}@{self.protocol}"


@dataclass(frozen=True, slots=True)
class Grid:
    """What is run: every column for every target with every strategy.

    Attributes:
        targets: label (also the name of a folder) -> opens the target. It is opened for its first cell and released
            after its last.
        resources: examples and perception for the strategies.
        limit: the first so many items of each benchmark, groups whole.
        tries: how often a failing request is made.
    """

    targets: Mapping[str, Callable[[], Target]]
    columns: Sequence[Column]
    strategies: Sequence[PromptStrategy] = (PromptStrategy(),)
    resources: StrategyResources = StrategyResources()
    limit: int | None = None
    tries: int = 3


def columns_of(texts: Sequence[str]) -> list[Column]:
    """``mmbench@official,lmms=DATA`` -> a column for each protocol; without ``@`` the official one.

    Raises:
        UserError: no data, or an unknown benchmark or protocol.
    """
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
    """Run every cell that is not done. Returns one row a cell; the rows are written as ``grid.json`` after each.

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
        for strategy, column in product(grid.strategies, grid.columns):
            say(f"\n{label}, {strategy.name}, {column.name}\n")
            place = _cell_folder(folder / column.name / _folder(label), strategy)
            try:
                asked = with_strategy(strategy, target, grid.resources)
                result = _run_cell(grid, column, items[column.name], asked, place, say)
            except UserError as e:
                failed.append(f"{label}, {strategy.name}, {column.name}: {e.given}")
            else:
                rows.append({"target": label, "model": asked.name, "strategy": strategy.name, **result})
            table = json.dumps({"cells": rows, "failed": failed}, ensure_ascii=False, indent=1)
            write_text(folder / "grid.json", table)
    if failed:
        count = len(grid.targets) * len(grid.strategies) * len(grid.columns)
        raise UserError(
            f"{len(failed)} of {count} cells failed: {'; '.join(failed[:5])}",
            allowed=f"the others are in '{folder}'",
            todo="repair what failed and give the same command again: it resumes from there",
        )
    return rows


def _run_cell(
    grid: Grid, column: Column, items: Sequence[Item], target: Target, place: Path, say: Say
) -> dict[str, Any]:
    benchmark = BENCHMARKS[column.benchmark]
    protocol, data = benchmark.protocol(column.protocol), str(column.data.resolve())
    result = run(benchmark, protocol, items, target, place, data=data, tries=grid.tries, say=say)
    return {
        "column": column.name,
        "figure": result.headline,
        "value": result.value,
        "interval": result.interval,
        "items": result.items,
        "unparsed": result.unparsed,
        "folder": str(place),
    }


def _cell_folder(parent: Path, strategy: PromptStrategy) -> Path:
    """The folder of a cell; one that an earlier version made under the strategy's old name is used further."""
    new, old = (parent / _folder(n) for n in (strategy.name, strategy.old_name))
    return old if old.exists() and not new.exists() else new


def as_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """A table for a terminal: a line for each target and strategy, a column for each benchmark and protocol."""
    rows = with_current_keys([*rows])
    columns = [*dict.fromkeys(r["column"] for r in rows)]
    cells = {(r["target"], r["strategy"], r["column"]): r for r in rows}
    lines = [*dict.fromkeys((r["target"], r["strategy"]) for r in rows)]
    titles = [f"{t}, {s}" if len({x for _, x in lines}) > 1 else t for t, s in lines]
    wide = max([len(t) for t in titles], default=0) + 2
    spans = [max(len(c), 22) + 2 for c in columns]
    out = [" " * wide + "".join(f"{c:>{s}}" for c, s in zip(columns, spans, strict=True))]
    for title, (target, strategy) in zip(titles, lines, strict=True):
        shown = [_shown(cells.get((target, strategy, c))) for c in columns]
        out.append(f"{title:{wide}}" + "".join(f"{v:>{s}}" for v, s in zip(shown, spans, strict=True)))
    return "\n".join(out)


def runs_of(rows: Sequence[Mapping[str, Any]]) -> list[EvalRun]:
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
    return safe_name(name)
