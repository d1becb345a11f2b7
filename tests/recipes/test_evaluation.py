"""Benchmarks during training: they leave the training as it was, and keep their answers."""

import json

import pytest
import torch
from tests.training.small_llava import STAGE, configured, task_of, write_world

from nunbit.errors import UserError
from nunbit.recipes import llava15
from nunbit.recipes.evaluation import BenchmarkEvaluation, BenchmarkRequest, read_request
from nunbit.training.loop import train
from nunbit.training.multimodal import ConversationTask
from nunbit.training.options import RunOptions


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return write_world(tmp_path_factory.mktemp("world"))


def lines(folder):
    return [json.loads(t) for t in (folder / "log.jsonl").read_text().splitlines()]


class Restless(ConversationTask):
    """Draws from the global generator in every step, as dropout does."""

    def loss(self, batch):
        loss, figures = super().loss(batch)
        return loss, figures | {"noise": torch.rand(1).item()}


def test_a_model_that_is_asked_learns_the_same(world, tmp_path):
    runs = []
    for name, every in (("evaluated", 2), ("left alone", 0)):
        task = task_of(world)
        task.__class__ = Restless
        train(
            task,
            STAGE,
            tmp_path / name,
            RunOptions(say=lambda _: None, evaluate=BenchmarkEvaluation("tiny-world:3"), evaluate_every=every),
        )
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
    done = configured(world, "tune.steps=2")
    evaluation = BenchmarkEvaluation(f"jsonl={tmp_path / 'mine.jsonl'}:2")
    options = RunOptions(say=lambda _: None, evaluate=evaluation, evaluate_every=2)
    llava15.run(done, tmp_path / "run", options)
    figures = [{k: v for k, v in x.items() if k.startswith("eval/")} for x in lines(tmp_path / "run" / "tune")]
    assert figures[0] == {} and set(figures[1]) == {"eval/jsonl"} and 0 <= figures[1]["eval/jsonl"] <= 100
    kept = json.loads((tmp_path / "run" / "tune" / "eval" / "jsonl-00000002" / "result.json").read_text())
    assert kept["model"] == "step 2" and kept["items"] == 2
    record = json.loads((tmp_path / "run" / "tune" / "data.json").read_text())
    assert [(f["weight"], f["samples"]) for f in record] == [(1.0, 9), (0.2, 5)] and record[0]["dropped"] == {}


def test_how_a_request_is_written():
    assert read_request("tiny-world:60") == BenchmarkRequest("tiny-world", limit=60)
    assert read_request("pope@official=C:/p.json") == BenchmarkRequest("pope", "official", "C:/p.json")
    assert read_request("pope=a/p.json:5") == BenchmarkRequest("pope", data="a/p.json", limit=5)
    for wrong in ("pop:5", "pope", "tiny-world:0", "tiny-world=x.json", "pope@mine=x.json"):
        with pytest.raises(UserError):
            BenchmarkEvaluation(wrong)
