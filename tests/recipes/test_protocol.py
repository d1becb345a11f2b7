"""One protocol for every recipe, and no setting that does nothing: changing it changes what the recipe reads, or it is
refused."""

import inspect
from dataclasses import fields, is_dataclass, replace

import pytest

from nunbit.errors import UserError
from nunbit.recipes import RECIPES, load, names
from nunbit.recipes.protocol import MEMBERS, TrainingRecipe
from nunbit.training.config import Phase
from nunbit.training.planning import PlanReport
from nunbit.training.settings import settings
from nunbit.training.stage import Stage

LEARNING_RATES = ("vision_lr", "connector_lr", "language_lr", "layer_connector_lr")


@pytest.mark.parametrize("name", names())
def test_a_recipe_follows_the_protocol(name):
    recipe: TrainingRecipe = load(name)
    assert all(hasattr(recipe, member) for member in MEMBERS)
    assert recipe.SUMMARY and recipe.PAPER and (recipe.__doc__ or "").strip()
    for member, wanted in (("defaults", 0), ("configure", 1), ("stages", 1), ("plan", 2), ("run", 3)):
        given = inspect.signature(getattr(recipe, member)).parameters
        assert len(given) - ("machine" in given) == wanted, member  # a plan may know the cards
    config = recipe.configure(["debug=true"])
    assert is_dataclass(config) and type(config) is type(recipe.defaults())
    stages = recipe.stages(config)
    assert list(stages) == config.stages.split(",") and all(isinstance(s, Phase | Stage) for s in stages.values())
    assert all(f"  {stage}" in recipe.__doc__ for stage in stages), "the description names every stage"


@pytest.mark.parametrize("name", names())
def test_every_recipe_plans(name):
    recipe = load(name)
    config = recipe.configure(["debug=true"])
    report = recipe.plan(config, 1e10)
    assert isinstance(report, PlanReport) and [s.name for s in report.stages] == list(recipe.stages(config))
    for stage in report.stages:
        assert stage.learns and set(stage.learns) <= set(report.parameters)
        assert stage.steps > 0 and stage.operations > 0 and stage.seconds == pytest.approx(stage.operations / 1e10)
        assert stage.gradient_bytes == 4 * sum(stage.learns.values()) and stage.weight_bytes >= stage.gradient_bytes
        assert f"stage {stage.name}" in report.as_text()
    assert report.as_data()["parameters"] == report.parameters


def test_the_list_is_the_summaries_of_what_is_there():
    assert set(RECIPES) == set(names())


@pytest.mark.parametrize("name", names())
def test_a_key_is_shown_and_accepted_or_neither(name):
    recipe = load(name)
    every, shown = settings(recipe.defaults()), recipe.defaults().keys()
    assert set(shown) < set(every)
    for key in set(every) - set(shown):
        with pytest.raises(UserError, match="does nothing in this recipe|unknown setting") as caught:
            recipe.configure(["debug=true", f"{key}=1"])
        assert key in str(caught.value) and "Allowed: " in str(caught.value)
    with pytest.raises(UserError, match="Did you mean"):
        recipe.configure(["debug=true", f"{next(k for k in shown if '.' in k)}x=1"])


def other(value):
    """Another value of a setting."""
    if isinstance(value, bool):
        return "false" if value else "true"
    return str(value + 2) if isinstance(value, int) else "0.25"


@pytest.mark.parametrize("name", names())
def test_every_number_that_is_shown_can_be_changed(name):
    recipe = load(name)
    conditional = ("lora.", "eval", "published")
    for key, value in recipe.defaults().keys().items():
        if isinstance(value, str) or key.startswith(conditional) or key == "debug":
            continue
        changed = recipe.configure(["debug=true", f"{key}={other(value)}"])
        assert settings(changed)[key] != value and str(settings(changed)[key]).lower() == other(value).lower(), key


