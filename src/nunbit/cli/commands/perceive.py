"""nunbit see, nunbit perceive, nunbit classify."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from nunbit.cli.dataclass_options import command
from nunbit.cli.options import AsJson, Device, Pair, Ray, RayAddress
from nunbit.cli.start_up import quick_imports


@dataclass(frozen=True, slots=True)
class SeeOptions:
    """Arguments and options of ``nunbit see``."""

    picture: Annotated[str, typer.Argument(help="PICTURE")]
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Write the picture with what was found drawn on it.")
    ] = None
    as_json: AsJson = False
    panoptic: Annotated[
        str | None, typer.Option(help="Folder of a universal segmentation model; what ships with nunbit if not named.")
    ] = None
    detector: Annotated[str | None, typer.Option(help="Folder of a zero-shot detector.")] = None
    queries: Annotated[str, typer.Option(help="Names to look for, separated by commas.")] = ""
    ocr: Annotated[bool, typer.Option("--ocr/--no-ocr", help="Read text in the picture.")] = True


@dataclass(frozen=True, slots=True)
class PerceiveOptions:
    """Arguments and options of ``nunbit perceive``."""

    files: Annotated[list[Path], typer.Argument(help="Conversation files, as nunbit train reads them.")]
    cache: Annotated[
        Path, typer.Option(help="Folder of the Scenes: perception.cache=DIR of the training that follows.")
    ]
    cache_mb: Annotated[int, typer.Option(min=1, help="Size of that folder, at most, in MB.")] = 256 * 1024
    images: Annotated[Path | None, typer.Option(help="Folder of the pictures; each file's own if not named.")] = None
    panoptic: Annotated[
        str, typer.Option(help="Folder of a universal segmentation model; what ships with nunbit if not named.")
    ] = ""
    detector: Annotated[str, typer.Option(help="Folder of a zero-shot detector.")] = ""
    queries: Annotated[str, typer.Option(help="Names to look for, separated by commas.")] = ""
    ocr: Annotated[bool, typer.Option("--ocr/--no-ocr", help="Read text in the picture.")] = True
    device: Device = "cpu"
    ray: Ray = 0
    ray_address: RayAddress = ""


@dataclass(frozen=True, slots=True)
class ClassifyOptions:
    """Arguments and options of ``nunbit classify``."""

    pictures: Annotated[list[str], typer.Argument(help="PICTURE...")]
    labels: Annotated[str, typer.Option(help="Class names, separated by commas.")] = ""
    labels_file: Annotated[Path | None, typer.Option(help="A file of class names, one a line.")] = None
    model: Pair = ""
    templates: Annotated[str, typer.Option(help="Prompt templates: one or ensemble.")] = "ensemble"
    language: Annotated[str, typer.Option(help="Language of the templates: en or ko.")] = "en"
    temperature: Annotated[float, typer.Option(min=0.01, max=100, help="Above 1 softens the probabilities.")] = 1.0
    sensitivity: Annotated[
        bool,
        typer.Option("--sensitivity", help="Report how answers change with wording, label order and extra classes."),
    ] = False
    as_json: AsJson = False


def register(app: typer.Typer) -> None:
    """Add the commands to ``nunbit``."""
    command(app, SeeOptions)(see)
    command(app, PerceiveOptions)(perceive)
    command(app, ClassifyOptions)(classify)


def see(options: SeeOptions) -> None:
    """Show what perception finds in a picture: its kind, objects, text; "maybe" where it is unsure."""
    with quick_imports():
        from nunbit.cli.see import see_picture
        from nunbit.perception.build import PerceptionConfig

    config = PerceptionConfig(
        panoptic=options.panoptic or "",
        detector=options.detector or "",
        queries=options.queries,
        ocr="auto" if options.ocr else "none",
    )
    see_picture(options.picture, config, options.out, options.as_json)


def perceive(options: PerceiveOptions) -> None:
    """Perceive all pictures of data sets ahead of training, with torchrun or --ray on many cards. A killed run
    resumes."""
    from nunbit.cli.perceive_ahead import perceive_data
    from nunbit.perception.build import PerceptionConfig

    config = PerceptionConfig(
        panoptic=options.panoptic,
        detector=options.detector,
        queries=options.queries,
        ocr="auto" if options.ocr else "none",
        cache=str(options.cache),
        cache_mb=options.cache_mb,
    )
    perceive_data(options.files, options.images, config, options.device, options.ray, options.ray_address)


def classify(options: ClassifyOptions) -> None:
    """Classify pictures with a contrastive model, without training (zero-shot)."""
    from nunbit.cli.classify import classify as run

    run(
        options.pictures,
        options.labels,
        options.labels_file,
        options.model,
        options.templates,
        options.language,
        options.temperature,
        options.sensitivity,
        options.as_json,
    )
