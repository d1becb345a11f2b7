"""nunbit models: what packages ship that nunbit can use, fetched, removed, and where it is."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Annotated, Any

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
    """Parts that can be fetched, and hub models of types that work."""
    from nunbit.models.hub import list_parts
    from nunbit.models.hub_parts import HUB_MODELS

    parts = [asdict(part) | {"here": here} for part, here in list_parts()]
    show({"parts": parts, "hub": [asdict(m) for m in HUB_MODELS]}, _as_text, as_json)


@models_app.command()
def get(name: Name) -> None:
    """Fetch a part, check it, convert it, and print its folder. Works offline once it is here."""
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


def _as_text(report: dict[str, Any]) -> str:
    lines = ["parts (nunbit models get NAME)"]
    for p in report["parts"]:
        lines.append(
            f"  {'*' if p['here'] else ' '} {p['name']:28} {p['download_mb']:6.0f} MB to fetch, "
            f"{p['size_mb']:4.0f} MB kept  {p['licence']:11} {p['about']}"
        )
    lines += ["  (* is here)", "hub models, for users with a network (--model ID)"]
    lines += [
        f"    {m['id']:44} {m['size_gb']:5.1f} GB, {m['memory_gb']:4.1f} GB of memory  {m['about']}"
        for m in report["hub"]
    ]
    return "\n".join(lines)