@pytest.mark.parametrize("name", ["llava15", "llava_next", "collavo", "moai", "flamingo"])
def test_every_learning_rate_that_is_shown_decides_what_learns(name, tmp_path):
    recipe = load(name)
    config = recipe.configure(["debug=true"]).small(tmp_path)
    for stage, phase in config.every_phase().items():
        for rate in LEARNING_RATES:
            if config.is_unused(f"{stage}.{rate}"):
                continue
            learns = []
            for value in (0.0, 1e-3):
                one = replace(config, debug=False, stages=stage, **{stage: replace(phase, **{rate: value})})
                learns.append(set(recipe.plan(one, 1e10).stages[0].learns))
            assert learns[0] < learns[1], f"{stage}.{rate} changes nothing"


COPIERS = (("dataclasses", "replace"), ("dataclasses", "_replace"), ("nunbit.training.settings", "settings"))
"""Functions that read every field of a config, whatever it is for."""


def record_reads(monkeypatch, classes):
    """Names of the fields of config classes that code reads from here on, beside `COPIERS`."""
    import sys

    read = set()
    for cls in classes:
        known = {f.name for f in fields(cls)}

        def get(self, key, cls=cls, known=known):
            frame = sys._getframe(1)
            if key in known and (frame.f_globals["__name__"], frame.f_code.co_name) not in COPIERS:
                read.add((cls.__name__, key))
            return object.__getattribute__(self, key)

        monkeypatch.setattr(cls, "__getattribute__", get, raising=False)
    return read


def config_classes(config):
    """The class of a config and of every config inside it, with the dotted prefixes at which it lies."""
    found = {type(config): [""]}

    def walk(value, prefix):
        for f in fields(value):
            inner = getattr(value, f.name)
            if is_dataclass(inner):
                found.setdefault(type(inner), []).append(f"{prefix}{f.name}.")
                walk(inner, f"{prefix}{f.name}.")

    walk(config, "")
    return found


SAVED_ONLY = {"eval", "eval_every"}
"""Read by the command line, which makes the evaluation of them."""


@pytest.mark.parametrize("name", ["llava15", "llava_next", "collavo", "moai", "flamingo"])
def test_a_run_and_its_plan_read_every_setting_that_is_shown(name, tmp_path, monkeypatch):
    from nunbit.training.options import RunOptions

    recipe = load(name)
    config = recipe.configure(["debug=true", *(["lora.rank=2"] if name.startswith("llava") else [])])
    classes = config_classes(config)
    read = record_reads(monkeypatch, classes)
    recipe.plan(config, 1e10)
    recipe.plan(replace(config.small(tmp_path), debug=False, data=""), 1e10)
    recipe.run(config, tmp_path / "run", RunOptions(say=lambda _: None))
    monkeypatch.undo()
    shown_keys = set(config.keys())
    for cls, prefixes in classes.items():
        for f in fields(cls):
            keys = [prefix + f.name for prefix in prefixes]
            shown = [
                k for k in keys if k in shown_keys and k not in SAVED_ONLY and not is_dataclass(settings(config).get(k))
            ]
            assert not shown or (cls.__name__, f.name) in read, f"{shown} is shown and never read"


