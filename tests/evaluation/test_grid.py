"""A grid runs every cell once, resumes after a failure, and ends in one table."""

import json
from pathlib import Path

import pytest
from tests.evaluation.choice_layouts import mmbench
from tests.evaluation.layouts import own
from tests.evaluation.stubs import stub

from nunbit.errors import UserError
from nunbit.evaluation.benchmarks import BENCHMARKS
from nunbit.evaluation.grid import Grid, as_text, columns_of, run_grid, runs_of
from nunbit.evaluation.report import page
from nunbit.evaluation.target import Failure


def plan(tmp_path, targets, **more):
    data = mmbench(tmp_path)
    lines = own(tmp_path / "own")
    return Grid(targets, columns_of([f"mmbench@official,lmms={data}", f"jsonl={lines}"]), tries=1, **more)


def test_every_cell_is_asked_once_and_the_table_has_them_all(tmp_path):
    asked = []
    targets = {"one": lambda: stub("A", "one", asked), "two": lambda: stub("B", "two", asked)}
    rows = run_grid(plan(tmp_path, targets), tmp_path / "out")
    assert len(rows) == 6 and {r["column"] for r in rows} == {"mmbench@official", "mmbench@lmms", "jsonl@official"}
    before = len(asked)
    again = run_grid(plan(tmp_path, targets), tmp_path / "out")
    assert len(asked) == before and [r["value"] for r in again] == [r["value"] for r in rows]
    text = as_text(rows)
    assert len(text.splitlines()) == 3 and "mmbench@lmms" in text.splitlines()[0]
    assert "Side by side" in page(runs_of(rows), samples=3)


def test_a_cell_that_fails_is_named_and_the_others_are_kept(tmp_path):
    targets = {"dead": lambda: stub(Failure("refused")), "alive": lambda: stub("A")}
    with pytest.raises(UserError, match=r"3 of 6 cells failed: dead, plain prompt, mmbench@official"):
        run_grid(plan(tmp_path, targets), tmp_path / "out")
    held = json.loads((tmp_path / "out" / "grid.json").read_text())
    assert len(held["cells"]) == 3 and len(held["failed"]) == 3
    assert "failed" in as_text([*held["cells"], held["cells"][0] | {"target": "dead"}])


def test_wrong_columns_are_refused(tmp_path):
    for text, says in (("mmbench", "names no data"), ("mmbench@oops=x", "oops"), ("mmbnch=x", "mmbench")):
        with pytest.raises(UserError, match=says):
            columns_of([text])


def test_benchmarks_are_known_to_the_grid():
    assert all(columns_of([f"{n}=x"])[0].protocol == "official" for n in BENCHMARKS)


def test_a_grid_of_an_earlier_version_is_resumed_in_its_folders(tmp_path):
    asked = []
    targets = {"one": lambda: stub("A", "one", asked)}
    rows = run_grid(plan(tmp_path, targets), tmp_path / "out")
    for row in rows:
        folder = Path(row["folder"])
        folder.rename(folder.with_name("as-it-is"))
    before = len(asked)
    again = run_grid(plan(tmp_path, targets), tmp_path / "out")
    assert len(asked) == before and all(r["folder"].endswith("as-it-is") for r in again)


def test_rows_of_an_earlier_version_are_shown():
    row = {"target": "one", "way": "as it is", "column": "mmbench@lmms", "value": 50.0, "interval": [40.0, 60.0]}
    assert "50.0 [40.0, 60.0]" in as_text([row])
