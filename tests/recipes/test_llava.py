"""LLaVA-1.5 on every pair of encoder and language model: trained, saved, resumed, planned."""

import json

import numpy as np
import pytest
import torch
from tests.families import LANGUAGE, VISION
from tests.training.pairs import configured, task_of, write_families

from nunbit.assistant import Assistant
from nunbit.data.conversations import read_conversations
from nunbit.media.images import decode
from nunbit.messages import question
from nunbit.models.build import build_model
from nunbit.models.checkpoint import save
from nunbit.recipes import llava15
from nunbit.recipes.debug_set import write_conversations
from nunbit.training.loop import train
from nunbit.training.multimodal import part_of
from nunbit.training.options import RunOptions
from nunbit.training.stage import Stage

QUIET = RunOptions(say=lambda _: None)


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    return write_families(tmp_path_factory.mktemp("families"))


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return write_conversations(tmp_path_factory.mktemp("world"), samples=12)


def kill_after(task, steps):
    drawn, real = [], task.batch

    def batch(step, stage):
        if step >= steps:
            raise KeyboardInterrupt
        drawn.append(step)
        return real(step, stage)

    task.batch = batch


@pytest.mark.parametrize("eyes", VISION)
@pytest.mark.parametrize("llm", LANGUAGE)
def test_every_pair_trains_saves_reloads_and_answers(parts, world, tmp_path, llm, eyes):
    done = configured(parts, world, llm, eyes)
    folder = llava15.run(done, tmp_path, QUIET)
    lines = [json.loads(t) for t in (tmp_path / "tune" / "log.jsonl").read_text().splitlines()]
    assert len(lines) == 2 and all(np.isfinite(x["loss"]) for x in lines)
    again = Assistant(folder)
    first = read_conversations(world)[0]
    answer = again.ask(question(first.messages[0].text, [decode(first.images[0])]), max_new_tokens=4)
    assert 1 <= answer.tokens <= 4
    learnt = torch.load(tmp_path / "tune" / "last.pt", weights_only=True)["modules"]["connector"]
    saved = {n.replace(".", "/"): p for n, p in again.model.named_parameters()}
    assert learnt and all(torch.equal(saved[n], value) for n, value in learnt.items())


def test_resumed_is_unbroken(parts, world, tmp_path):
    """Two steps, a pause, two more: the same losses as four at once, to the bit."""
    curves = []
    for name, cuts in (("whole", [4]), ("broken", [2, 4])):
        for upto in cuts:
            task, _ = task_of(parts, world, {"connector": 1e-3, "language": 1e-3}, ordered=False)
            stage = Stage(name="x", steps=4, batch=4, lr=1e-3, save_every=2, warmup=0)
            if upto < 4:
                kill_after(task, upto)
            try:
                train(task, stage, tmp_path / name, QUIET)
            except KeyboardInterrupt:
                pass
        curves.append([json.loads(t)["loss"] for t in (tmp_path / name / "log.jsonl").read_text().splitlines()][-2:])
    assert curves[0] == curves[1]


def test_plan_counts_without_opening_weights(parts, world):
    done = configured(parts, world, "gemma", "siglip2")
    plan = llava15.plan(done, 1e10)
    counts, stages = plan.parameters, plan.stages
    model, _ = build_model(parts[1]["siglip2"], parts[1]["gemma"])
    truth = {p: sum(v.numel() for n, v in model.named_parameters() if part_of(n) == p) for p in counts}
    assert counts == truth
    assert stages[0].learns == {"connector": truth["connector"]} and set(stages[1].learns) == {"connector", "language"}


def test_folder_saved_by_hand_opens_the_same(parts, tmp_path):
    model, processor = build_model(parts[1]["clip"], parts[1]["llama"])
    save(model, processor, tmp_path / "m")
    again = Assistant(tmp_path / "m")
    for (n, a), (_, b) in zip(model.state_dict().items(), again.model.state_dict().items(), strict=True):
        assert torch.equal(a, b), n
