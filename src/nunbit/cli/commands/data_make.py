"""nunbit data make and validate: instruction data written by a teacher, and compared with what its pictures show."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from nunbit.cli.dataclass_options import command
from nunbit.cli.options import AsJson, Device, by_commas


@dataclass(frozen=True, slots=True)
class DataMakeArguments:
    """Arguments and options of ``nunbit data make``."""

    source: Annotated[
        list[str],
        typer.Argument(help="world, a folder of pictures, or COCO's annotation files or the folder that holds them."),
    ]
    teacher: Annotated[
        str,
        typer.Option(help="template, the address of an OpenAI-compatible server, or the folder of a language model."),
    ]
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder of the data; a killed run in it is resumed.")]
    kinds: Annotated[str, typer.Option(help="Kinds of items, separated by commas; the paper's mix among them.")] = (
        "conversation,detail,reasoning"
    )
    count: Annotated[
        int,
        typer.Option("-n", "--count", min=0, help="Items; 0: every picture gets one of the most frequent kind."),
    ] = 0
    language: Annotated[str, typer.Option(help="en, ko or both, separated by commas.")] = "en"
    images: Annotated[
        Path | None, typer.Option(help="Folder of COCO's pictures, where they are not beside the annotations.")
    ] = None
    image_position: Annotated[
        str, typer.Option(help="Where the picture stands in the first turn: random, as in LLaVA's paper, or front.")
    ] = "random"
    concurrency: Annotated[int, typer.Option(min=1, max=256, help="Requests side by side.")] = 8
    retries: Annotated[int, typer.Option(min=0, max=100, help="Tries after the first that an item has.")] = 5
    timeout: Annotated[float, typer.Option(min=1, max=3600, help="Seconds that a whole reply may take.")] = 120.0
    max_cost: Annotated[float, typer.Option(min=0, help="Stop before more is spent, over all runs in the folder.")] = (
        math.inf
    )
    max_tokens: Annotated[
        float, typer.Option(min=0, help="Stop before more tokens are used, over all runs in the folder.")
    ] = math.inf
    price_in: Annotated[float, typer.Option(min=0, help="Price of a million tokens of prompt.")] = 0.0
    price_out: Annotated[float, typer.Option(min=0, help="Price of a million tokens of reply.")] = 0.0
    reply_tokens: Annotated[int, typer.Option(min=16, max=32768, help="Tokens of a reply, at most.")] = 1024
    teacher_model: Annotated[
        str, typer.Option(help="The model's name on the server; the first listed if not named.")
    ] = ""
    key_variable: Annotated[str, typer.Option(help="Name of the environment variable that holds the server's key.")] = (
        ""
    )
    device: Device = "cpu"
    check: Annotated[
        bool, typer.Option("--check/--no-check", help="Ask again for what contradicts the picture or breaks a rule.")
    ] = True
    seed: Annotated[int, typer.Option(help="Decides which items are made of which pictures.")] = 0


@dataclass(frozen=True, slots=True)
class DataValidateArguments:
    """Arguments and options of ``nunbit data validate``."""

    file: Annotated[Path, typer.Argument(help="LLaVA's JSON, or JSON lines of its items or of raw texts.")]
    scenes: Annotated[
        Path | None,
        typer.Option(
            help="Scenes to compare with: scenes.jsonl of nunbit data make, a folder of Scenes, or COCO files."
        ),
    ] = None
    images: Annotated[Path | None, typer.Option(help="The folder that picture names are relative to.")] = None
    report: Annotated[Path | None, typer.Option(help="Write an HTML page with samples of each reason.")] = None
    good: Annotated[Path | None, typer.Option(help="Write the items without a problem to this file.")] = None
    as_json: AsJson = False


def register(data: typer.Typer) -> None:
    """Add the commands to the group ``nunbit data``."""
    command(data, DataMakeArguments, "make")(make_data)
    command(data, DataValidateArguments, "validate")(validate_data)


def make_data(arguments: DataMakeArguments) -> None:
    """Let a text-only teacher write conversations, descriptions and reasoning about pictures, as LLaVA's data was made.

    Exit code 1: some items failed or are left; the same command tries them again.
    """
    from nunbit.cli.data_make import run
    from nunbit.data.teacher.budget import Prices
    from nunbit.data.teacher.make import MakeOptions
    from nunbit.data.teacher.output import check_position
    from nunbit.data.teacher.prompting import check_kinds, check_languages

    options = MakeOptions(
        kinds=check_kinds(by_commas(arguments.kinds)),
        languages=check_languages(by_commas(arguments.language)),
        many=arguments.count or None,
        seed=arguments.seed,
        position=check_position(arguments.image_position),
        concurrency=arguments.concurrency,
        retries=arguments.retries,
        reply_tokens=arguments.reply_tokens,
        max_tokens=arguments.max_tokens,
        max_cost=arguments.max_cost,
        prices=Prices(arguments.price_in, arguments.price_out),
    )
    if not run(arguments, options):
        raise typer.Exit(1)


def validate_data(arguments: DataValidateArguments) -> None:
    """Compare instruction data with what its pictures show, and check its form, language and wording.

    Exit code 1: some items have a problem.
    """
    from nunbit.cli.data_validate import validate_file

    a = arguments
    if not validate_file(a.file, a.scenes, a.images, a.report, a.good, a.as_json):
        raise typer.Exit(1)
