"""The commands of the studies: what is typed reaches the study, and a wrong name is a sentence."""

import json

import pytest
from typer.testing import CliRunner

from nunbit.cli import classify
from nunbit.cli.commands import app
from nunbit.errors import UserError
from nunbit.studies import chain_of_thought, classification, connectors, few_shot


@pytest.mark.parametrize(
    ("command", "module", "typed", "wanted"),
    [
        ("connectors", connectors, ["--arms", "mlp, gated-2", "--language-lr", "0"], {"arms": ("mlp", "gated-2"), "language_lr": 0.0}),
        ("few-shot", few_shot, ["--pool", "12", "--episodes", "9"], {"pool": 12, "episodes": 9}),
        ("chain-of-thought", chain_of_thought, ["--asked", "30"], {"asked": 30, "arms": chain_of_thought.ARMS}),
    ],
)
def test_what_is_typed_is_the_plan(command, module, typed, wanted, tmp_path, monkeypatch):
    plans = []
    monkeypatch.setattr(module, "run", lambda plan, folder, say, **how: plans.append((plan, folder)) or {"rows": []})
    done = CliRunner().invoke(app, ["eval", command, "-o", str(tmp_path), "--steps", "7", "--seeds", "2", "--json", *typed])
    assert done.exit_code == 0, done.output
    plan, folder = plans[0]
    assert folder == tmp_path and {k: getattr(plan, k) for k in wanted} == wanted and (plan.steps, plan.seeds) == (7, 2)
    assert json.loads(done.stdout) == {"rows": []}


def test_defaults_are_the_full_sizes(monkeypatch):
    for command, module in (("connectors", connectors), ("few-shot", few_shot), ("chain-of-thought", chain_of_thought)):
        plans = []
        monkeypatch.setattr(module, "run", lambda plan, folder, say, plans=plans, **how: plans.append(plan) or {"rows": []})
        CliRunner().invoke(app, ["eval", command, "--json"])
        assert plans == [module.Plan()]


def test_a_wrong_arm_is_a_sentence(tmp_path):
    done = CliRunner().invoke(app, ["eval", "connectors", "-o", str(tmp_path / "s"), "--arms", "linaer"])
    assert isinstance(done.exception, UserError) and "did you mean 'linear'" in str(done.exception).lower()


def test_classify_without_a_pair_says_how_to_make_one(tmp_path, monkeypatch):
    monkeypatch.setattr(classify, "EMBEDDED", tmp_path / "none")
    done = CliRunner().invoke(app, ["eval", "classify", "-o", str(tmp_path / "c.html")])
    assert isinstance(done.exception, UserError) and "nunbit train clip" in str(done.exception)
    row = {"set": "unseen style", "language": "en", "by_wording": {"{}": 0.5}, "spread": {"low": 0.5, "high": 0.5, "deviation": 0.0},
           "gain": {"points": 0.0, "interval": [0, 0], "p": 1.0}, **{k: {"right": 0.5, "interval": [0.4, 0.6], "n": 2} for k in ("one", "ensemble")}}  # fmt: skip
    monkeypatch.setattr(classify, "open_pair", lambda model: None)
    monkeypatch.setattr(classification, "run", lambda eyes, each, seed: {"rows": [row], "pictures": 2, "names": 2, "seed": seed})
    done = CliRunner().invoke(app, ["eval", "classify", "-o", str(tmp_path / "c.html")])
    assert "50.0 (40.0 to 60.0)" in done.stdout and "<svg" in (tmp_path / "c.html").read_text()
