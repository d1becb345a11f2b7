"""The recipe from its first step to the model's folder, on a base of random weights."""

import json

import numpy as np
import pytest
import torch
from tests.recipes.small.tiny_base import save_base

from nunbit import recipes
from nunbit.errors import UserError
from nunbit.models.checkpoint import open_model
from nunbit.models.small import read_delta
from nunbit.recipes.small import accelerator
from nunbit.recipes.small.data import ExampleMaker
from nunbit.recipes.small.rows import KEYS, Encoder
from nunbit.recipes.small.train import SmallTask, open_base
from nunbit.training.options import RunOptions

SMALL = (
    "scene_text.batch=1",
    "scene_text.steps=4",
    "scene_text.save_every=2",
    "scene_text.decay=0.25",
    "rank=2",
    "questions=4",
    "replies=false",
    "pages=0",
    "composites=0",
    "world_pictures=0",
)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return save_base(tmp_path_factory.mktemp("base"))


def run(base, folder, *changes):
    small = recipes.load("small")
    config = small.configure([f"base={base}", "stages=scene_text", "evaluate_every=4", *SMALL, *changes])
    return small.run(config, folder, RunOptions(say=lambda line: None))


def losses(folder):
    return [json.loads(line)["loss"] for line in (folder / "scene_text" / "log.jsonl").read_text().splitlines()]


def test_a_run_ends_in_a_model_that_transformers_opens(base, tmp_path):
    model = run(base, tmp_path)
    opened, processor = open_model(model)
    tokenizer = processor.tokenizer
    assert opened.get_input_embeddings().weight.shape[0] == len(tokenizer)
    assert len(tokenizer("원숭이", add_special_tokens=False).input_ids) == 3
    last = json.loads((tmp_path / "scene_text" / "log.jsonl").read_text().splitlines()[-1])
    assert {"eval/true", "eval/estimated", "eval/other"} <= set(last)


def test_a_run_that_was_cut_off_ends_as_one_that_was_not(base, tmp_path):
    run(base, tmp_path / "whole")
    run(base, tmp_path / "cut", "scene_text.steps=2", "scene_text.decay=0.0001")
    run(base, tmp_path / "cut")
    assert losses(tmp_path / "cut") == pytest.approx(losses(tmp_path / "whole"), abs=1e-6)


def test_a_stage_starts_from_a_finished_run_in_bfloat16(base, tmp_path):
    run(base, tmp_path / "first")
    folder = tmp_path / "more"
    more = ("stages=connect", f"start={tmp_path / 'first'}", "bfloat16=true", "connect.batch=1", "connect.steps=1")
    run(base, folder, *more, "connect.lr=1e-9", "connect.warmup=0", "evaluate_every=0")
    before, after = (read_delta(f / "delta")[1] for f in (tmp_path / "first", folder))
    assert float(before["layers.0.qkv.B"].abs().max()) > 0
    for name in ("layers.0.qkv.B", "layers.1.down.A", "rows.weight"):
        step = before[name].abs().amax() / 127  # each is written in int8
        assert torch.allclose(before[name], after[name], atol=2 * float(step)), name


def test_a_start_that_is_not_there_is_named(base, tmp_path):
    with pytest.raises(UserError, match="start=.*missing"):
        run(base, tmp_path, "stages=connect", f"start={tmp_path / 'nowhere'}")


def test_the_next_batch_after_a_resume_is_the_same(base):
    decoder, tokenizer = open_base(base, 2)
    stage = recipes.load("small").configure([f"base={base}", *SMALL]).scene_text
    one, other = (SmallTask(decoder, Encoder(tokenizer), ExampleMaker()).batch(7, stage) for _ in range(2))
    assert all(torch.equal(one[k], other[k]) for k in KEYS)


def test_a_visit_to_an_accelerator_trains_and_brings_back_what_learnt(base, tmp_path):
    accelerator.pack(base, tmp_path / "kept", 1_000_000)
    (tmp_path / "out").mkdir()
    changes = ("scene_text.batch=2", "scene_text.micro_batch_size=2", "rank=2")
    accelerator.train(tmp_path / "kept", tmp_path / "out", 0.001, changes, device="cpu", say=lambda line: None)
    state = accelerator.collect(tmp_path / "out", tmp_path / "state.safetensors")
    decoder, _ = open_base(base, 2)
    before = decoder.layers[0].qkv.B.detach().clone()
    accelerator.read_state(decoder, state)
    assert not torch.equal(before, decoder.layers[0].qkv.B)
    assert np.isfinite(
        [json.loads(line)["loss"] for line in (tmp_path / "out" / "log.jsonl").read_text().splitlines()]
    ).all()


def test_the_plan_names_both_stages():
    small = recipes.load("small")
    report = small.plan(small.defaults(), 1e11).as_text()
    assert "scene_text" in report and "connect" in report


def test_an_unknown_setting_is_refused():
    with pytest.raises(UserError, match="rang"):
        recipes.load("small").configure(["rang=3"])
