"""A micro-batch that fits in memory: measured, halved, said, and kept by a run that is resumed."""

import json
from dataclasses import replace

import pytest
import torch
from tests.training.small_llava import STAGE, task_of, write_world

from nunbit.errors import UserError
from nunbit.training import micro_batch
from nunbit.training.loop import train
from nunbit.training.memory import MemoryLimit, MemoryMeter, metered
from nunbit.training.options import RunOptions

AUTO = replace(STAGE, micro_batch_size=0, steps=2, batch=8, save_every=1)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return write_world(tmp_path_factory.mktemp("world"))


def run(world, folder, free, monkeypatch, stage=AUTO, **how):
    """Train with so many free bytes; what was said of the micro-batch, and the log."""
    said = []
    monkeypatch.setattr(micro_batch, "available_bytes", lambda device: free)
    train(task_of(world, **how), stage, folder, RunOptions(say=said.append))
    lines = [json.loads(t) for t in (folder / "log.jsonl").read_text().splitlines()]
    return [s for s in said if "micro-batches of" in s], lines


def size_of(said):
    [line] = said
    return int(line.split("micro-batches of ")[1].split()[0])


def test_little_memory_makes_small_micro_batches_of_the_same_step(world, tmp_path, monkeypatch):
    plenty, whole = run(world, tmp_path / "whole", 1 << 40, monkeypatch)
    assert size_of(plenty) == 8 and "GiB that it may take" in plenty[0]
    need = {}
    real = micro_batch._line
    monkeypatch.setattr(micro_batch, "_line", lambda *given: need.update(probe=given[1]) or real(*given))
    few, parts = run(world, tmp_path / "parts", 1 << 40, monkeypatch)
    probe = need["probe"]
    for size in (4, 2, 1):
        few, parts = run(world, tmp_path / f"parts{size}", probe.bytes(size) / micro_batch.SHARE + 1, monkeypatch)
        assert size_of(few) == size
        assert [x["loss"] for x in parts] == pytest.approx([x["loss"] for x in whole], rel=1e-5)
    with pytest.raises(UserError, match="does not fit in memory"):
        run(world, tmp_path / "none", probe.bytes(1) / 4, monkeypatch)


def test_a_resumed_run_keeps_its_micro_batch(world, tmp_path, monkeypatch):
    half = replace(AUTO, micro_batch_size=2, steps=1)
    train(task_of(world), half, tmp_path, RunOptions(say=lambda _: None))
    said, _ = run(world, tmp_path, 1 << 40, monkeypatch)
    assert size_of(said) == 2


def test_the_probe_draws_no_random_number_and_leaves_no_gradient(world, tmp_path, monkeypatch):
    """The first step is that of a run whose micro-batch is named."""
    _, auto = run(world, tmp_path / "auto", 1 << 40, monkeypatch)
    _, named = run(world, tmp_path / "named", 1 << 40, monkeypatch, replace(AUTO, micro_batch_size=8))
    assert [(x["loss"], x["grad"]) for x in auto] == [(x["loss"], x["grad"]) for x in named]


@pytest.mark.parametrize("pack", (0, 400))
def test_the_longest_micro_batch_is_at_least_as_large_as_any_of_a_step(world, pack):
    task = task_of(world, pack=pack)
    most = task.longest(2, STAGE)["ids"].numel()
    for step in range(4):
        assert all(p["ids"].numel() <= most for p in task.micro_batches(task.batch(step, STAGE), STAGE))


def test_the_meter_counts_what_is_alive_and_stops_in_time():
    with MemoryMeter() as meter:
        a = torch.ones(1000)
        b = a * 2 + 1  # the product lives while the sum is made
        assert meter.live == 8000 and meter.peak == 12000
        a.add_(1), b.view(10, 100)
        del a
        assert meter.live == 4000
    with pytest.raises(MemoryLimit), metered("cpu", 10_000):
        [torch.ones(1000) for _ in range(3)]


def test_the_meter_counts_activations_until_backward_is_done():
    layers = torch.nn.Sequential(*[torch.nn.Linear(100, 100) for _ in range(4)])
    with MemoryMeter() as meter:
        loss = layers(torch.ones(50, 100)).sum()
        assert meter.live >= 4 * 50 * 100 * 4
        loss.backward()
        del loss
        assert meter.live == sum(p.nbytes for p in layers.parameters())
