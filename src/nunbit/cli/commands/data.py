"""nunbit data: instruction data in the layouts of others, and checked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from nunbit.cli.dataclass_options import command

data_app = typer.Typer(no_args_is_help=True, help="Instruction data: converted and checked.")


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


def register(app: typer.Typer) -> None:
    """Add the commands to ``nunbit``."""
    command(data_app, ConvertOptions, "convert")(convert)
    app.add_typer(data_app, name="data")


def convert(options: ConvertOptions) -> None:
    """Write instruction data in another layout, and say which fields that cannot hold."""
    from nunbit.cli.data import convert_file

    convert_file(options)
