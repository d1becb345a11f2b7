"""train, merge, import, recipes show: a recipe by its name, changes as key=value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from nunbit import recipes
from nunbit.cli.output import say
from nunbit.errors import UserError
from nunbit.training.options import RunOptions
from nunbit.translation import translated, user_language


def train_recipe(recipe: str, changes: Sequence[str], out: Path | None, threads: int, options: RunOptions) -> None:
    """Run a recipe and print where the model is.

    Args:
        recipe: name or file, as in `nunbit.recipes.load`.
        changes: ``key=value`` each.
        out: folder of the run, ``runs/RECIPE`` if not given.
        threads: of the processor.
    """
    import torch

    module = recipes.load(recipe)
    out = out or Path("runs") / Path(recipe).stem
    config = module.configure(changes)
    say(f"preparing {recipe}: models and data are opened, then come the steps")
    torch.set_num_threads(threads)
    if getattr(config, "eval", ""):
        from nunbit.recipes.evaluation import BenchmarkEvaluation

        options = replace(options, evaluate=BenchmarkEvaluation(config.eval), evaluate_every=config.eval_every)
    language, tell = user_language(), options.say
    options = replace(options, say=lambda line: tell(translated(line, language)))
    print(f"the model is in {module.run(config, out, options)}")


def plan_recipe(
    recipe: str, changes: Sequence[str], flops: float, as_json: bool, gpus: int = 0, gpu: str = "", again: bool = False
) -> None:
    """Print what a recipe would need, as text or JSON.

    Args:
        flops: operations a second, where no card is named.
        gpus, gpu: how many cards, and which.
        again: activations are computed again.

    Raises:
        UserError: an unknown card, or a recipe whose memory is not counted.
    """
    import inspect
    import json

    module = recipes.load(recipe)
    config, how = module.configure(changes), {}
    if gpu:
        from nunbit.training.plan_memory import Machine

        if "machine" not in inspect.signature(module.plan).parameters:
            raise UserError(f"--gpu for the recipe '{recipe}'", allowed="--plan without it: it runs on a processor")
        how["machine"] = Machine.named(gpus or 1, gpu, again)
        flops = how["machine"].operations_per_second
    report = module.plan(config, flops, **how)
    print(json.dumps(report.as_data(), indent=1) if as_json else report.as_text())


def show_recipe(recipe: str, code: bool) -> None:
    """Print a recipe's description and its settings as ``key=value``, or its file."""
    if code:
        print(recipes.source(recipe))
        return
    module = recipes.load(recipe)
    print(f"{(module.__doc__ or '').strip()}\n")
    for need in needed_settings(module):
        print(f"# needed: {need}")
    for key, value in module.defaults().keys().items():
        print(f"{key}={str(value).lower() if isinstance(value, bool) else value}")


def needed_settings(module: recipes.TrainingRecipe) -> list[str]:
    """What a recipe cannot be run without, in words: the settings that only the user can name."""
    needed = []
    try:
        module.configure([])
    except UserError as e:
        needed.append(e.allowed)
    phases: dict[str, Any] = getattr(module.defaults(), "every_phase", dict)()
    if phases and "*.data" not in getattr(module.defaults(), "unused", ()):
        own = " and ".join(f"{name}.data=FILE" for name in phases)
        needed.append(f"data=FILE for all stages, or {own}" if len(phases) > 1 else f"data=FILE, or {own}")
        needed.append("images=DIR, where the pictures do not lie beside that file")
    return needed


def merge_adapter(adapter: Path, out: Path, base: Path | None) -> None:
    """Fold an adapter into its base, save the result, and print how far the logits moved."""
    from nunbit.training.adapters import merge

    print(f"max |difference| of a logit: {merge(adapter, out, base):.2e}\nthe model is in {out}")


def import_any(kind: str, checkpoint: Path, out: Path, vision: str, llm: str) -> None:
    """Import a checkpoint of a kind: ``llava``, or one of `nunbit.models.importers.convert.KINDS`.

    Raises:
        UserError: another kind, or options that do not belong to it.
    """
    from nunbit.errors import check_names
    from nunbit.models.importers.convert import KINDS, convert

    check_names("kind of checkpoint", [kind], ("llava", *KINDS))
    if kind == "llava":
        import_llava(checkpoint, vision, llm, out)
        return
    if vision or llm:
        raise UserError(
            f"--vision or --llm with --kind {kind}", allowed="neither: the checkpoint holds the whole model"
        )
    report = convert(kind, checkpoint, out)
    print(f"{report}\nthe model is in {out}; in Python: nunbit.models.importers.convert.open_imported")


def import_llava(checkpoint: Path, vision: str, llm: str, out: Path) -> None:
    """Make a native LLaVA of an original checkpoint, and print what became of its tensors. Without ``vision`` or
    ``llm`` those are taken that its config names.

    Raises:
        UserError: ``out`` is not empty, a part is not named, or the checkpoint does not fit.
    """
    if out.exists() and any(out.iterdir()):
        raise UserError(f"'{out}' is not empty", allowed="a new folder", todo="name another one")
    from nunbit.models.build import build_model
    from nunbit.models.checkpoint import save
    from nunbit.models.importers import llava, llava_lora
    from nunbit.models.importers.llava_config import read_settings

    settings = read_settings(checkpoint)
    vision, llm = vision or settings.vision, llm or settings.llm
    if not vision or not llm:
        raise UserError("a LLaVA checkpoint without --vision or --llm", allowed="both", todo="name both")
    load = llava_lora.load_adapter if llava_lora.is_adapter(checkpoint) else llava.load_projector
    if load is llava.load_projector and any("mm_projector" not in name for name in llava.read(checkpoint)):
        load = llava.load_whole
    model, processor = build_model(vision, llm, layer=settings.layer)
    report = load(checkpoint, model)
    save(model, processor, out)
    print(f"{report}\nthe model is in {out}")
