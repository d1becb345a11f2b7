"""Recipes as a room: they run, resume, plan, are copied, and refuse what cannot be."""

import pytest
from tests.recipes.parts import small_flamingo, write_parts

from nunbit.assistant import Assistant
from nunbit.errors import UserError
from nunbit.messages import question
from nunbit.models.flamingo import gated_parts
from nunbit.recipes import copy, load, names, source
from nunbit.recipes.flamingo import build_flamingo
from nunbit.training.options import RunOptions
from nunbit.training.stages import build_model
from nunbit.world.samples import sample

QUIET = RunOptions(say=lambda _: None)


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    return write_parts(tmp_path_factory.mktemp("parts"))


@pytest.mark.parametrize("name", ["llava_next", "flamingo"])
def test_the_debug_run_ends_with_a_model_that_answers(name, tmp_path):
    recipe = load(name)
    assert name in names()
    done = recipe.configure(["debug=true"])
    out = recipe.run(done, tmp_path / "run", QUIET)
    first = {p.name: p.read_bytes() for p in out.glob("*.safetensors")}
    assert first and sorted(p.parent.name for p in (tmp_path / "run").glob("*/last.pt")) == sorted(done.phases())
    assert recipe.run(done, tmp_path / "run", QUIET) == out
    assert {p.name: p.read_bytes() for p in out.glob("*.safetensors")} == first
    talks = [question("What is this?", [sample(i, seed=1).picture.pixels for i in range(n)]) for n in (2, 1, 0)]
    answers = Assistant(out).ask_many(talks, max_new_tokens=3)
    assert len(answers) == 3


@pytest.mark.parametrize("name", names())
def test_a_copy_is_the_recipe(name, tmp_path):
    path = str(copy(name, tmp_path / "mine.py"))
    mine = load(path)
    assert source(path) == source(name) and callable(mine.run)
    assert mine.configure(["debug=true"]).keys() == load(name).configure(["debug=true"]).keys()


def test_what_is_no_recipe_is_named(tmp_path):
    (tmp_path / "x.py").write_text("STAGES = {}\n")
    for name, says in ((tmp_path / "x.py", "is no recipe"), (tmp_path / "y.py", "is no file"), ("llava51", "llava15")):
        with pytest.raises(UserError, match=says):
            load(str(name))


@pytest.mark.parametrize("name", ["llava_next", "flamingo"])
def test_the_plan_counts_what_the_run_learns(name, parts):
    done = small_flamingo(parts) if name == "flamingo" else load(name).configure(parts)
    plan = load(name).plan(done, 1e10)
    counts, stages = plan.parameters, plan.stages
    if name == "flamingo":
        model, _ = build_flamingo(done)
        learnt = {k: sum(p.numel() for p in m.parameters()) for k, m in gated_parts(model).items()}
        assert stages[0].learns == learnt
        assert sum(counts.values()) == sum(p.numel() for p in model.parameters())
    else:
        model, _ = build_model(done.model)
        assert sum(counts.values()) == sum(p.numel() for p in model.parameters())
        assert [set(s.learns) for s in stages] == [{"connector"}, {"vision", "connector", "language"}]
    assert all(s.operations > 0 and s.tokens > 0 for s in stages)


@pytest.mark.parametrize(
    "name, changes",
    [
        ("flamingo", []),
        ("flamingo", ["debug=true", "lora.rank=4"]),
        ("flamingo", ["debug=true", "mixture.language_lr=1e-5"]),
        ("flamingo", ["debug=true", "mixture.pack=64"]),
        ("flamingo", ["debug=true", "p_next=2"]),
        ("flamingo", ["model.base=/nowhere", "data=x"]),
        ("flamingo", ["debug=true", "mixture.schedule=round"]),
        ("llava_next", []),
        ("llava_next", ["debug=true", "model.tiles=0x1"]),
        ("llava_next", ["model.base=a", "model.llm=b"]),
        ("llava_next", ["model.llm=a", "model.vision=b"]),
    ],
)
def test_what_cannot_be_is_said(name, changes, tmp_path):
    recipe = load(name)
    with pytest.raises(UserError):
        recipe.run(recipe.configure(changes), tmp_path, QUIET)
