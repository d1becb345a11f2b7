"""nunbit mcp."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from nunbit.cli.dataclass_options import command
from nunbit.cli.options import Device, Model


@dataclass(frozen=True, slots=True)
class McpArguments:
    """Options of ``nunbit mcp``."""

    root: Annotated[
        list[str] | None,
        typer.Option("--root", help="A folder in which agents may name pictures; repeatable. None: base64 alone."),
    ] = None
    model: Model = None
    device: Device = "cpu"
    http: Annotated[bool, typer.Option("--http", help="Over streamable HTTP instead of stdin and stdout.")] = False
    host: Annotated[str, typer.Option(help="With --http: address to listen on.")] = "127.0.0.1"
    port: Annotated[int, typer.Option(min=1, max=65535, help="With --http: port to listen on.")] = 8010


def register(app: typer.Typer) -> None:
    """Add the command to ``nunbit``."""
    command(app, McpArguments)(mcp)


def mcp(arguments: McpArguments) -> None:
    """Be an agent's eyes: see, read, ask, verify and compare as tools of the Model Context Protocol."""
    from nunbit.mcp.server import McpOptions, run

    run(
        McpOptions(
            tuple(arguments.root or ()),
            arguments.model,
            arguments.device,
            arguments.http,
            arguments.host,
            arguments.port,
        )
    )
