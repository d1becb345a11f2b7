"""A model, its engine and the application over them, made from the options of ``nunbit serve``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nunbit.engine.options import CacheOptions
from nunbit.models.precision import Precision
from nunbit.serving.gateway.options import BackendOptions
from nunbit.serving.settings import ServerSettings

if TYPE_CHECKING:
    from fastapi import FastAPI


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """A model and how it is served. It pickles, so that every replica opens its own model.

    Attributes:
        model: folder or hub id; None for the embedded model.
        device: where it runs; ``auto``: a CUDA device if there is one.
        host, port: where the server listens.
        precision: how the weights are held.
        caches: answers that are generated together, tokens of each, and what is kept.
        max_queue: requests that may wait.
        threads: processor threads.
        replicas: replicas on a Ray cluster, ``N`` or ``MIN-MAX``; empty for one server without Ray.
        ray_address: the cluster; empty for one on this machine.
        backends: servers that generate instead of a model here; empty for none.
        settings: bounds and permissions of the API.
    """

    model: str | None = None
    device: str = "auto"
    host: str = "127.0.0.1"
    port: int = 8000
    precision: Precision = Precision()
    caches: CacheOptions = CacheOptions()
    max_queue: int = 64
    threads: int = 1
    replicas: str = ""
    ray_address: str = ""
    backends: tuple[BackendOptions, ...] = ()
    settings: ServerSettings = ServerSettings()


def build_app(options: ServeOptions) -> FastAPI:
    """Load the model, start its engine, and make the application over them; or over backends, where there are any."""
    if options.backends:
        from nunbit.serving.gateway.build import build_gateway

        return build_gateway(options.backends, options.settings)
    import torch

    from nunbit.assistant import Assistant
    from nunbit.engine.packed_linear import pack
    from nunbit.engine.scheduler import Engine
    from nunbit.engine.sizing import engine_sizes
    from nunbit.media.heap import freeze_loaded, trim_when_idle, use_single_heap
    from nunbit.serving.app import create_app

    use_single_heap()
    torch.set_num_threads(options.threads)
    loaded = Assistant(options.model, options.device, precision=options.precision)
    pack(loaded.model)
    sizes = engine_sizes(loaded.model, options.caches, server=True)
    engine = Engine.from_loaded(loaded, max_queue=options.max_queue, **sizes)
    trim_when_idle(lambda: engine.stats.requests, lambda: not engine.waiting and not engine.running)
    app = create_app(engine, loaded.name, options.settings)
    freeze_loaded()
    return app


def address_line(options: ServeOptions, port: int = 0) -> str:
    """Where the server answers, in words; ``port`` is the one that it got, where the options leave it open."""
    host = f"[{options.host}]" if ":" in options.host else options.host
    root = f"http://{host}:{port or options.port}"
    page = f", with a page at {root}/" if options.settings.page else ""
    return f"nunbit answers at {root}/v1{page}"
