"""Several files in one run: weighted losses add up, a resumed run goes on with the same samples, and what was left out is written down.
And examinations: a model that is asked while it learns learns the same."""

import json
from dataclasses import replace

import pytest
import torch

from nunbit.errors import UserError
from nunbit.models.compose import file_tokens
from nunbit.recipes import llava15
from nunbit.recipes.evaluation import Exam, Wish, read_wish
from nunbit.training.checkpoints import resume
from nunbit.training.debug_set import write_conversations, write_language, write_vision
from nunbit.training.flops import LlavaCost
from nunbit.training.loop import Stage, train
from nunbit.training.multimodal import ConversationTask, freeze
from nunbit.training.stages import build_model, load_samples, run_stages

RATES = {"connector": 1e-3, "language": 1e-3}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    root = tmp_path_factory.mktemp("world")
    one, two = write_conversations(root / "one", samples=9), write_conversations(root / "two", samples=5, seed=1)
    write_language(root / "llm")
    write_vision(root / "eyes")
    return root, f"{one}:1.0,{two}:0.2"


def recipe(world, *more):
    root, data = world
    return llava15.configure([f"model.llm={root / 'llm'}", f"model.vision={root / 'eyes'}", f"data={data}", "stages=tune", "tune.batch=4",
                              "tune.micro_batch_size=2", "tune.steps=6", "tune.warmup=0", "tune.save_every=2", "tune.language_lr=1e-3", *more])  # fmt: skip


def task_of(world, rates=RATES, **how):
    done = recipe(world)
    model, processor = build_model(done.model)
    freeze(model, rates)
    data = load_samples(done.phases()["tune"], processor, file_tokens(model.config), 4096, lambda _: None)
    how = {"pad": processor.tokenizer.pad_token_id, "processor": processor} | data.mixture() | how
    return ConversationTask(model.float(), processor.image_processor, data.samples, **how)


STAGE = Stage(name="x", steps=6, batch=4, lr=1e-3, part_lr=RATES, micro_batch_size=2, warmup=0, save_every=2)


def gradients(task, batch, stage=STAGE):
    task.model.zero_grad()
    losses = [task.loss(piece)[0] for piece in task.micro_batches(batch, stage)]
    sum(losses).backward()
    return float(sum(losses).detach()), [p.grad.clone() for p in task.model.parameters() if p.grad is not None]


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


def lines(folder):
    return [json.loads(t) for t in (folder / "log.jsonl").read_text().splitlines()]


def test_a_resumed_mixture_shows_the_same_samples(world, tmp_path):
    train(task_of(world), STAGE, tmp_path / "whole", say=lambda _: None)
    first = task_of(world)
    real = first.batch

    def stopped(step, stage):
        if step == 3:
            raise KeyboardInterrupt
        return real(step, stage)

    first.batch = stopped
    with pytest.raises(KeyboardInterrupt):
        train(first, STAGE, tmp_path / "cut", say=lambda _: None)
    second = task_of(world)
    assert resume(tmp_path / "cut", second.modules())["sampler_state"] == second.sampler_state(2, STAGE)
    said = []
    train(second, STAGE, tmp_path / "cut", say=said.append)
    for key in ("loss", "drawn/conversations-1"):
        assert [x[key] for x in lines(tmp_path / "cut")] == [x[key] for x in lines(tmp_path / "whole")]
    drawn = [(x["drawn/conversations-1"], x["drawn/conversations-2"]) for x in lines(tmp_path / "whole")]
    assert (
        [sum(d) for d in drawn] == [4, 8, 12, 14, 18, 22]
        and drawn[3] == (12, 2)
        and not any("changed" in s for s in said)
    )
    train(task_of(world, weights=[1.0, 1.0]), replace(STAGE, steps=7), tmp_path / "cut", say=said.append)
    assert any("have changed since step 6" in s for s in said)


class Restless(ConversationTask):
    """Draws from the global generator in every step, as dropout does."""

    def loss(self, batch):
        loss, figures = super().loss(batch)
        return loss, figures | {"noise": torch.rand(1).item()}


def test_a_model_that_is_asked_learns_the_same(world, tmp_path):
    runs = []
    for name, every in (("asked", 2), ("left alone", 0)):
        task = task_of(world)
        task.__class__ = Restless
        train(task, STAGE, tmp_path / name, say=lambda _: None, examine=Exam("tiny-world:3"), examine_every=every)
        runs.append([(x["loss"], x["grad"], x["noise"]) for x in lines(tmp_path / name)])
        asked = [x["step"] for x in lines(tmp_path / name) if "eval/tiny-world" in x]
        assert asked == ([2, 4, 6] if every else [])
        assert task.model.model.language_model.training and not task.model.model.vision_tower.training
    assert runs[0] == runs[1]


def test_named_benchmarks_are_asked_and_their_answers_kept(world, tmp_path):
    from PIL import Image

    Image.new("RGB", (20, 20)).save(tmp_path / "p.png")
    rows = [
        {"id": str(i), "image": "p.png", "question": "Is there a dog?", "answer": "yes", "group": str(i)}
        for i in range(3)
    ]
    (tmp_path / "mine.jsonl").write_text("\n".join(json.dumps(r) for r in rows))
    done = recipe(world, "tune.steps=2")
    exam = Exam(f"jsonl={tmp_path / 'mine.jsonl'}:2")
    run_stages(done, done.phases(), tmp_path / "run", say=lambda _: None, examine=exam, examine_every=2)
    figures = [{k: v for k, v in x.items() if k.startswith("eval/")} for x in lines(tmp_path / "run" / "tune")]
    assert figures[0] == {} and set(figures[1]) == {"eval/jsonl"} and 0 <= figures[1]["eval/jsonl"] <= 100
    kept = json.loads((tmp_path / "run" / "tune" / "eval" / "jsonl-00000002" / "result.json").read_text())
    assert kept["model"] == "step 2" and kept["items"] == 2
    record = json.loads((tmp_path / "run" / "tune" / "data.json").read_text())
    assert [(f["weight"], f["samples"]) for f in record] == [(1.0, 9), (0.2, 5)] and record[0]["dropped"] == {}


def test_how_an_exam_is_written():
    assert read_wish("tiny-world:60") == Wish("tiny-world", limit=60)
    assert read_wish("pope@official=C:/p.json") == Wish("pope", "official", "C:/p.json")
    assert read_wish("pope=a/p.json:5") == Wish("pope", data="a/p.json", limit=5)
    for wrong in ("pop:5", "pope", "tiny-world:0", "tiny-world=x.json", "pope@mine=x.json"):
        with pytest.raises(UserError):
            Exam(wrong)


@pytest.mark.parametrize("rates", ({"connector": 1.0}, RATES, {"vision": 1.0, "language": 1.0}))
def test_operations_are_those_that_torch_counts(world, rates):
    """Against torch's own counter, where nothing is padding. We count what a first layer would give back, and the encoder's last layer,
    whose output is not used, as learning."""
    from torch.utils.flop_counter import FlopCounterMode

    task = task_of(world, rates)
    task.model.set_attn_implementation("eager")  # the counter does not know the processor's fused attention
    task.samples = [next(s for s in task.samples if s.images)] * 2
    batch = task.load(task.samples)
    with FlopCounterMode(display=False) as counter:
        task.loss(batch)[0].backward()
    assert LlavaCost(task.model).of(batch) == pytest.approx(counter.get_total_flops(), rel=0.08)