@pytest.mark.parametrize(
    "name, changes, says",
    [
        ("moai", ["debug=true", "lora.rank=4"], "'lora.rank' does nothing"),
        (
            "moai",
            ["debug=true", "gates.language_lr=1e-4"],
            "'gates.language_lr' does nothing.*gates.layer_connector_lr",
        ),
        ("collavo", ["debug=true", "prompt.language_lr=1e-4"], "does nothing.*instruct.language_lr"),
        ("collavo", ["model.base=a", "model.llm=b", "model.vision=c"], "'model.llm' does nothing"),
        ("moai", ["model.base=a", "model.vision=c"], "'model.vision' does nothing"),
        ("collavo", ["debug=true", "instruct.pack=64"], "'instruct.pack' does nothing"),
        ("flamingo", ["debug=true", "mixture.layer_connector_lr=1e-4"], "does nothing.*mixture.connector_lr"),
        ("flamingo", ["debug=true", "model.connector=mlp"], "does nothing"),
        ("flamingo", ["model.base=a", "flamingo.every=2"], "'flamingo.every' does nothing with model.base"),
        ("llava15", ["debug=true", "tune.layer_connector_lr=1"], "does nothing.*tune.connector_lr"),
        ("llava15", ["model.base=a", "model.layer=-1"], "'model.layer' does nothing with model.base"),
        ("llava15", ["model.base=a", "model.connector=qformer"], "'model.connector' does nothing with model.base"),
        ("llava15", ["debug=true", "lora.bits=4"], "'lora.bits' does nothing without lora.rank"),
        (
            "llava15",
            ["debug=true", "lora.rank=4", "tune.vision_lr=1e-5"],
            "'tune.vision_lr' does nothing beside an adapter",
        ),
        ("llava_next", ["debug=true", "model.connector=qformer"], "does nothing"),
        ("llava15", ["debug=true", "eval=tiny-world:5"], "both, or neither"),
        ("tiny", ["encoder.name=x"], "'encoder.name' does nothing"),
        ("tiny", ["stages=eye"], "unknown stage 'eye'"),
        ("clip", ["micro_batch_size=4"], "does nothing"),
        ("clip", ["clip.schedule=cosin"], "cosine"),
    ],
)
def test_what_does_nothing_is_refused_in_words(name, changes, says):
    with pytest.raises(UserError, match=says):
        load(name).configure(changes)


@pytest.mark.parametrize(
    "name, key", [("tiny", "language.steps=7"), ("tiny", "steps=7"), ("clip", "clip.batch=5"), ("clip", "batch=5")]
)
def test_embedded_models_are_configured_like_the_others(name, key):
    config = load(name).configure([key])
    field, value = key.rsplit(".", 1)[-1].split("=")
    changed = {k for k, v in settings(config).items() if v != settings(load(name).defaults())[k]}
    assert changed == {
        k
        for k in settings(config)
        if k.endswith(f".{field}") and (key.count(".") == 0 or k.startswith(key.split(".")[0]))
    }
    assert all(settings(config)[k] == int(value) for k in changed)


@pytest.mark.parametrize(
    "connector, options, tokens",
    [
        ("linear", "", 16),
        ("mlp", "", 16),
        ("pixel_shuffle", "", 4),
        ("perceiver", "latents=5,depth=1", 5),
        ("gated_cross_attention", "latents=6,every=1", 1),
        ("qformer", "queries=7,width=24,depth=2,heads=2", 7),
    ],
)
def test_the_plan_counts_any_connector(connector, options, tokens, tmp_path):
    from nunbit.training.multimodal import part_of
    from nunbit.training.stages import build_model

    recipe = load("llava15")
    config = recipe.configure(["debug=true", f"model.connector={connector}", f"model.connector_options={options}"])
    report = recipe.plan(config, 1e10)
    model, _ = build_model(config.small(tmp_path).model)
    counts = dict.fromkeys(report.parameters, 0)
    for name, p in model.named_parameters():
        counts[part_of(name)] += p.numel()
    assert report.parameters == counts and report.image_tokens == model.config.image_seq_length == tokens


@pytest.mark.parametrize(
    "changes, says",
    [
        (["model.connector=qfromer"], "Did you mean 'qformer'"),
        (["model.connector=qformer", "model.connector_options=querys=3"], "Did you mean 'queries'"),
        (["model.connector=qformer", "model.connector_options=queries"], "write for example|Write for example"),
        (["model.connector=perceiver", "model.connector_options=latents=3,latents=4"], "twice"),
        (["model.connector=linear", "model.tiles=1x2"], "mlp, or no tiles"),
        (["model.connector_options=vision_width=3"], "unknown option"),
        (["model.connector=crayon"], "unknown connector"),
    ],
)
def test_a_connector_that_cannot_be_is_refused_before_anything_opens(changes, says):
    with pytest.raises(UserError, match=says):
        load("llava15").configure(["debug=true", *changes])
