"""Platforms: what a system refuses is a sentence, names fit every system, data from Windows is read."""

import errno
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from nunbit.data.conversations import picture_path, read_conversations
from nunbit.errors import UserError
from nunbit.prompting.shots import load_shots
from nunbit.system_errors import RESERVED, SENTENCES, explained, named_below, safe_name
from nunbit.translation import message

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("number", sorted(SENTENCES))
def test_an_error_of_the_system_is_a_sentence_in_both_languages(number):
    error = explained(OSError(number, os.strerror(number), "runs/x"))
    assert isinstance(error, UserError) and os.strerror(number) not in str(error) and error.todo
    assert "runs/x" in str(error) or number == errno.EMFILE
    korean = message(error, "ko")
    assert error.todo not in korean and len(re.findall("[가-힣]", korean)) > 10


def test_other_errors_of_the_system_keep_their_reason():
    assert str(explained(OSError(errno.EIO, "Input/output error", "a"))) == "Input/output error: a."
    assert str(explained(OSError("odd"))) == "odd." and "no permission" not in str(explained(PermissionError()))


def test_a_file_where_a_folder_should_be_is_a_sentence_on_the_command_line(tmp_path):
    (tmp_path / "taken").write_text("")
    words = [sys.executable, "-m", "nunbit", "world", "show", "--count", "1", "-o", str(tmp_path / "taken" / "a.png")]
    done = subprocess.run(words, capture_output=True, text=True, timeout=250)
    assert done.returncode == 2 and "Traceback" not in done.stderr and done.stderr.startswith("nunbit: ")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_only_be_read_is_a_sentence(tmp_path):
    tmp_path.chmod(0o500)
    words = [sys.executable, "-m", "nunbit", "recipes", "copy", "llava15", str(tmp_path / "mine.py")]
    done = subprocess.run(words, capture_output=True, text=True, timeout=250)
    assert done.returncode == 2 and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("http://127.0.0.1:8000/v1", "http-127.0.0.1-8000-v1"),
        ("runs\\llava15\\model", "runs-llava15-model"),
        ("con", "con_"),
        ("NUL.txt", "NUL.txt_"),
        ("com1", "com1_"),
        ("console", "console"),
        ("a<b>|c?*\x00", "a-b-c"),
        ("모델 1", "모델-1"),
        ("...", "x"),
        ("a. ", "a"),
        ("x" * 300, "x" * 80),
    ],
)
def test_a_name_is_one_that_every_system_takes(text, name):
    assert safe_name(text) == name


def test_no_file_of_the_project_has_a_name_that_windows_refuses():
    files = [p for folder in ("src", "tests", "docs", "tools", "examples") for p in (ROOT / folder).rglob("*")]
    files = [p.relative_to(ROOT).as_posix() for p in files if "__pycache__" not in p.parts]
    assert len(files) > 300
    for file in files:
        parts = file.split("/")
        assert not any(c in file for c in '<>:"|?*\\'), file
        assert not any(p.partition(".")[0].lower() in RESERVED or p.endswith((".", " ")) for p in parts), file
    assert len({f.lower() for f in files}) == len(files)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "train").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "train" / "a.png")
    return tmp_path


def test_paths_of_data_made_on_windows_are_read(folder):
    turns = [{"from": "human", "value": "<image>What?"}, {"from": "gpt", "value": "A."}]
    (folder / "d.json").write_text(json.dumps([{"image": "train\\a.png", "conversations": turns}]))
    assert [p.name for c in read_conversations(folder / "d.json") for p in c.images] == ["a.png"]
    (folder / "s.jsonl").write_text(json.dumps({"image": "train\\a.png", "question": "?", "answer": "A"}))
    assert load_shots(folder / "s.jsonl")[0].picture().size == (8, 8)
    assert named_below(folder, "train/a.png") == os.path.join(folder, "train/a.png")


def test_a_file_with_a_backslash_in_its_name_is_found_first(folder):
    if os.name == "nt":
        pytest.skip("no such name there")
    Image.new("RGB", (4, 4)).save(folder / "train\\a.png")
    assert Path(named_below(folder, "train\\a.png")).name == "train\\a.png"


@pytest.mark.parametrize("name", ["..\\..\\etc\\passwd", "../x.png", "ring", "away", "C:\\data\\a.png\x00"])
def test_what_leaves_the_folder_is_refused_also_by_links_and_backslashes(folder, name):
    inner = folder / "train"
    try:
        (inner / "ring").symlink_to(inner / "ring")
        (inner / "away").symlink_to("/etc/passwd")
    except OSError:
        pytest.skip("no links here")
    if name == "ring":
        (folder / "s.jsonl").write_text(json.dumps({"image": "train/ring", "question": "?", "answer": "A"}))
        with pytest.raises(UserError):
            load_shots(folder / "s.jsonl")[0].picture()
        return
    with pytest.raises(UserError, match="outside|no path"):
        picture_path(name, inner.resolve(), "sample 1")


def test_a_link_within_the_folder_is_a_picture_like_any_other(folder):
    try:
        (folder / "link.png").symlink_to(folder / "train" / "a.png")
    except OSError:
        pytest.skip("no links here")
    assert picture_path("link.png", folder.resolve(), "sample 1").name == "a.png"
