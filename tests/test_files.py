"""What is written is there whole or not at all."""

import pytest
from safetensors import SafetensorError

from nunbit.files import whole, write_text


def test_a_file_is_whole_or_as_it_was(tmp_path):
    path = tmp_path / "kept.json"
    with whole(path) as beside:
        beside.write_text("first")
        assert not path.exists()
    assert path.read_text() == "first"
    with pytest.raises(ZeroDivisionError), whole(path) as beside:
        beside.write_text("half")
        raise ZeroDivisionError
    assert path.read_text() == "first" and [p.name for p in tmp_path.iterdir()] == ["kept.json"]


def test_two_who_write_at_once_do_not_meet(tmp_path):
    path = tmp_path / "kept.json"
    with whole(path) as mine, whole(path) as theirs:
        mine.write_text("mine")
        theirs.write_text("theirs, longer")
    assert path.read_text() == "mine" and [p.name for p in tmp_path.iterdir()] == ["kept.json"]
    write_text(path, "눈빛")
    assert path.read_bytes().decode() == "눈빛"


def test_a_full_disk_is_one_kind_of_error_whoever_writes(tmp_path):
    with pytest.raises(OSError, match=r"x\.safetensors"), whole(tmp_path / "x.safetensors"):
        raise SafetensorError("No space left on device")
    assert not list(tmp_path.iterdir())
