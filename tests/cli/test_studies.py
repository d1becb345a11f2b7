"""The commands of the studies: options reach the config of the study, and a wrong name is a user error."""

import json

import pytest
from typer.testing import CliRunner

from nunbit.cli import classify
from nunbit.cli.commands import app
from nunbit.errors import UserError
from nunbit.studies import ablation, chain_of_thought, classification, connectors, few_shot

CONFIGS = {
    "ablation": (ablation, ablation.AblationConfig),
    "connectors": (connectors, connectors.ConnectorsConfig),
    "few-shot": (few_shot, few_shot.FewShotConfig),
    "chain-of-thought": (chain_of_thought, chain_of_thought.ChainOfThoughtConfig),
}


@pytest.mark.parametrize(
    ("command", "typed", "wanted"),
    [
        (
            "ablation",
            ["--variants", "plain,all", "--image-scale", "0.5", "--scenes", "true"],
            {"variants": ("plain", "all"), "image_scale": 0.5, "scenes": ("true",)},
        ),
        (
            "connectors",
            ["--variants", "mlp, gated-2", "--language-lr", "0"],
            {"variants": ("mlp", "gated-2"), "language_lr": 0.0},
        ),
        ("few-shot", ["--pool", "12", "--episodes", "9"], {"pool": 12, "episodes": 9}),
        (
            "chain-of-thought",
            ["--eval-questions", "30"],
            {"eval_questions": 30, "variants": chain_of_thought.VARIANTS},
        ),
    ],
)
def test_options_reach_the_config(command, typed, wanted, tmp_path, monkeypatch):
    configs = []
    module, kind = CONFIGS[command]
    monkeypatch.setattr(
        module, "run", lambda config, folder, say, **_: configs.append((config, folder)) or {"rows": []}
    )
    given = ["eval", command, "-o", str(tmp_path), "--steps", "7", "--seeds", "2", "--json", *typed]
    done = CliRunner().invoke(app, given)
    assert done.exit_code == 0, done.output
    config, folder = configs[0]
    assert isinstance(config, kind) and folder == tmp_path and (config.steps, config.seeds) == (7, 2)
    assert {k: getattr(config, k) for k in wanted} == wanted
    assert json.loads(done.stdout) == {"rows": []}


@pytest.mark.parametrize("command", CONFIGS)
def test_defaults_are_the_full_sizes(command, monkeypatch):
    configs = []
    module, kind = CONFIGS[command]
    monkeypatch.setattr(module, "run", lambda config, folder, say, **_: configs.append(config) or {"rows": []})
    CliRunner().invoke(app, ["eval", command, "--json"])
    assert configs == [kind()]


def test_a_wrong_variant_is_a_user_error(tmp_path):
    done = CliRunner().invoke(app, ["eval", "connectors", "-o", str(tmp_path / "s"), "--variants", "linaer"])
    assert isinstance(done.exception, UserError) and "did you mean 'linear'" in str(done.exception).lower()


def test_classify_without_a_model_says_how_to_make_one(tmp_path, monkeypatch):
    monkeypatch.setattr(classify, "EMBEDDED", tmp_path / "none")
    done = CliRunner().invoke(app, ["eval", "classify", "-o", str(tmp_path / "c.html")])
    assert isinstance(done.exception, UserError) and "nunbit train clip" in str(done.exception)
    row = {
        "set": "unseen style",
        "language": "en",
        "by_wording": {"{}": 0.5},
        "spread": {"low": 0.5, "high": 0.5, "deviation": 0.0},
        "gain": {"points": 0.0, "interval": [0, 0], "p": 1.0},
        **{k: {"right": 0.5, "interval": [0.4, 0.6], "n": 2} for k in ("one", "ensemble")},
    }
    monkeypatch.setattr(classify, "open_classifier", lambda model: None)
    monkeypatch.setattr(
        classification, "run", lambda eyes, each, seed: {"rows": [row], "pictures": 2, "names": 2, "seed": seed}
    )
    done = CliRunner().invoke(app, ["eval", "classify", "-o", str(tmp_path / "c.html")])
    assert "50.0 (40.0 to 60.0)" in done.stdout and "<svg" in (tmp_path / "c.html").read_text()
