"""The stages of the embedded model: a killed run resumes to the same curve, and the model opens."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from nunbit.recipes import tiny
from nunbit.recipes.tiny.model import make_tokenizer
from nunbit.training.options import RunOptions


@pytest.fixture(scope="module")
def tokenizer():
    return make_tokenizer(pictures=60)


def curve(folder):
    return [(r["step"], r["loss"], r["grad"]) for r in map(json.loads, (folder / "log.jsonl").read_text().splitlines())]


def test_a_killed_recipe_resumes_to_the_same_curve(tmp_path):
    """The real thing: the recipe's encoder stage as a process, killed without warning, started again."""
    command = [
        sys.executable,
        "-m",
        "nunbit",
        "train",
        "tiny",
        "stages=encoder",
        "steps=6",
        "batch=2",
        "save_every=2",
        "--threads",
        "1",
        "-o",
    ]
    env = os.environ | {"OMP_NUM_THREADS": "1"}
    make_tokenizer(pictures=40).save_pretrained(tmp_path / "whole" / "tokenizer")
    make_tokenizer(pictures=40).save_pretrained(tmp_path / "cut" / "tokenizer")
    subprocess.run([*command, str(tmp_path / "whole")], check=True, env=env, capture_output=True, timeout=240)
    process = subprocess.Popen(
        [*command, str(tmp_path / "cut")], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    log = tmp_path / "cut" / "encoder" / "log.jsonl"
    deadline = time.time() + 200
    while time.time() < deadline and not (log.exists() and len(log.read_text().splitlines()) >= 3):
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert 3 <= len(log.read_text().splitlines()) < 6, "the kill came too late to show anything"
    subprocess.run([*command, str(tmp_path / "cut")], check=True, env=env, capture_output=True, timeout=240)
    assert curve(tmp_path / "cut" / "encoder") == curve(tmp_path / "whole" / "encoder")


def test_every_stage_runs_and_the_model_opens(tmp_path, tokenizer):
    from nunbit.assistant import Assistant
    from nunbit.messages import question
    from nunbit.models.checkpoint import open_model

    tokenizer.save_pretrained(tmp_path / "tokenizer")
    tiny.run(tiny.configure(["debug=true"]), tmp_path, RunOptions(say=lambda _: None))
    model, _ = open_model(tmp_path / "model")
    assert model.config.model_type == "llava"
    for stage in tiny.STAGES:
        assert len(curve(tmp_path / stage)) == 2
    helper = Assistant(tmp_path / "model")
    assert helper.aware is not None and set(helper.aware.connectors) == {"crayon", "moai"}
    assert helper.ask(question("What is this?", [np.zeros((192, 192, 3), np.uint8)]), max_new_tokens=2).tokens
