"""nunbit eval: benchmarks and studies."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from nunbit.cli import evaluate, grid, studies
from nunbit.cli.agree import AgreeOptions, agree
from nunbit.cli.dataclass_options import command
from nunbit.cli.options import AsJson, Device, Model, ObjectAware
from nunbit.cli.output import progress, show
from nunbit.cli.photos import PhotosOptions, photos
from nunbit.cli.verify_eval import VerifyEvalOptions, verify


@dataclass(frozen=True, slots=True)
class TinyWorldOptions:
    """Options of ``nunbit eval tiny-world``."""

    seed: Annotated[int, typer.Option(help="Seed of the questions; training never uses them, whatever the seed.")] = 0
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="Number of questions.")] = 2000
    model: Model = None
    device: Device = "cpu"
    int8: Annotated[
        bool, typer.Option("--int8", help="Compare 8-bit linear layers with the model on the same questions.")
    ] = False
    object_aware: ObjectAware = True
    as_json: AsJson = False


def register(app: typer.Typer) -> None:
    """Add the group to ``nunbit``."""
    group = typer.Typer(no_args_is_help=True, help="Benchmarks and studies.")
    evaluate.register(group)
    grid.register(group)
    studies.register(group)
    command(group, TinyWorldOptions, "tiny-world")(tiny_world)
    command(group, PhotosOptions, "photos")(photos)
    command(group, AgreeOptions, "agree")(agree)
    command(group, VerifyEvalOptions, "verify")(verify)
    app.add_typer(group, name="eval")


def tiny_world(options: TinyWorldOptions) -> None:
    """Held-out questions about generated pictures, beside the blank-image and the majority baseline."""
    from nunbit.assistant import Assistant
    from nunbit.evaluation import precision
    from nunbit.evaluation import tiny_world as benchmark

    assistant = Assistant(options.model, options.device, object_aware=options.object_aware)
    counts: dict[str, Any] = {"seed": options.seed, "limit": options.limit}
    if options.int8:
        result, as_text = precision.run(assistant, say=progress, **counts), precision.as_text
    else:
        result, as_text = benchmark.run(assistant.ask_many, say=progress, **counts), benchmark.as_text
    print(file=sys.stderr)
    result["model"] = assistant.name
    show(result, as_text, options.as_json)
