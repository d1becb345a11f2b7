"""The loop: an interrupted run resumes bit for bit, whoever draws the batches; a run that diverges is stopped."""

import subprocess
import sys

import pytest
import torch
from tests.training.lines import QUIET, Line, log, quiet

from nunbit.errors import UserError
from nunbit.lock import held
from nunbit.training.loop import mixed_precision, train
from nunbit.training.options import RunOptions
from nunbit.training.stage import Stage, Task


class DropoutLine(Task):
    """A task small enough to run hundreds of steps: fit a line to noise drawn from the step's own seed."""

    def __init__(self) -> None:
        torch.manual_seed(5)
        self.layer = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Dropout(0.2), torch.nn.Linear(8, 1))

    def modules(self):
        return {"layer": self.layer}

    def batch(self, step, stage):
        return {"x": torch.randn(4, 3, generator=torch.Generator().manual_seed(step))}

    def loss(self, batch):
        x = batch["x"]
        return (self.layer(x) - x.sum(1, keepdim=True)).square().mean(), {}


def curve(folder):
    return [(r["step"], r["loss"], r["grad"]) for r in log(folder)]


LONG = Stage(name="line", steps=60, batch=4, lr=1e-2, warmup=5, save_every=7)


def test_interrupted_and_resumed_is_bit_equal(tmp_path):
    train(DropoutLine(), LONG, tmp_path / "whole", QUIET)

    class Dies(DropoutLine):
        def batch(self, step, stage):
            if step == 33:
                raise KeyboardInterrupt
            return super().batch(step, stage)

    with pytest.raises(KeyboardInterrupt):
        train(Dies(), LONG, tmp_path / "cut", QUIET)
    train(DropoutLine(), LONG, tmp_path / "cut", QUIET)
    assert curve(tmp_path / "cut") == curve(tmp_path / "whole")
    assert len(curve(tmp_path / "whole")) == 60


def test_batches_drawn_by_other_processes_are_the_same(tmp_path):
    train(DropoutLine(), LONG, tmp_path / "here", QUIET)
    train(DropoutLine(), LONG, tmp_path / "there", RunOptions(say=lambda _: None, workers=2))
    assert curve(tmp_path / "here") == curve(tmp_path / "there")


def test_a_log_line_that_a_kill_cut_off_does_not_stop_the_run(tmp_path):
    quiet(Line(), tmp_path)
    with (tmp_path / "log.jsonl").open("a") as f:
        f.write('{"step": 7, "lo')
    assert quiet(Line(), tmp_path, Stage(name="line", steps=8, batch=4, lr=1e-2, save_every=2, warmup=0)) == 8
    assert [line["step"] for line in log(tmp_path)] == [*range(1, 9)]


def test_a_second_process_is_sent_away_and_the_lock_dies_with_its_holder(tmp_path):
    holds = f"with held(pathlib.Path({str(tmp_path)!r})):\n print('held', flush=True)\n time.sleep(60)"
    code = f"import pathlib, time\nfrom nunbit.lock import held\n{holds}"
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


class Diverges(Line):
    """Its loss is not a number in some steps."""

    def __init__(self, bad):
        super().__init__()
        self.bad, self.step = bad, -1

    def batch(self, step, stage):
        return super().batch(step, stage) | {"step": torch.tensor(step)}

    def loss(self, batch):
        loss, figures = super().loss({"x": batch["x"]})
        return (loss * float("nan") if int(batch["step"]) in self.bad else loss), figures


def test_a_skipped_step_changes_nothing_and_is_reported(tmp_path):
    said, task = [], Diverges({30})
    before = []

    class Watches(Diverges):
        def batch(self, step, stage):
            before.append(self.model.weight.detach().clone())
            return super().batch(step, stage)

    task.__class__ = Watches
    stage = Stage(name="line", steps=40, batch=4, lr=1e-2, warmup=0)
    assert train(task, stage, tmp_path, RunOptions(say=said.append)) == 40
    assert torch.equal(before[30], before[31]) and not torch.equal(before[29], before[30])
    assert [s for s in said if "warning" in s and "step 31 is not finite" in s]


def test_twenty_non_finite_steps_in_a_row_stop_the_run_at_the_last_good_checkpoint(tmp_path):
    stage = Stage(name="line", steps=400, batch=4, lr=1e-2, warmup=0, save_every=10)
    with pytest.raises(UserError, match=r"diverged at step 325.*20 in a row.*last good checkpoint '.*last.pt'"):
        quiet(Diverges(set(range(305, 400))), tmp_path, stage)
    assert torch.load(tmp_path / "last.pt", weights_only=True)["step"] == 300
    assert len(log(tmp_path)) == 325


def test_a_tenth_of_non_finite_steps_stops_the_run(tmp_path):
    stage = Stage(name="line", steps=400, batch=4, lr=1e-2, warmup=0, save_every=7)
    with pytest.raises(UserError, match="diverged"):
        quiet(Diverges(set(range(60, 400, 5))), tmp_path, stage)
    assert quiet(Diverges(set(range(60, 400, 30))), tmp_path / "few", stage) == 400


def test_a_short_run_that_diverged_is_no_success(tmp_path):
    with pytest.raises(UserError, match="diverged.*no checkpoint yet"):
        quiet(Diverges({1}), tmp_path, Stage(name="line", steps=4, batch=4, lr=1e-2, warmup=0))
    assert not (tmp_path / "last.pt").exists()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e30])
def test_weights_that_are_no_numbers_are_never_saved(tmp_path, value):
    task = Line()
    quiet(task, tmp_path)
    kept = (tmp_path / "last.pt").read_bytes()

    class Breaks(Line):
        def batch(self, step, stage):
            if step == 7:
                self.model.bias.data.fill_(value)
            return super().batch(step, stage)

        def loss(self, batch):
            return super().loss(batch)[0].detach() + 0.0 * self.model.weight.sum(), {}

    task.__class__ = Breaks
    with pytest.raises(UserError, match="diverged at step 8: its weights"):
        quiet(task, tmp_path, Stage(name="line", steps=10, batch=4, lr=1e-2, save_every=4, warmup=0))
    assert (tmp_path / "last.pt").read_bytes() == kept


@pytest.mark.parametrize(
    "device, kind, on",
    [("cuda", "cuda", True), ("cuda:0", "cuda", True), ("cuda:3", "cuda", True), ("cpu", "cpu", False)],
)
def test_every_cuda_device_trains_in_bfloat16(monkeypatch, device, kind, on):
    given = {}
    monkeypatch.setattr(
        torch, "autocast", lambda kind, dtype, enabled: given.update(kind=kind, dtype=dtype, on=enabled)
    )
    mixed_precision(device)
    assert given == {"kind": kind, "dtype": torch.bfloat16, "on": on}
