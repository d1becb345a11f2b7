"""train: the recipe by its name, changes as key=value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from nunbit import recipes
from nunbit.errors import UserError, unknown_name


def train_recipe(recipe: str, changes: Sequence[str], out: Path | None, threads: int, how: dict[str, Any]) -> None:
    module = recipes.load(recipe)
    out = out or Path("runs") / Path(recipe).stem
    if not hasattr(module, "configure"):  # an embedded model: its settings are those of its stages
        stages, values = parse_changes(changes)
        how.pop("shard")
        _threads(threads)
        module.run(out, *([stages] if stages else []), **how, **values)
        print(f"the run is in {out}")
        return
    done = module.configure([*changes, *(["debug=true"] if how.pop("debug") else [])])
    _threads(threads)
    if bool(done.eval) != bool(done.eval_every):
        raise UserError(f"eval={done.eval} eval_every={done.eval_every}", allowed="both, or neither",
                        todo="write for example: eval=tiny-world:60 eval_every=500")  # fmt: skip
    if done.eval:
        from nunbit.recipes.evaluation import Exam

        how |= {"examine": Exam(done.eval), "examine_every": done.eval_every}
    print(f"the model is in {module.run(done, out, **how)}")


def plan_recipe(recipe: str, changes: Sequence[str], flops: float, as_json: bool) -> None:
    import json
    import tempfile

    module = recipes.load(recipe)
    if not hasattr(module, "configure"):
        raise UserError(f"no plan for '{recipe}'", allowed="recipes for conversations", todo="see: nunbit recipes list")
    done = module.configure(changes)
    from nunbit.training.planning import as_data, as_text, make_plan

    with tempfile.TemporaryDirectory() as folder:
        done = done.small(Path(folder)) if done.debug else done
        counts, plans = make_plan(done, done.phases(), flops)
    print(json.dumps(as_data(counts, plans), indent=1) if as_json else as_text(counts, plans, flops))


def show_recipe(recipe: str, code: bool) -> None:
    module = recipes.load(recipe)
    if code or not hasattr(module, "recipe"):
        print(recipes.source(recipe))
        return
    from nunbit.training.settings import settings

    print(f"{(module.__doc__ or '').strip()}\n")
    for key, value in settings(module.recipe()).items():
        print(f"{key}={str(value).lower() if isinstance(value, bool) else value}")


def merge_adapter(adapter: Path, out: Path, base: Path | None) -> None:
    from nunbit.training.adapters import merge

    print(f"max |difference| of a logit: {merge(adapter, out, base):.2e}\nthe model is in {out}")


def import_llava(checkpoint: Path, vision: str, llm: str, out: Path) -> None:
    if out.exists() and any(out.iterdir()):
        raise UserError(f"'{out}' is not empty", allowed="a new folder", todo="name another one")
    from nunbit.models.assemble import assemble
    from nunbit.models.compose import save
    from nunbit.models.importers import llava

    held = llava.read(checkpoint)
    model, processor = assemble(vision, llm)
    whole = any("mm_projector" not in name for name in held)
    report = (llava.load_whole if whole else llava.load_projector)(checkpoint, model)
    save(model, processor, out)
    print(f"{report}\nthe model is in {out}")


def _threads(count: int) -> None:
    import torch

    torch.set_num_threads(count)


def parse_changes(changes: Sequence[str]) -> tuple[list[str], dict[str, Any]]:
    """``stages=a,b`` apart from fields of `Stage`, each turned into the field's type."""
    from nunbit.training.loop import Stage

    convert = {"int": int, "float": float}
    kinds = {f.name: f.type for f in fields(Stage) if str(f.type) in convert}
    stages: list[str] = []
    values: dict[str, Any] = {}
    for change in changes:
        key, mark, value = change.partition("=")
        if not mark:
            raise UserError(f"'{change}'", allowed="key=value", todo="write for example: steps=100")
        if key == "stages":
            stages = [s for s in value.split(",") if s]
        elif key not in kinds:
            raise unknown_name("setting", key, [*kinds, "stages"])
        else:
            try:
                values[key] = convert[str(kinds[key])](value)
            except ValueError:
                raise UserError(f"{key}={value}", allowed=f"a number ({kinds[key]})") from None
            if values[key] < 0:
                raise UserError(f"{key}={value}", allowed="0 or more")
    return stages, values
