"""`nunbit eval photos`: the model, the blank picture, rules and the language model alone, side by side."""

import json

import numpy as np
import pytest
from tests.recipes.small.tiny_base import save_base
from typer.testing import CliRunner

from nunbit.cli.commands import app
from nunbit.evaluation import photos
from nunbit.evaluation.text_only import text_only
from nunbit.messages import question


@pytest.fixture
def two(monkeypatch):
    pixels = np.full((40, 60, 3), 200, np.uint8)
    made = [
        photos.PhotoItem(0, "photograph", pixels, "existence", "en", "Is there a cat?", ("no",)),
        photos.PhotoItem(0, "photograph", pixels, "counting", "ko", "고양이가 몇 마리 있나요?", ("0",)),
    ]
    monkeypatch.setattr(photos, "items", lambda **_: made)


def test_the_report_has_every_answerer(two):
    done = CliRunner().invoke(app, ["eval", "photos", "--baselines", "rules", "--json"])
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert report["questions"] == 2 and report["model"] == "nunbit-tiny"
    assert set(report["tables"]["all"]["all"]) == {"n", "interval", "right", "blank", "rules"}
    assert all({"right", "blank", "rules"} <= set(a) for a in report["answers"])


@pytest.mark.parametrize(("baselines", "said"), [("rule", "rule"), ("base", "models get smollm2")])
def test_what_cannot_be_compared_is_named(two, baselines, said):
    done = CliRunner().invoke(app, ["eval", "photos", "--baselines", baselines])
    assert done.exit_code and said in f"{done.output}{done.exception}"


def test_a_language_model_alone_answers_without_the_picture(tmp_path):
    ask = text_only(save_base(tmp_path))
    asked = [question("Is there a cat?", [np.zeros((8, 8, 3), np.uint8)]), question("Say something longer.")]
    assert ask(asked) == [ask([c])[0] for c in asked]
