"""nunbit serve."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from nunbit.cli.dataclass_options import command
from nunbit.cli.options import Device, Model


@dataclass(frozen=True, slots=True)
class ServeArguments:
    """Options of ``nunbit serve``."""

    model: Model = None
    device: Device = "cpu"
    host: Annotated[
        str, typer.Option(help="Address to listen on; 0.0.0.0 for the whole network, then also set a key.")
    ] = "127.0.0.1"
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on.")] = 8000
    key: Annotated[
        list[str] | None,
        typer.Option("--key", envvar="NUNBIT_API_KEYS", help="An API key that is accepted; repeatable."),
    ] = None
    origin: Annotated[
        list[str] | None,
        typer.Option("--origin", help="A web origin that may call from a browser (CORS); repeatable."),
    ] = None
    allow_folder: Annotated[
        list[str] | None, typer.Option("--allow-folder", help="Requests may name pictures in this folder; repeatable.")
    ] = None
    allow_host: Annotated[
        list[str] | None,
        typer.Option("--allow-host", help="Requests may name https pictures on this host; repeatable."),
    ] = None
    slots: Annotated[int, typer.Option(min=1, max=256, help="Answers that are generated together.")] = 8
    queue: Annotated[int, typer.Option(min=0, max=10_000, help="Requests that may wait.")] = 64
    length: Annotated[
        int, typer.Option(min=0, help="Tokens of a prompt and its answer; 0: 1,024, or 4,096 where pictures take many.")
    ] = 0
    rate: Annotated[int, typer.Option(min=0, help="Requests per minute for each caller; 0 is unlimited.")] = 0
    threads: Annotated[int, typer.Option(min=1, help="Processor threads.")] = 1
    int8: Annotated[bool, typer.Option("--int8", help="Use 8-bit linear layers on a processor.")] = False
    page: Annotated[bool, typer.Option(help="Serve the web page at /.")] = True
    alias: Annotated[
        list[str] | None,
        typer.Option("--alias", help="Another name that requests may give the model, * for any name; repeatable."),
    ] = None
    ray: Annotated[
        str,
        typer.Option(metavar="N|MIN-MAX", help="Number of replicas on a Ray cluster (pip install 'nunbit[ray]')."),
    ] = ""
    ray_address: Annotated[
        str, typer.Option(help="A running cluster: auto, ray://HOST:10001. Empty: this machine.")
    ] = ""


def register(app: typer.Typer) -> None:
    """Add the command to ``nunbit``."""
    command(app, ServeArguments)(serve)


def serve(arguments: ServeArguments) -> None:
    """Answer over the OpenAI API, with a web page."""
    from nunbit.media import FetchPolicy
    from nunbit.serving.build import ServeOptions
    from nunbit.serving.launch import serve as run
    from nunbit.serving.settings import ServerSettings

    settings = ServerSettings(
        api_keys=tuple(arguments.key or ()),
        origins=tuple(arguments.origin or ()),
        requests_per_minute=arguments.rate,
        fetch=FetchPolicy(folders=tuple(arguments.allow_folder or ()), hosts=tuple(arguments.allow_host or ())),
        page=arguments.page,
        aliases=tuple(arguments.alias or ()),
    )
    options = ServeOptions(
        model=arguments.model,
        device=arguments.device,
        host=arguments.host,
        port=arguments.port,
        slots=arguments.slots,
        max_queue=arguments.queue,
        length=arguments.length,
        threads=arguments.threads,
        int8=arguments.int8,
        replicas=arguments.ray,
        ray_address=arguments.ray_address,
        settings=settings,
    )
    run(options)
