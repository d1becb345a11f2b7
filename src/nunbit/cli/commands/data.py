"""nunbit data: instruction data in the layouts of others, and checked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from nunbit.cli.commands import data_make
from nunbit.cli.dataclass_options import command
from nunbit.cli.options import AsJson

data_app = typer.Typer(no_args_is_help=True, help="Instruction data: made by a teacher, converted and checked.")


@dataclass(frozen=True, slots=True)
class ConvertOptions:
    """Arguments and options of ``nunbit data convert``."""

    source: Annotated[Path, typer.Argument(help="A file, or a folder of shards.")]
    out: Annotated[Path, typer.Argument(help="The file to write; a folder for webdataset.")]
    to: Annotated[
        str,
        typer.Option(help="llava, messages (TRL), llamafactory, swift, openai, webdataset or parquet."),
    ]
    from_: Annotated[str, typer.Option("--from", help="The layout of the source; found by its content if auto.")] = (
        "auto"
    )
    images: Annotated[Path | None, typer.Option(help="The folder that picture names are relative to.")] = None
    position: Annotated[
        str, typer.Option(help="The picture of the first question: keep, front, or random (as in LLaVA's paper).")
    ] = "keep"
    seed: Annotated[int, typer.Option(help="Seed of random choices.")] = 0
    strict: Annotated[bool, typer.Option("--strict", help="Fail where the layout cannot hold a field.")] = False


@dataclass(frozen=True, slots=True)
class CheckOptions:
    """Arguments and options of ``nunbit data check``."""

    source: Annotated[Path, typer.Argument(help="A file, or a folder of shards.")]
    from_: Annotated[str, typer.Option("--from", help="The layout of the source; found by its content if auto.")] = (
        "auto"
    )
    images: Annotated[Path | None, typer.Option(help="The folder that picture names are relative to.")] = None
    model: Annotated[
        str | None, typer.Option(help="The model that is to learn: counts tokens and shows what is learnt.")
    ] = None
    benchmark: Annotated[
        list[str] | None,
        typer.Option(help="NAME=FILE of a benchmark whose questions and pictures must not be in it; repeatable."),
    ] = None
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Write the report as an HTML page.")] = None
    seed: Annotated[int, typer.Option(help="Seed of random choices.")] = 0
    as_json: AsJson = False


def register(app: typer.Typer) -> None:
    """Add the commands to ``nunbit``."""
    command(data_app, ConvertOptions, "convert")(convert)
    command(data_app, CheckOptions, "check")(check)
    data_make.register(data_app)
    app.add_typer(data_app, name="data")


def convert(options: ConvertOptions) -> None:
    """Write instruction data in another layout, and say which fields that cannot hold."""
    from nunbit.cli.data import convert_file

    convert_file(options)


def check(options: CheckOptions) -> None:
    """Look for what is wrong in instruction data before it is learnt from; exit code 1 if samples cannot be used."""
    from nunbit.cli.data import check_file

    if not check_file(options):
        raise typer.Exit(1)
