"""nunbit serve."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from nunbit.cli.dataclass_options import command
from nunbit.cli.engine_options import EngineArguments
from nunbit.cli.options import Model


@dataclass(frozen=True, slots=True)
class ServeArguments:
    """Options of ``nunbit serve``."""

    model: Model = None
    engine: EngineArguments = EngineArguments()
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
    slots: Annotated[
        int,
        typer.Option(min=0, max=256, help="Answers generated together; 0: 8, or up to 64 on a CUDA device."),
    ] = 0
    queue: Annotated[int, typer.Option(min=0, max=10_000, help="Requests that may wait.")] = 64
    rate: Annotated[int, typer.Option(min=0, help="Requests per minute for each caller; 0 is unlimited.")] = 0
    threads: Annotated[int, typer.Option(min=1, help="Processor threads.")] = 1
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
        device=arguments.engine.device,
        host=arguments.host,
        port=arguments.port,
        precision=arguments.engine.precision,
        caches=arguments.engine.caches(arguments.slots),
        max_queue=arguments.queue,
        threads=arguments.threads,
        replicas=arguments.ray,
        ray_address=arguments.ray_address,
        settings=settings,
    )
    run(options)
