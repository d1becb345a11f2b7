"""The recipes `collavo` and `moai`: they run, resume, plan, and what they write opens and answers."""

import json

import pytest
import torch
from tests.models.object_aware.small import write_base

from nunbit.assistant import Assistant
from nunbit.errors import UserError
from nunbit.messages import question
from nunbit.models.object_aware import context
from nunbit.perception import Lazy, Perception
from nunbit.recipes import collavo, load, moai, names
from nunbit.recipes.debug_set import write_conversations
from nunbit.training.options import RunOptions
from nunbit.world.samples import sample

QUIET = RunOptions(say=lambda _: None)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return write_base(tmp_path_factory.mktemp("base"))


@pytest.mark.parametrize("name", ["collavo", "moai"])
def test_the_recipe_runs_resumes_and_its_model_answers(name, base, tmp_path):
    recipe = load(name)
    assert name in names()
    data = write_conversations(tmp_path / "data", samples=8)
    done = recipe.configure([f"model.base={base}", f"data={data}", f"images={data.parent}", "debug=true"])
    out = recipe.run(done, tmp_path / "run", QUIET)
    first = {p.name: p.read_bytes() for p in out.glob("*.safetensors")}
    assert {"object_aware.safetensors", "model.safetensors"} <= set(first)
    stages = [p.parent.name for p in (tmp_path / "run").glob("*/last.pt")]
    assert sorted(stages) == sorted(done.phases())
    assert recipe.run(done, tmp_path / "run", QUIET) == out
    assert {p.name: p.read_bytes() for p in out.glob("*.safetensors")} == first
    helper = Assistant(out)
    assert (
        helper.aware is not None
        and helper.ask(question("What is this?", [sample(1, seed=1).picture.pixels]), max_new_tokens=2).tokens
    )
    held = json.loads((out / "object_aware.json").read_text())
    assert list(held["connectors"]) == (["crayon"] if name == "collavo" else ["moai"])
    if name == "collavo":
        assert {p.name for p in (tmp_path / "run" / "adapter").iterdir() if p.is_dir()} == {"image", "words"}


@pytest.mark.parametrize("name", ["collavo", "moai"])
def test_the_plan_counts_what_the_run_learns(name, base, tmp_path):
    recipe = load(name)
    data = write_conversations(tmp_path / "data", samples=8)
    done = recipe.configure([f"model.base={base}", f"data={data}", f"images={data.parent}", "debug=true"]).small(
        tmp_path
    )
    plan = recipe.plan(done, 1e10)
    counts, plans = plan.parameters, plan.stages
    said = []
    recipe.run(
        recipe.configure([f"model.base={base}", f"data={data}", f"images={data.parent}", "debug=true"]),
        tmp_path / "run",
        RunOptions(say=said.append),
    )
    for plan in plans:
        line = next(x for x in said if x.startswith(f"{plan.name}: learning"))
        part = "moai" if name == "moai" else "crayon"
        if plan.name != "experts":  # its gates wait
            assert f"{part} {plan.learns[part]:,}" in line
        if plan.name == "instruct":
            assert f"language {plan.learns['language']:,}" in line
    assert set(counts) == {"vision", "connector", "language", "crayon" if name == "collavo" else "moai"}


def test_moai_leaves_its_gates_alone_in_the_first_step(base, tmp_path):
    data = write_conversations(tmp_path / "data", samples=8)
    done = moai.configure(
        [f"model.base={base}", f"data={data}", f"images={data.parent}", "debug=true", "stages=experts"]
    )
    moai.run(done, tmp_path / "run", QUIET)
    learnt = torch.load(tmp_path / "run" / "experts" / "last.pt", weights_only=True)["modules"]["moai"]
    gates = {k: v for k, v in learnt.items() if ".gate_" in k}
    assert gates and all(not v.any() for v in gates.values())
    assert any(v.any() for k, v in learnt.items() if "linear_o.1" in k)


@pytest.mark.parametrize(
    "changes",
    [
        [],
        ["model.base=/nowhere"],
        ["stages=prompt,dance", "debug=true"],
        ["lora.rank=0", "debug=true"],
        ["instruct.connector_lr=1", "debug=true"],
        ["stages=", "debug=true"],
    ],
)
def test_what_cannot_be_is_said(changes, tmp_path):
    with pytest.raises(UserError):
        collavo.run(collavo.configure(changes), tmp_path, QUIET)


class Broken:
    """A perception part that fails on every picture."""

    name = "broken"

    def __call__(self, images):
        raise RuntimeError("no memory")


@pytest.mark.parametrize("name", ["collavo", "moai"])
def test_a_run_ends_before_its_first_step_where_perception_fails(name, base, tmp_path, monkeypatch):
    data = write_conversations(tmp_path / "data", samples=8)
    recipe = load(name)
    done = recipe.configure([f"model.base={base}", f"data={data}", f"images={data.parent}", "debug=true"])
    monkeypatch.setattr(context, "build_perception", lambda config: Perception(panoptic=Broken()))
    with pytest.raises(UserError, match=r"'panoptic' failed on \d+ of \d+ pictures \(RuntimeError: no memory\).*5%"):
        recipe.run(done, tmp_path / "run", QUIET)
    monkeypatch.setattr(context, "build_perception", lambda config: Perception(ocr=Lazy(lambda: Broken()([]))))
    with pytest.raises(UserError, match="cannot open its part 'ocr'"):
        recipe.run(done, tmp_path / "other", QUIET)
    assert not [*tmp_path.glob("*/*/last.pt")]
