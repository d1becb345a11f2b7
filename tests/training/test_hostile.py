"""Torn files, foreign checkpoints, absurd settings, a second process: each a sentence, and what was there stays whole."""

import json
import subprocess
import sys

import pytest
import torch

from nunbit.data.conversations import read_conversations
from nunbit.errors import UserError
from nunbit.lock import held
from nunbit.models.compose import save_new
from nunbit.recipes import llava15
from nunbit.training import checkpoints
from nunbit.training.checkpoints import restore
from nunbit.training.loop import Stage, train


class Line:
    """The smallest task: a line through noise."""

    def __init__(self, width=3):
        torch.manual_seed(0)
        self.model = torch.nn.Linear(width, 1)

    def modules(self):
        return {"model": self.model}

    def batch(self, step, stage):
        return {"x": torch.randn(stage.batch, self.model.in_features, generator=torch.Generator().manual_seed(step))}

    def loss(self, batch):
        return (self.model(batch["x"]) - batch["x"].sum(1, keepdim=True)).square().mean(), {}


STAGE = Stage(name="line", steps=6, batch=4, lr=1e-2, save_every=2, warmup=0)


def quiet(task, folder, stage=STAGE):
    return train(task, stage, folder, say=lambda _: None)


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


def test_a_log_line_that_a_kill_cut_off_does_not_stop_the_run(tmp_path):
    quiet(Line(), tmp_path)
    with (tmp_path / "log.jsonl").open("a") as f:
        f.write('{"step": 7, "lo')
    assert quiet(Line(), tmp_path, Stage(name="line", steps=8, batch=4, lr=1e-2, save_every=2, warmup=0)) == 8
    assert [json.loads(t)["step"] for t in (tmp_path / "log.jsonl").read_text().splitlines()] == [*range(1, 9)]


def test_a_second_process_is_sent_away_and_the_lock_dies_with_its_holder(tmp_path):
    code = f"import pathlib, time\nfrom nunbit.lock import held\nwith held(pathlib.Path({str(tmp_path)!r})):\n print('held', flush=True)\n time.sleep(60)"
    other = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert other.stdout.readline() == b"held\n"
    with pytest.raises(UserError, match="another process writes"):
        quiet(Line(), tmp_path)
    other.kill()
    other.wait()
    assert quiet(Line(), tmp_path) == 6


def test_a_lock_is_free_again(tmp_path):
    for _ in range(2):
        with held(tmp_path), pytest.raises(UserError), held(tmp_path):
            pass


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


SHARDS = {"name": "line", "batch": 4, "lr": 1e-2, "save_every": 2, "warmup": 0, "checkpoints": "shards"}


def losses(folder):
    return [json.loads(t)["loss"] for t in (folder / "log.jsonl").read_text().splitlines()]


def test_shards_resume_bit_for_bit_and_follow_whole_files(tmp_path):
    """Four steps in shards, two in one file, two in shards: the curve of eight at once; only the newest checkpoint is kept."""
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


def test_a_model_folder_is_whole_or_not_there(tmp_path):
    class Part:
        def __init__(self, fails=False):
            self.fails = fails

        def save_pretrained(self, folder, **_):
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "config.json").write_text("{}")
            if self.fails:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        save_new(Part(fails=True), Part(), tmp_path / "base")
    assert not (tmp_path / "base").exists()
    save_new(Part(), Part(), tmp_path / "base")
    assert (tmp_path / "base" / "config.json").exists() and not (tmp_path / "base.part").exists()


@pytest.mark.parametrize(
    "change",
    (
        "tune.batch=0",
        "tune.save_every=0",
        "tune.warmup=7",
        "tune.batch=-1",
        "tune.batch=many",
        "tune.lr=1",
        "tune.mixing=stir",
    ),
)
def test_absurd_settings(change):
    with pytest.raises(UserError):
        llava15.configure(["debug=true", change])


@pytest.mark.parametrize("field", ("batch", "save_every"))
def test_absurd_stages(field):
    with pytest.raises(UserError, match=f"{field}=0"):
        Stage(**{"name": "x", "steps": 1, "batch": 1, "lr": 1.0} | {field: 0})
    with pytest.raises(UserError, match="shards"):
        Stage(name="x", steps=1, batch=1, lr=1.0, checkpoints="shard")


def test_json_without_a_floor(tmp_path):
    (tmp_path / "deep.json").write_text("[" * 200_000)
    with pytest.raises(UserError, match="is not JSON"):
        read_conversations(tmp_path / "deep.json")
