"""nunbit redteam."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from nunbit.cli.dataclass_options import command
from nunbit.cli.options import AsJson, Device

GUARD = "guard"


@dataclass(frozen=True, slots=True)
class RedteamArguments:
    """Options of ``nunbit redteam``."""

    target: Annotated[
        str, typer.Argument(help="guard for the guard alone; else a model's folder or id, or a server's address.")
    ] = GUARD
    pairs: Annotated[int, typer.Option(min=1, max=10_000, help="Attacks, each with its innocent twin.")] = 90
    seed: Annotated[int, typer.Option(min=0, help="Seed of the pictures.")] = 0
    adaptive: Annotated[
        int, typer.Option(min=0, max=1000, help="Orders that an attacker who knows the guard rewords.")
    ] = 40
    report: Annotated[Path | None, typer.Option("--report", "-o", help="Write a page of HTML with the pictures.")] = (
        None
    )
    key: Annotated[str, typer.Option(envvar="NUNBIT_TARGET_KEY", help="API key of the server.")] = ""
    device: Device = "cpu"
    as_json: AsJson = False


def register(app: typer.Typer) -> None:
    """Add the command to ``nunbit``."""
    command(app, RedteamArguments)(redteam)


def redteam(arguments: RedteamArguments) -> None:
    """Attack with orders in pictures, each beside an innocent twin: the guard alone, or a model with and without it."""
    import sys

    from nunbit.cli.output import progress, show
    from nunbit.evaluation.redteam import attack, detection
    from nunbit.evaluation.redteam.report import write_report
    from nunbit.perception.build import PerceptionConfig, build_perception

    perceive: Any = build_perception(PerceptionConfig())
    counts = {"count": arguments.pairs, "seed": arguments.seed}
    found: list[Any] = []
    attempts: list[Any] = []
    if arguments.target == GUARD:
        result, found = detection.run(perceive, adaptive=arguments.adaptive, say=progress, **counts)
        text = detection.as_text(result)
    else:
        result, attempts = attack.run(_target(arguments), perceive, say=progress, **counts)
        text = attack.as_text(result)
    print(file=sys.stderr)
    if arguments.report is not None:
        write_report(arguments.report, text, result, found, attempts)
    show(result, lambda _: text, arguments.as_json)


def _target(arguments: RedteamArguments) -> Any:
    if arguments.target.startswith(("http://", "https://")):
        from nunbit.serving.client import remote_target

        return remote_target(arguments.target, key=arguments.key)
    from nunbit.assistant import Assistant
    from nunbit.evaluation.target import assistant_target

    return assistant_target(Assistant(arguments.target, arguments.device), arguments.target)
