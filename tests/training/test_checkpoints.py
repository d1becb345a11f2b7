"""Torn files, foreign checkpoints, kills and full disks: each a sentence, and what was there stays whole."""

import pytest
import torch
from tests.training.lines import Line, log, quiet

from nunbit.errors import UserError
from nunbit.training import checkpoints
from nunbit.training.checkpoints import restore
from nunbit.training.stage import Stage

SHARDS = {"name": "line", "batch": 4, "lr": 1e-2, "save_every": 2, "warmup": 0, "checkpoints": "shards"}


def losses(folder):
    return [line["loss"] for line in log(folder)]


@pytest.mark.parametrize("cut", (0, 10, 500))
def test_a_torn_checkpoint_is_named_and_left_alone(tmp_path, cut):
    quiet(Line(), tmp_path)
    whole = (tmp_path / "last.pt").read_bytes()
    (tmp_path / "last.pt").write_bytes(whole[:cut])
    with pytest.raises(UserError, match="last.pt' is damaged"):
        quiet(Line(), tmp_path)
    assert (tmp_path / "last.pt").read_bytes() == whole[:cut]


def test_a_checkpoint_of_another_model_is_named(tmp_path):
    quiet(Line(), tmp_path)
    with pytest.raises(UserError, match="of another model"):
        restore(tmp_path, Line(width=5).modules())


def test_a_checkpoint_on_a_full_disk_is_an_error_and_the_old_one_stays(tmp_path, monkeypatch):
    quiet(Line(), tmp_path)
    before = (tmp_path / "last.pt").read_bytes()

    def full(state, file):
        file.write(b"half of it")
        raise RuntimeError("PytorchStreamWriter failed writing file data/0: file write failed")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OSError, match="could not be written"):
        quiet(Line(), tmp_path, Stage(name="line", steps=8, batch=4, lr=1e-2, save_every=2, warmup=0))
    assert (tmp_path / "last.pt").read_bytes() == before and not list(tmp_path.glob("last.pt.*"))


def test_shards_resume_bit_for_bit_and_follow_whole_files(tmp_path):
    """Four steps in shards, two in one file, two in shards: the curve of eight at once; only the newest checkpoint is
    kept."""
    quiet(Line(), tmp_path / "whole", Stage(**SHARDS | {"steps": 8, "checkpoints": "whole", "decay": 0.01}))
    for upto, way, left in (
        (4, "shards", ["shards-00000004"]),
        (6, "whole", ["last.pt"]),
        (8, "shards", ["shards-00000008"]),
    ):
        quiet(Line(), tmp_path / "cut", Stage(**SHARDS | {"steps": upto, "checkpoints": way, "decay": 0.01}))
        assert [p.name for p in (tmp_path / "cut").iterdir() if p.suffix == ".pt" or "shards" in p.name] == left
    assert losses(tmp_path / "cut") == losses(tmp_path / "whole")


def test_a_kill_while_shards_are_written_leaves_the_ones_before(tmp_path, monkeypatch):
    quiet(Line(), tmp_path, Stage(**SHARDS, steps=4))

    def killed(folder, tensors, group):
        (folder / "half.safetensors").write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(checkpoints, "write_shards", killed)
    with pytest.raises(KeyboardInterrupt):
        quiet(Line(), tmp_path, Stage(**SHARDS, steps=6))
    monkeypatch.undo()
    assert checkpoints.newest(tmp_path).name == "shards-00000004"
    assert quiet(Line(), tmp_path, Stage(**SHARDS, steps=6)) == 6 and not list(tmp_path.glob("*.part"))


def test_torn_and_foreign_shards_are_named(tmp_path):
    quiet(Line(), tmp_path, Stage(**SHARDS, steps=2))
    with pytest.raises(UserError, match="shards-00000002' is damaged or of another model"):
        restore(tmp_path, Line(width=5).modules())
    [file] = (tmp_path / "shards-00000002").glob("*.safetensors")
    file.write_bytes(file.read_bytes()[:40])
    with pytest.raises(UserError, match="shards-00000002' is damaged"):
        restore(tmp_path, Line().modules())
