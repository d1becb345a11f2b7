"""What a run makes before it trains: kept, resumed, and never mixed with what other makers drew."""

import json

import pytest

from nunbit.errors import UserError
from nunbit.recipes.small import pool, pool_filling
from nunbit.recipes.small.pool import PagePool, page_paper
from nunbit.scene import Scene


@pytest.fixture
def quick(monkeypatch):
    """Two pictures a file, seen by nothing."""
    import numpy as np

    for module in (pool, pool_filling):
        monkeypatch.setattr(module, "PER_FILE", 2)
    monkeypatch.setattr(pool_filling, "perception", lambda: lambda image: Scene(*image.size))
    monkeypatch.setattr(pool_filling, "features", lambda: lambda image: (np.zeros((4, 3), np.float16), (2, 2)))


def test_pages_are_kept_and_a_killed_run_resumes(quick, tmp_path):
    said = []
    pool_filling.fill(tmp_path, "page", 3, said.append)
    assert said == ["2/3 pictures of 'page'", "4/3 pictures of 'page'"]
    first = (tmp_path / "page-00000.jsonl").read_text(encoding="utf-8")
    (tmp_path / "page-00001.jsonl").unlink()
    pool_filling.fill(tmp_path, "page", 4, said.append)
    assert said[2:] == ["4/4 pictures of 'page'"]
    assert (tmp_path / "page-00000.jsonl").read_text(encoding="utf-8") == first
    pages = PagePool(tmp_path)
    assert len(pages) == 4
    paper, _, kept = pages[3]
    assert paper.rows == page_paper(3)[0].rows and kept.features.shape == (4, 3)


@pytest.mark.parametrize("broken", ["page-00000.jsonl", "page-00000.npz"])
@pytest.mark.parametrize("content", [b"", b"{", b"[1]\n[2]\n", "half"])
def test_a_damaged_file_is_named(quick, tmp_path, broken, content):
    pool_filling.fill(tmp_path, "page", 2)
    file = tmp_path / broken
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2] if content == "half" else content)
    with pytest.raises(UserError, match="damaged"):
        PagePool(tmp_path)[0]


def test_damaged_scenes_of_world_pictures_are_named(tmp_path):
    (tmp_path / "world-00000.jsonl").write_text('{"width"', encoding="utf-8")
    with pytest.raises(UserError, match="damaged"):
        pool.WorldPool(tmp_path)


def test_pages_of_other_makers_are_refused(quick, tmp_path):
    pool_filling.fill(tmp_path, "page", 2)
    file = tmp_path / "page-00000.jsonl"
    lines = [json.loads(x) for x in file.read_text(encoding="utf-8").splitlines()]
    lines[1]["rows"] = [["another paper"]]
    file.write_text("\n".join(json.dumps(x) for x in lines), encoding="utf-8")
    pages = PagePool(tmp_path)
    pages[0]
    with pytest.raises(UserError, match="pages that other makers drew"):
        pages[1]
