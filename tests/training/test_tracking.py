"""What a run tells: speeds, norms by part, memory; and trackers get the same, each only where it is named and
installed."""

import json
import sys
import types

import pytest
import torch

from nunbit.data.packing import pack
from nunbit.errors import UserError
from nunbit.training.flops import ceiling
from nunbit.training.loop import train
from nunbit.training.options import RunOptions
from nunbit.training.stage import Stage
from nunbit.training.tracking import open_trackers, step_figures

STAGE = Stage(name="line", steps=4, batch=2, lr=1e-2, warmup=2)


class Two:
    """Two parts, a batch of words and a picture."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.a, self.b = torch.nn.Linear(3, 1), torch.nn.Linear(3, 1)

    def modules(self):
        return {"a": self.a, "b": self.b}

    def batch(self, step, stage):
        x = torch.randn(2, 3, generator=torch.Generator().manual_seed(step))
        return {
            "x": x,
            "ids": torch.zeros(2, 5, dtype=torch.long),
            "mask": torch.tensor([[True] * 5, [True] * 3 + [False] * 2]),
            "pixels": torch.zeros(1, 3, 2, 2),
        }

    def loss(self, batch):
        return (self.a(batch["x"]) + 10 * self.b(batch["x"])).square().mean(), {}


def lines(folder):
    return [json.loads(t) for t in (folder / "log.jsonl").read_text().splitlines()]


def test_each_line_tells_speed_norms_and_memory(tmp_path):
    train(Two(), STAGE, tmp_path, RunOptions(say=lambda _: None))
    for line in lines(tmp_path):
        assert line["token_utilization"] == 0.8 and line["megabytes"] > 10
        assert line["tokens_per_second"] == pytest.approx(8 * line["pictures_per_second"], rel=0.02)
        assert line["grad/b"] > line["grad/a"] > 0
    assert [x["lr_scale"] for x in lines(tmp_path)][:2] == [0.5, 1.0]


def test_trackers_get_the_same_lines(tmp_path, monkeypatch):
    told, closed = [], []
    fake = types.ModuleType("trackio")
    fake.init = lambda **how: told.append(how)
    fake.log = lambda figures, step: told.append((step, figures["loss"]))
    fake.finish = lambda: closed.append(True)
    monkeypatch.setitem(sys.modules, "trackio", fake)
    train(Two(), STAGE, tmp_path / "run", RunOptions(say=lambda _: None, track=["trackio"]))
    assert told[0]["project"] == "nunbit" and "run" in str(tmp_path / "run") and closed == [True]
    assert told[1:] == [(x["step"], x["loss"]) for x in lines(tmp_path / "run")]


def test_event_files_are_written_where_the_writer_is(tmp_path, monkeypatch):
    seen = []

    class SummaryWriter:
        def __init__(self, folder):
            seen.append(folder)

        def add_scalar(self, name, value, step):
            seen.append((name, step))

        def close(self):
            seen.append("closed")

    fake = types.ModuleType("torch.utils.tensorboard")
    fake.SummaryWriter = SummaryWriter
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", fake)
    [tracker] = open_trackers(["tensorboard"], tmp_path, "s")
    tracker.log(3, {"loss": 1.0})
    tracker.close()
    assert seen == [str(tmp_path / "tensorboard"), ("loss", 3), "closed"]


def test_unknown_and_missing_trackers_are_said(tmp_path, monkeypatch):
    with pytest.raises(UserError):
        open_trackers(["ledger"], tmp_path, "s")
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(UserError, match="wandb"):
        open_trackers(["wandb"], tmp_path, "s")


def test_figures_of_a_batch_without_words_or_pictures():
    assert set(step_figures({"x": torch.zeros(2)}, {"one": torch.nn.Linear(1, 1)}, 1.0, {"one": 0.5})) == {"megabytes"}


def test_padding_of_a_packed_batch_is_not_counted():
    packed = pack([[7, 7, 7]] * 2, [range(3)] * 2, 3, [[([1, 2], [3])], [([1], [2]), ([1, 1, 1], [4, 5])]], pad=0)
    batch = {"ids": packed.ids, "mask": packed.mask, "positions": packed.positions}
    figures = step_figures(batch, {"one": torch.nn.Linear(1, 1)}, 2.0, {"one": 0.5})
    assert packed.ids.shape == (2, 10)
    assert figures["tokens_per_second"] == (6 + 10) / 2 and figures["token_utilization"] == 0.8


def test_a_system_that_does_not_say_what_it_holds(monkeypatch):
    monkeypatch.setitem(sys.modules, "resource", None)  # as on Windows
    assert "megabytes" not in step_figures({}, {"one": torch.nn.Linear(1, 1)}, 1.0, {"one": 0.5})


def test_the_share_of_what_the_machine_could_do(tmp_path, monkeypatch):
    """Operations of the batch over seconds times the measured ceiling; the ceiling draws no random number."""
    task = Two()
    task.operations = lambda batch: 1e9 * len(batch["x"])
    state = torch.get_rng_state()
    most = ceiling("cpu", torch.get_num_threads())
    assert most > 1e8 and torch.equal(state, torch.get_rng_state())
    train(task, STAGE, tmp_path, RunOptions(say=lambda _: None))
    for line in lines(tmp_path):
        assert 0 < line["mfu"] == pytest.approx(2e9 / (line["seconds"] * most), rel=0.1)
        assert line["lr/a"] == pytest.approx(line["lr_scale"] * 1e-2)
