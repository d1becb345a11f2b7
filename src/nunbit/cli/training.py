"""train: the recipe by its name, changes as key=value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from nunbit.errors import UserError, unknown_name

RECIPES = ("tiny",)


def train_recipe(recipe: str, changes: Sequence[str], out: Path, threads: int, how: dict[str, Any]) -> None:
    if recipe not in RECIPES:
        raise unknown_name("recipe", recipe, RECIPES)
    stages, values = parse_changes(changes)
    import torch

    from nunbit.recipes import tiny

    torch.set_num_threads(threads)
    tiny.run(out, stages or list(tiny.STAGES), **how, **values)
    print(f"the run is in {out}")


def parse_changes(changes: Sequence[str]) -> tuple[list[str], dict[str, Any]]:
    """``stages=a,b`` apart from fields of `Stage`, each turned into the field's type."""
    from nunbit.training.loop import Stage

    kinds = {f.name: f.type for f in fields(Stage) if f.name != "name"}
    convert = {"int": int, "float": float}
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
