"""nunbit doctor, connectors, bench, world show: what is installed, what there is, how fast it is."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from nunbit.cli.dataclass_options import command
from nunbit.cli.options import AsJson, Device, Model
from nunbit.cli.output import show


@dataclass(frozen=True, slots=True)
class DoctorOptions:
    """Options of ``nunbit doctor``."""

    as_json: AsJson = False
    layout: Annotated[
        list[str] | None,
        typer.Option("--layout", help="Also check a released checkpoint's layout: moai-7b, collavo-7b; repeatable."),
    ] = None


@dataclass(frozen=True, slots=True)
class CompletionOptions:
    """Arguments of ``nunbit completion``."""

    shell: Annotated[str, typer.Argument(help="bash, zsh or fish.")]


@dataclass(frozen=True, slots=True)
class ConnectorsOptions:
    """Options of ``nunbit connectors``."""

    as_json: AsJson = False


@dataclass(frozen=True, slots=True)
class BenchOptions:
    """Options of ``nunbit bench``."""

    model: Model = None
    device: Device = "cpu"
    threads: Annotated[int, typer.Option(min=1, help="Processor threads.")] = 2
    runs: Annotated[int, typer.Option(min=1, max=1000, help="Number of pictures.")] = 15
    picture: Annotated[Path | None, typer.Option(help="The picture that is shown; random pixels if none.")] = None
    dtype: Annotated[
        str, typer.Option(help="Numbers of the weights: float32, bfloat16, float16; auto: by the device.")
    ] = "auto"
    int8: Annotated[bool, typer.Option("--int8", help="Use 8-bit linear layers on a processor.")] = False
    as_json: AsJson = False


@dataclass(frozen=True, slots=True)
class WorldShowOptions:
    """Options of ``nunbit world show``."""

    out: Annotated[Path, typer.Option("-o", "--out", help="The PNG file to write.")] = Path("world.png")
    domain: Annotated[str | None, typer.Option(help="things, writing, documents, charts, puzzles, panels.")] = None
    seed: Annotated[int, typer.Option(help="Seed of the pictures.")] = 0
    count: Annotated[int, typer.Option(min=1, max=200, help="Number of pictures.")] = 12
    split: Annotated[str, typer.Option(help="train, test or unseen.")] = "train"


def register(app: typer.Typer) -> None:
    """Add the commands to ``nunbit``."""
    command(app, DoctorOptions)(doctor)

    @command(app, CompletionOptions)
    def completion(options: CompletionOptions) -> None:
        """Print the completion of commands and options for a shell, e.g. source <(nunbit completion bash)."""
        from nunbit.cli.completion import script

        print(script(options.shell, typer.main.get_command(app)), end="")

    command(app, ConnectorsOptions)(connectors)
    command(app, BenchOptions)(bench)
    world = typer.Typer(no_args_is_help=True, help="Generated pictures with questions and answers.")
    command(world, WorldShowOptions, "show")(world_show)
    app.add_typer(world, name="world")


def doctor(options: DoctorOptions) -> None:
    """Report what is installed, which device is used, and whether the embedded model is complete."""
    from nunbit.cli.doctor import as_text, examine

    report = examine(options.layout or [])
    show(report, as_text, options.as_json)
    if not report["ok"]:
        raise typer.Exit(1)


def connectors(options: ConnectorsOptions) -> None:
    """List the connection modules with their papers."""
    from nunbit.connectors import CONNECTORS

    rows = []
    for name in CONNECTORS:
        found: Any = CONNECTORS[name]
        kind = "token" if hasattr(found, "tokens") else "layer"
        about = (sys.modules[found.__module__].__doc__ or "").partition("\n")[0].partition(" Source:")[0]
        rows.append({"name": name, "kind": kind, "paper": found.paper, "what": about})
    show(rows, _connectors_text, options.as_json)


def _connectors_text(rows: list[dict[str, str]]) -> str:
    return "\n".join(f"{r['name']:22} {r['kind']:6} {r['paper']}\n{'':29}{r['what']}" for r in rows)


def bench(options: BenchOptions) -> None:
    """Measure the milliseconds to the first token for a 640x480 picture; the model is loaded before."""
    from nunbit.cli.bench import as_text, measure_first_token

    result = measure_first_token(
        options.model,
        options.device,
        options.threads,
        options.runs,
        options.picture,
        int8=options.int8,
        dtype=options.dtype,
    )
    show(result, as_text, options.as_json)


def world_show(options: WorldShowOptions) -> None:
    """Draw a contact sheet of pictures with their questions and answers."""
    from nunbit.cli.contact_sheet import write_sheet

    write_sheet(options.out, options.domain, options.seed, options.count, options.split)
    print(options.out)
