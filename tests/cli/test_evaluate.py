"""nunbit eval run, grid and abilities: scene conditioning can be switched off, under a name and in a folder of its
own."""

import json

import pytest
from tests.evaluation.layouts import own
from typer.testing import CliRunner

from nunbit.cli.commands import app
from nunbit.errors import UserError
from nunbit.evaluation import target
from nunbit.evaluation.target import NOT_OBJECT_AWARE, Target


@pytest.fixture
def opened(monkeypatch):
    """What `local_target` was asked for; its targets answer "A"."""
    calls = []

    def local_target(model, device, *, object_aware, **options):
        calls.append((model, object_aware))
        name = "stub" if object_aware else f"stub {NOT_OBJECT_AWARE}"
        return Target(name, lambda batch: ["A"] * len(batch))

    monkeypatch.setattr(target, "local_target", local_target)
    return calls


def invoke(*words):
    done = CliRunner().invoke(app, ["eval", *map(str, words)])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


@pytest.mark.parametrize(("flag", "object_aware"), [((), True), (("--no-object-aware",), False)])
def test_run_switches_conditioning(flag, object_aware, opened, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = invoke("run", "jsonl", "--data", own(tmp_path / "own"), "--json", *flag)
    assert opened == [(None, object_aware)]
    result = json.loads(done.stdout)
    assert (NOT_OBJECT_AWARE in result["model"]) is not object_aware
    assert result["folder"].endswith("stub" if object_aware else "stub-" + NOT_OBJECT_AWARE.replace(" ", "-"))


def test_grids_with_and_without_conditioning_do_not_share_cells(opened, tmp_path):
    data, out = own(tmp_path / "own"), tmp_path / "grid"
    rows = []
    for flag in ((), ("--no-object-aware",)):
        rows += json.loads(invoke("grid", f"jsonl={data}", "-o", out, "--json", *flag).stdout)
    assert [c[1] for c in opened] == [True, False] and len({r["folder"] for r in rows}) == 2
    assert rows[1]["target"] == f"embedded {NOT_OBJECT_AWARE}"


def test_abilities_switch_conditioning(opened):
    invoke("abilities", "counting", "-n", "2", "--no-object-aware", "--json")
    assert opened == [(None, False)]


def test_a_server_decides_about_conditioning_itself(tmp_path):
    with pytest.raises(UserError, match="a server conditions its model itself"):
        invoke("run", "jsonl", "--data", own(tmp_path / "own"), "--model", "http://127.0.0.1:9/v1", "--no-object-aware")


def test_old_flags_are_gone(tmp_path):
    for words in (("tiny-world", "--untold"), ("ablation", "--sight", "1"), ("connectors", "--arms", "mlp")):
        assert invoke(*words).exit_code == 2


def test_wrong_numbers_of_shots_are_named(tmp_path):
    with pytest.raises(UserError, match="--shots many"):
        invoke("grid", f"jsonl={own(tmp_path / 'own')}", "--shots", "many")
