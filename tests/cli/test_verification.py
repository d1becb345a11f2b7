"""``nunbit ask --verify``: the corrected answer, a line a correction, the trace in the JSON."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from nunbit.cli.commands import app
from nunbit.scene import Scene, SceneObject
from nunbit.trust.trace import from_json

PICTURE = str(Path(__file__).parents[2] / "examples" / "animals.png")


@pytest.fixture
def run(monkeypatch):
    """Commands with a perception that finds two cars and nothing else."""
    cars = [SceneObject("car", (10, 10, 90, 90), 0.9), SceneObject("car", (200, 10, 290, 90), 0.9)]
    scene = Scene(640, 480, cars, meta={"perception": {"panoptic": {"status": "ok", "provider": "other"}}})
    monkeypatch.setattr("nunbit.cli.verification.scenes_of", lambda assistant, images, answer: [scene])
    monkeypatch.setattr("nunbit.trust.woodpecker._faint", lambda image: frozenset())

    def run(*words, **more):
        return CliRunner().invoke(app, [*words, "--model", "nunbit-tiny", "--verify", "--no-llm"], **more)

    return run


def test_ask(run, tmp_path):
    shown = run("ask", PICTURE, "Is there a dog?", "--json")
    out = json.loads(shown.stdout)
    made = from_json(out["verification"])
    assert out["answer"] == made.answer == "no" and made.original in ("yes", "no")
    said = run("ask", PICTURE, "How many cars are there?")
    assert said.stdout.strip() == "2"
    original = from_json(json.loads(run("ask", PICTURE, "How many cars are there?", "--json").stdout)["verification"])
    line = f'corrected: "{original.original}" -> "2" [perception finds: there are 2 cars (90 %).]'
    assert (line in said.stderr) == original.changed
    file = tmp_path / "q.jsonl"
    file.write_text(json.dumps({"image": PICTURE, "question": "자동차가 몇 대 있나요?"}) + "\n")
    row = json.loads(run("ask", "--batch", str(file)).stdout)
    assert row["answer"] == row["verification"]["answer"]


def test_chat(run):
    said = run("chat", PICTURE, input="Is there a dog?\n\n")
    assert said.exit_code == 0 and "no" in said.stdout
