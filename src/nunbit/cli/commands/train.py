"""nunbit train, merge, import and recipes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from nunbit.cli.dataclass_options import command
from nunbit.cli.options import AsJson, Device, Threads, by_commas

Recipe = Annotated[str, typer.Argument(help="A recipe's name; nunbit recipes list shows them.")]


@dataclass(frozen=True, slots=True)
class TrainArguments:
    """Arguments and options of ``nunbit train``."""

    recipe: Annotated[
        str, typer.Argument(help="A recipe's name (nunbit recipes list), or the file of a copied recipe.")
    ]
    changes: Annotated[
        list[str] | None,
        typer.Argument(help="key=value ...: nunbit recipes show RECIPE lists the keys, e.g. tune.batch=64 debug=true"),
    ] = None
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", help="Folder of the run, runs/RECIPE if not named; an existing run is resumed."),
    ] = None
    minutes: Annotated[float, typer.Option(min=0.01, help="Time limit of each stage.")] = math.inf
    threads: Threads = 2
    device: Device = "cpu"
    workers: Annotated[int, typer.Option(min=0, max=64, help="Processes that prepare batches ahead.")] = 0
    shard: Annotated[
        bool, typer.Option("--shard", help="Under torchrun: spread the whole model over the processes (FSDP2).")
    ] = False
    recompute: Annotated[
        bool,
        typer.Option("--recompute", help="Compute layers again in the backward pass instead of keeping activations."),
    ] = False
    compile: Annotated[
        str, typer.Option(help="Backend of torch.compile for each layer, e.g. inductor; nothing is compiled without.")
    ] = ""
    attention: Annotated[
        str, typer.Option(help="Attention of the model: sdpa, eager, flash_attention_2 ...; its own if not named.")
    ] = ""
    ray: Annotated[
        int, typer.Option(min=0, help="Number of workers on a Ray cluster (pip install 'nunbit[ray]'); 0: no Ray.")
    ] = 0
    track: Annotated[
        str, typer.Option(help="Trackers beside log.jsonl, separated by commas: tensorboard, wandb, trackio.")
    ] = ""
    debug: Annotated[bool, typer.Option("--debug", help="Two small steps a stage, to check that everything runs.")] = (
        False
    )
    plan: Annotated[
        bool, typer.Option("--plan", help="Train nothing; print what it would need: parameters, bytes, time.")
    ] = False
    flops: Annotated[float, typer.Option(min=1.0, help="With --plan: operations a second, e.g. 4e14.")] = 5e10
    gpus: Annotated[int, typer.Option(min=0, max=100_000, help="With --plan and --gpu: how many cards.")] = 0
    gpu: Annotated[
        str, typer.Option(help="With --plan: count the memory and time of such cards: h100, a100, l40s, rtx4090 ...")
    ] = ""
    as_json: AsJson = False


@dataclass(frozen=True, slots=True)
class MergeOptions:
    """Arguments and options of ``nunbit merge``."""

    adapter: Annotated[Path, typer.Argument(help="Folder of one adapter.")]
    out: Annotated[Path, typer.Option("-o", "--out", help="A new folder for the merged model.")]
    base: Annotated[
        Path | None, typer.Option(help="Folder of the base model, if it is no longer where the adapter names it.")
    ] = None


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """Arguments and options of ``nunbit import``."""

    checkpoint: Annotated[
        Path,
        typer.Argument(
            help="An original LLaVA checkpoint (folder or file) or its mm_projector.bin; "
            "with --kind, a folder of the released MoAI-7B or CoLLaVO-7B."
        ),
    ]
    out: Annotated[Path, typer.Option("-o", "--out", help="A new folder.")]
    kind: Annotated[str, typer.Option(help="llava, moai or collavo.")] = "llava"
    vision: Annotated[str, typer.Option(help="Folder or hub id of its vision encoder; llava only.")] = ""
    llm: Annotated[str, typer.Option(help="Folder or hub id of its language model; llava only.")] = ""


@dataclass(frozen=True, slots=True)
class RecipeOptions:
    """Arguments and options of ``nunbit recipes show``."""

    recipe: Recipe
    code: Annotated[bool, typer.Option("--code", help="Print its source code instead of its settings.")] = False


@dataclass(frozen=True, slots=True)
class RecipeCopyOptions:
    """Arguments of ``nunbit recipes copy``."""

    recipe: Recipe
    to: Annotated[Path, typer.Argument(help="A new .py file, which nunbit train runs.")]


def register(app: typer.Typer) -> None:
    """Add the commands to ``nunbit``."""
    command(app, TrainArguments)(train)
    command(app, MergeOptions)(merge)
    command(app, ImportOptions, "import")(import_checkpoint)
    recipes = typer.Typer(no_args_is_help=True, help="Training recipes.")
    recipes.command("list")(list_recipes)
    command(recipes, RecipeOptions, "show")(show_recipe)
    command(recipes, RecipeCopyOptions, "copy")(copy_recipe)
    app.add_typer(recipes, name="recipes")


def train(arguments: TrainArguments) -> None:
    """Train by a recipe. A killed run resumes from its last checkpoint."""
    from nunbit.cli.train import plan_recipe, train_recipe
    from nunbit.training.options import RunOptions

    changes = [*(arguments.changes or []), *(["debug=true"] if arguments.debug else [])]
    if arguments.plan:
        cards = (arguments.gpus, arguments.gpu, arguments.recompute)
        plan_recipe(arguments.recipe, changes, arguments.flops, arguments.as_json, *cards)
        return
    options = RunOptions(
        minutes=arguments.minutes,
        device=arguments.device,
        workers=arguments.workers,
        shard=arguments.shard,
        recompute=arguments.recompute,
        compile=arguments.compile,
        attention=arguments.attention,
        track=by_commas(arguments.track),
    )
    if arguments.ray:
        from nunbit.cli.train_on_ray import train_on_ray

        train_on_ray(arguments.ray, arguments.recipe, changes, arguments.out, arguments.threads, options)
        return
    train_recipe(arguments.recipe, changes, arguments.out, arguments.threads, options)


def merge(options: MergeOptions) -> None:
    """Merge an adapter into its base model, and check that the logits stay the same."""
    from nunbit.cli.train import merge_adapter

    merge_adapter(options.adapter, options.out, options.base)


def import_checkpoint(options: ImportOptions) -> None:
    """Convert an original LLaVA checkpoint or a released MoAI or CoLLaVO, and report every tensor."""
    from nunbit.cli.train import import_any

    import_any(options.kind, options.checkpoint, options.out, options.vision, options.llm)


def list_recipes() -> None:
    """List the recipes."""
    from nunbit.recipes import RECIPES

    for name, what in sorted(RECIPES.items()):
        print(f"{name:12} {what}")


def show_recipe(options: RecipeOptions) -> None:
    """Show a recipe's settings as key=value."""
    from nunbit.cli.train import show_recipe as show

    show(options.recipe, options.code)


def copy_recipe(options: RecipeCopyOptions) -> None:
    """Copy a recipe's file, to change it."""
    from nunbit.recipes import copy

    print(copy(options.recipe, options.to))
