"""nunbit models: what packages ship that nunbit can use, fetched, removed, and where it is."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from nunbit.cli.options import AsJson
from nunbit.cli.output import say, show

models_app = typer.Typer(no_args_is_help=True, help="Models and parts that packages ship.")
Name = Annotated[str, typer.Argument(help="A name of `nunbit models list`.")]


def register(app: typer.Typer) -> None:
    """Add the commands to ``nunbit``."""
    app.add_typer(models_app, name="models")


@models_app.command("list")
def list_models(as_json: AsJson = False) -> None:
    """Our models, parts that can be fetched, and hub models of types that work."""
    from nunbit.cli.models import as_text, known_models

    show(known_models(), as_text, as_json)


@models_app.command()
def get(name: Name) -> None:
    """Fetch a model or part, check it, convert it, and print its folder. Works offline once it is here."""
    from nunbit.models import hub

    print(hub.get(name, say))


@models_app.command()
def remove(name: Name) -> None:
    """Delete a fetched part."""
    from nunbit.models import hub

    print(f"removed {name}" if hub.remove(name) else f"{name} was not here", file=sys.stderr)


@models_app.command()
def path(name: Name) -> None:
    """Print the folder of a part; exit code 1 where it is not here."""
    from nunbit.models import hub

    print(hub.path(name))
    if not hub.is_here(name):
        say(f"{name} is not here: nunbit models get {name}")
        raise typer.Exit(1)
