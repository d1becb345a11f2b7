"""A model folder's digest covers every byte; it is computed once, and never stale."""

import os
import shutil
import time

import pytest

from nunbit import digests
from nunbit.digests import KEPT, folder_digest

SIZE = 5 << 20


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("NUNBIT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "model"
    made.mkdir()
    (made / "model.safetensors").write_bytes(bytes(SIZE))
    (made / "config.json").write_text("{}")
    return made


def flip(path, at):
    with path.open("r+b") as f:
        f.seek(at)
        f.write(b"\x01")


def settle(folder):
    """As if the files had been written long ago."""
    old = time.time() - 3600
    for path in folder.iterdir():
        os.utime(path, (old, old))


def test_one_byte_in_the_middle_is_another_model(folder, tmp_path):
    """The key covered the first and last megabyte before."""
    other = tmp_path / "other"
    shutil.copytree(folder, other)
    assert folder_digest(folder) == folder_digest(other)
    flip(other / "model.safetensors", SIZE // 2)
    assert folder_digest(folder) != folder_digest(other)


@pytest.mark.parametrize("name", ["chat_template.jinja", "merges.txt", "tokenizer.model", "modeling.py", "other.bin"])
def test_every_file_of_a_model_counts(folder, name):
    before = folder_digest(folder)
    (folder / name).write_text("a")
    assert folder_digest(folder) != before


def test_a_template_of_a_sub_folder_counts_and_notes_do_not(folder):
    before = folder_digest(folder)
    (folder / "README.md").write_text("a card")
    (folder / "checkpoints").mkdir()
    (folder / "checkpoints" / "model.safetensors").write_bytes(b"other")
    assert folder_digest(folder) == before
    (folder / "additional_chat_templates").mkdir()
    (folder / "additional_chat_templates" / "tools.jinja").write_text("a")
    assert folder_digest(folder) != before


def test_an_edit_within_one_tick_of_the_clock_is_seen(folder):
    """A digest of a file that was written just now is not kept: a further edit may leave size and times as they are."""
    before, times = folder_digest(folder), (folder / "model.safetensors").stat()
    flip(folder / "model.safetensors", SIZE // 2)
    os.utime(folder / "model.safetensors", ns=(times.st_atime_ns, times.st_mtime_ns))
    assert folder_digest(folder) != before


def counted(monkeypatch):
    """The files that are read whole from now on."""
    read, real = [], digests.hashlib.file_digest
    monkeypatch.setattr(digests.hashlib, "file_digest", lambda f, kind: read.append(f.name) or real(f, kind))
    return read


def test_digests_are_kept_beside_the_files(folder, monkeypatch):
    settle(folder)
    monkeypatch.setattr(digests, "SETTLED_S", -1)
    before, read = folder_digest(folder), counted(monkeypatch)
    assert (folder / KEPT).is_file() and folder_digest(folder) == before and not read
    flip(folder / "model.safetensors", 7)
    assert folder_digest(folder) != before and len(read) == 1


def test_digests_of_a_folder_that_cannot_be_written_are_kept_in_the_cache(folder, monkeypatch, cache):
    settle(folder)
    monkeypatch.setattr(digests, "SETTLED_S", -1)
    real = digests.write_text

    def refused(path, text):
        if path.name == KEPT:
            raise PermissionError(path)
        real(path, text)

    monkeypatch.setattr(digests, "write_text", refused)
    before, read = folder_digest(folder), counted(monkeypatch)
    assert not (folder / KEPT).exists() and [*cache.rglob("*")]
    assert folder_digest(folder) == before and not read


@pytest.mark.parametrize("text", ["nonsense", "[]", '{"a": 1}', '{"a": [1, 2]}'])
def test_a_damaged_record_is_no_record(folder, text):
    before = folder_digest(folder)
    (folder / KEPT).write_text(text)
    assert folder_digest(folder) == before


def test_nothing_is_written_into_the_package(cache, monkeypatch):
    from nunbit.files import EMBEDDED

    monkeypatch.setattr(digests, "SETTLED_S", -1)
    folder_digest(EMBEDDED)
    assert not (EMBEDDED / KEPT).exists() and [*cache.rglob("*")]
