"""Data files of every kind are read, nothing in them is executed, and no picture outside them is opened."""

import json
import zipfile

import pytest
from tests.evaluation.data_files import b64, picture, png, write_json

from nunbit.errors import UserError
from nunbit.evaluation.benchmarks import BENCHMARKS
from nunbit.evaluation.reading import Files, Pictures, listed, plain


def test_pictures_stay_inside_the_data(tmp_path):
    for name in ("/etc/passwd", "../secret.png", "a/../../b.png"):
        write_json(tmp_path / "q.jsonl", [{"image": name, "question": "?", "answer": "x"}], lines=True)
        with pytest.raises(UserError, match="below the folder"):
            BENCHMARKS["jsonl"].read(tmp_path / "q.jsonl")
    write_json(tmp_path / "q.jsonl", [{"image": "none.png", "question": "?", "answer": "x"}], lines=True)
    with pytest.raises(UserError, match="missing"):
        BENCHMARKS["jsonl"].read(tmp_path / "q.jsonl")


def test_nothing_in_a_cell_is_executed(tmp_path):
    assert listed("__import__('os').system('x')") == ["__import__('os').system('x')"]
    assert listed("[__import__('os')]") == ["[__import__('os')]"]
    assert (
        listed("['a', \"b's\"]") == ["a", "b's"]
        and listed('["a"]') == ["a"]
        and listed(None) == []
        and listed([1, 2.0]) == ["1", "2"]
    )
    assert plain(float("nan")) == "" and plain(3.0) == "3"


def test_every_form_of_a_picture(tmp_path):
    picture(tmp_path / "sub" / "a.png", 1)
    rows = [{"index": "1", "image": b64(5)}, {"index": "2", "image": "1"}]
    pictures = Pictures(Files(tmp_path), rows)
    forms = [
        png(1),
        {"bytes": png(1), "path": None},
        {"bytes": None, "path": "a.png"},
        "a.png",
        "sub/a.png",
        [b64(1)],
        f"['{b64(1)}']",
        b64(1),
    ]
    assert all([load() for load in pictures.of(f)] == [png(1)] for f in forms)
    assert (
        pictures.of("2")[0]() == png(5)
        and pictures.of(None) == ()
        and pictures.of("") == ()
        and pictures.of(float("nan")) == ()
    )
    with pytest.raises(UserError, match="not base64"):
        pictures.of("§" * 80)[0]()


def test_parquet_without_pyarrow_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow.parquet", None)
    (tmp_path / "test.parquet").write_bytes(b"PAR1")
    with pytest.raises(UserError, match="pip install pyarrow"):
        BENCHMARKS["ai2d-mask"].read(tmp_path)


@pytest.mark.parametrize(
    ("name", "content"), [("x.jsonl", b'{"question":' + b"[" * 200_000), ("x.parquet", b"PAR1 cut off")]
)
def test_torn_and_bottomless_data(name, content, tmp_path):
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match="cannot be read"):
        BENCHMARKS["jsonl"].read(tmp_path / name)


def test_json_lines_and_odd_zips(tmp_path):
    with zipfile.ZipFile(tmp_path / "q.zip", "w") as z:
        z.writestr("deep/q.jsonl", json.dumps({"question": "?", "answer": "x", "image": "p.png"}))
        z.writestr("deep/pics/p.png", png(3))
    (item,) = BENCHMARKS["jsonl"].read(tmp_path / "q.zip")
    assert item.pictures == (png(3),)
