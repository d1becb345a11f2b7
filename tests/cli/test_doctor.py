"""`nunbit doctor`: a layout that is not compared with the released checkpoint's tensors is an error, not a pass."""

import json
import math

import pytest

from nunbit.cli.doctor import as_text, examine
from nunbit.models.importers.layout import MODELS, shapes


def written(folder, change=lambda tensors: tensors):
    record = {}
    for name, (title, _) in MODELS.items():
        tensors = change({k: list(s) for k, s in shapes(name).items()})
        total = sum(math.prod(s) for s in tensors.values())
        record[title] = {"total_parameters": total, "tensors": [*tensors.items()]}
    (folder / "meta_counts.json").write_text(json.dumps(record))


@pytest.mark.parametrize("name", MODELS)
def test_a_layout_without_its_list_is_an_error(name, tmp_path, monkeypatch):
    monkeypatch.setenv("NUNBIT_GOLDEN", str(tmp_path))
    report = examine([name])
    assert report["ok"] is False and report["layouts"][name]["compared"] is False
    assert f"error: {name}: not compared" in as_text(report) and "NUNBIT_GOLDEN" in as_text(report)
    assert examine([])["errors"] == []


def test_a_layout_that_fits_is_no_error_and_one_that_differs_is(tmp_path, monkeypatch):
    monkeypatch.setenv("NUNBIT_GOLDEN", str(tmp_path))
    written(tmp_path)
    assert examine(["moai-7b", "collavo-7b"])["errors"] == []
    written(tmp_path, lambda tensors: tensors | {"strange.weight": [2, 2]})
    report = examine(["moai-7b"])
    assert report["ok"] is False and "names or shapes differ" in report["errors"][0]
