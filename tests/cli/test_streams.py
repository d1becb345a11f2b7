"""Closed streams, small alphabets, odd names, pipes without a reader, full disks: never a traceback."""

import io
import json
import os
import subprocess
import sys

import pytest
from PIL import Image

from nunbit.cli import streams
from nunbit.errors import UserError
from nunbit.media.saving import save_picture
from nunbit.recipes import copy

NUNBIT = f"{sys.executable} -m nunbit"
ODD = {
    "a new line": "a\nb.png",
    "bytes of no encoding": os.fsdecode(b"a\xff\xfe.png"),
    "a bell and an escape": "a\x07\x1b[31m.png",
    "a Windows path": "C:\\Users\\x\\사진.png",
    "a dash": "--.png",
    "very long": "x" * 300 + ".png",
    "longer than any path": "x/" * 3000,
    "a zero byte in quotes": "%00.png",
    "a ring of links": "ring.png",
    "a folder": "folder.png",
    "nothing in it": "empty.png",
    "a pipe that nobody writes": "pipe.png",
    "a device": "/dev/zero",
}
"""Names of pictures that cannot be shown."""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ring.png").symlink_to(tmp_path / "ring.png")
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "empty.png").touch()
    os.mkfifo(tmp_path / "pipe.png")
    return tmp_path


def shell(line: str, **environment: str) -> subprocess.CompletedProcess:
    held = {**os.environ, **environment}
    return subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=120, env=held, check=False)


@pytest.mark.skipif(os.name == "nt", reason="a POSIX shell")
@pytest.mark.parametrize(
    ("line", "codes", "says"),
    [
        (f"{NUNBIT} recipes list >&-", (0,), ""),
        (f"{NUNBIT} recipes list >&- 2>&- <&-", (0,), ""),
        (f"{NUNBIT} train no_such_recipe 2>&-", (2,), ""),
        (f"{NUNBIT} chat <&- 2>&1", (2,), ""),
        (f"set -o pipefail; {NUNBIT} recipes list | true", (0, 1, streams.BROKEN_PIPE), ""),
        (f"{NUNBIT} recipes list > /dev/full", (2,), "the disk is full: 'the output' could not be written"),
        (f"LANG=ko_KR.UTF-8 {NUNBIT} recipes list > /dev/full", (2,), "디스크"),
        (f"LANG=C LC_ALL=C LANGUAGE=ko PYTHONIOENCODING=ascii {NUNBIT} train 없는것 2>&1", (2,), ""),
        (f"PYTHONIOENCODING=latin-1 LANG=ko_KR.UTF-8 {NUNBIT} --help", (0,), ""),
        (f"env -u HOME {NUNBIT} recipes list", (0,), ""),
        (f"HOME=/nonexistent TMPDIR=/nonexistent {NUNBIT} models path nunbit-small", (0, 1), ""),
    ],
)
def test_the_command_line_ends_in_order(line, codes, says):
    done = shell(line)
    assert done.returncode in codes, done.stderr
    assert "Traceback" not in done.stdout + done.stderr and "Exception ignored" not in done.stderr
    assert says in done.stderr + done.stdout


@pytest.mark.parametrize("kind", ODD)
def test_a_picture_of_an_odd_name_is_refused_by_a_sentence(kind):
    from nunbit.media import decode
    from nunbit.media.sources import named_file

    with pytest.raises(UserError) as found:
        decode(named_file(ODD[kind]))
    assert len(str(found.value)) < 1000 and "\x1b" not in str(found.value)


@pytest.mark.parametrize("alphabet", ["ascii", "latin-1", "cp949", "utf-8"])
def test_what_an_alphabet_lacks_is_written_as_json_has_it(alphabet, monkeypatch):
    words = "고양이 😀 é \udcff"
    held = io.TextIOWrapper(io.BytesIO(), encoding=alphabet)
    monkeypatch.setattr("sys.stdout", held)
    monkeypatch.setattr("sys.stderr", io.StringIO())
    streams.prepare()
    print(json.dumps(words, ensure_ascii=False))
    held.flush()
    assert json.loads(held.buffer.getvalue().decode(alphabet)) == words


@pytest.mark.parametrize(
    "name", ["CON", "aux.txt", "dots.", "a.png.", "a", "a.exe", "nowhere/a.png", "ring.png/a.png", "folder.png"]
)
def test_a_picture_is_not_written_where_it_cannot_be(folder, name):
    with pytest.raises(UserError):
        save_picture(Image.new("RGB", (4, 4)), folder / name)
    assert not list(folder.rglob("*.part")) and not (folder / "CON").exists()


def test_a_half_written_picture_does_not_stay(folder, monkeypatch):
    def fill(self, file, **_):
        file.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    image = Image.new("RGB", (4, 4))
    save_picture(image, folder / "kept.jpg")
    before = (folder / "kept.jpg").read_bytes()
    monkeypatch.setattr(Image.Image, "save", fill)
    with pytest.raises(UserError, match=r"the disk is full: '.*kept\.jpg'"):
        save_picture(image, folder / "kept.jpg")
    assert (folder / "kept.jpg").read_bytes() == before and not list(folder.rglob("*.part"))


def test_a_recipe_is_not_copied_into_a_ring(folder):
    (folder / "ring").symlink_to(folder / "ring")
    with pytest.raises(UserError, match="ring"):
        copy("llava15", folder / "ring" / "x.py")
