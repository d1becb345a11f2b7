"""Several files in one run: weighted losses add up, and a resumed run continues with the same samples."""

import json
from dataclasses import replace

import pytest
import torch
from tests.training.lines import QUIET
from tests.training.small_llava import STAGE, task_of, write_world

from nunbit.training.checkpoints import resume
from nunbit.training.loop import train
from nunbit.training.options import RunOptions


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return write_world(tmp_path_factory.mktemp("world"))


def gradients(task, batch, stage=STAGE):
    task.model.zero_grad()
    losses = [task.loss(piece)[0] for piece in task.micro_batches(batch, stage)]
    sum(losses).backward()
    return float(sum(losses).detach()), [p.grad.clone() for p in task.model.parameters() if p.grad is not None]


def lines(folder):
    return [json.loads(t) for t in (folder / "log.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("pack", (0, 400))
def test_accumulated_data_sets_are_their_weighted_losses(world, pack):
    task = task_of(world, accumulate=True, pack=pack)
    batch = task.batch(0, STAGE)
    together, grads = gradients(task, batch)
    wanted, sums = 0.0, [torch.zeros_like(g) for g in grads]
    for part, weight in zip(task.sampler.at(0, 4, 0), (1.0, 0.2), strict=True):
        loss, own = gradients(task, task.load([task.samples[i] for i in part]))
        wanted += weight * loss
        sums = [s + weight * g for s, g in zip(sums, own, strict=True)]
    assert len(batch["ids"]) < 4 if pack else len(batch["ids"]) == 4
    assert together == pytest.approx(wanted, rel=1e-5)
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(grads, sums, strict=True))


def test_a_resumed_mixture_shows_the_same_samples(world, tmp_path):
    train(task_of(world), STAGE, tmp_path / "whole", QUIET)
    first = task_of(world)
    real = first.batch

    def stopped(step, stage):
        if step == 3:
            raise KeyboardInterrupt
        return real(step, stage)

    first.batch = stopped
    with pytest.raises(KeyboardInterrupt):
        train(first, STAGE, tmp_path / "cut", QUIET)
    second = task_of(world)
    assert resume(tmp_path / "cut", second.modules())["sampler_state"] == second.sampler_state(2, STAGE)
    said = []
    train(second, STAGE, tmp_path / "cut", RunOptions(say=said.append))
    for key in ("loss", "drawn/conversations-1"):
        assert [x[key] for x in lines(tmp_path / "cut")] == [x[key] for x in lines(tmp_path / "whole")]
    drawn = [(x["drawn/conversations-1"], x["drawn/conversations-2"]) for x in lines(tmp_path / "whole")]
    assert (
        [sum(d) for d in drawn] == [4, 8, 12, 14, 18, 22]
        and drawn[3] == (12, 2)
        and not any("changed" in s for s in said)
    )
    train(task_of(world, weights=[1.0, 1.0]), replace(STAGE, steps=7), tmp_path / "cut", RunOptions(say=said.append))
    assert any("have changed since step 6" in s for s in said)
