"""nunbit serve."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from nunbit.cli.dataclass_options import command
from nunbit.cli.engine_options import EngineArguments
from nunbit.cli.options import Model
from nunbit.errors import UserError


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
    backend: Annotated[
        list[str] | None,
        typer.Option(
            "--backend",
            metavar="[NAME=]URL",
            help="An OpenAI-compatible server that generates instead of a model here; repeatable, each with its NAME.",
        ),
    ] = None
    backend_key: Annotated[
        list[str] | None,
        typer.Option(metavar="[NAME=]ENV", help="The environment variable that holds the backend's key."),
    ] = None
    backend_model: Annotated[
        list[str] | None,
        typer.Option(metavar="[NAME=]MODEL", help="The model that the backend is asked for; its first by default."),
    ] = None
    backend_pictures: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[NAME=]keep|replace",
            help="Send pictures to the backend, or what perception finds in them instead (for text-only models).",
        ),
    ] = None
    backend_timeout: Annotated[float, typer.Option(min=1, max=3600, help="Seconds that a backend may be silent.")] = (
        120.0
    )
    scene_prompt: Annotated[
        str,
        typer.Option(metavar="none|objects|plain", help="What of a picture a backend gets in words."),
    ] = "none"
    slots: Annotated[
        int,
        typer.Option(min=0, max=256, help="Answers generated together; 0: 8, or up to 64 on a CUDA device."),
    ] = 0
    queue: Annotated[int, typer.Option(min=0, max=10_000, help="Requests that may wait.")] = 64
    rate: Annotated[int, typer.Option(min=0, help="Requests per minute for each caller; 0 is unlimited.")] = 0
    threads: Annotated[int, typer.Option(min=1, help="Processor threads.")] = 1
    page: Annotated[bool, typer.Option(help="Serve the web page at /.")] = True
    verify: Annotated[
        bool,
        typer.Option("--verify", help="Correct answers by what is in the pictures where a request does not say."),
    ] = False
    llm: Annotated[
        bool, typer.Option("--llm/--no-llm", help="To verify, ask the model again where perception knows nothing.")
    ] = True
    guard: Annotated[
        str,
        typer.Option(
            metavar="off|mark|strip|block",
            help="Orders to a model in pictures: hand them on as data, mask them, refuse. Requests may ask for more.",
        ),
    ] = "off"
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
    from nunbit.cli.guarding import guard_config
    from nunbit.media import FetchPolicy
    from nunbit.serving.build import ServeOptions
    from nunbit.serving.gateway.options import parse_backends
    from nunbit.serving.launch import serve as run
    from nunbit.serving.settings import ServerSettings

    settings = ServerSettings(
        api_keys=tuple(arguments.key or ()),
        origins=tuple(arguments.origin or ()),
        requests_per_minute=arguments.rate,
        fetch=FetchPolicy(folders=tuple(arguments.allow_folder or ()), hosts=tuple(arguments.allow_host or ())),
        page=arguments.page,
        verify=arguments.verify,
        verify_llm=arguments.llm,
        guard=guard_config(arguments.guard),
        aliases=tuple(arguments.alias or ()),
    )
    backends = parse_backends(
        arguments.backend or (),
        keys=arguments.backend_key or (),
        models=arguments.backend_model or (),
        pictures=arguments.backend_pictures or (),
        scene_prompt=arguments.scene_prompt,
        silence_s=arguments.backend_timeout,
    )
    if backends and (arguments.model or arguments.ray):
        raise UserError("--backend with --model or --ray", allowed="one of them: a backend has its own model")
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
        backends=backends,
        settings=settings,
    )
    run(options)
