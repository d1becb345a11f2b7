"""A model, its engine and the application over them, made from the options of ``nunbit serve``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nunbit.serving.settings import ServerSettings

if TYPE_CHECKING:
    from fastapi import FastAPI


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """A model and how it is served. It pickles, so that every replica opens its own model.

    Attributes:
        model: folder or hub id; None for the embedded model.
        device: where it runs.
        host, port: where the server listens.
        slots: answers that are generated together.
        max_queue: requests that may wait.
        length: tokens that a prompt and its answer may take; 0 for what suits the model.
        threads: processor threads.
        int8: 8-bit linear layers on a processor.
        replicas: replicas on a Ray cluster, ``N`` or ``MIN-MAX``; empty for one server without Ray.
        ray_address: the cluster; empty for one on this machine.
        settings: bounds and permissions of the API.
    """

    model: str | None = None
    device: str = "cpu"
    host: str = "127.0.0.1"
    port: int = 8000
    slots: int = 8
    max_queue: int = 64
    length: int = 0
    threads: int = 1
    int8: bool = False
    replicas: str = ""
    ray_address: str = ""
    settings: ServerSettings = ServerSettings()


def build_app(options: ServeOptions) -> FastAPI:
    """Load the model, start its engine, and make the application over them."""
    import torch

    from nunbit.assistant import Assistant
    from nunbit.engine.int8_linear import quantise
    from nunbit.engine.packed_linear import pack
    from nunbit.engine.scheduler import Engine
    from nunbit.engine.supported import server_length
    from nunbit.media.heap import freeze_loaded, trim_when_idle, use_single_heap
    from nunbit.serving.app import create_app

    use_single_heap()
    torch.set_num_threads(options.threads)
    loaded = Assistant(options.model, options.device)
    if options.int8:
        quantise(loaded.model)
    pack(loaded.model)
    length = options.length or server_length(loaded.model.config)
    engine = Engine.from_loaded(loaded, slots=options.slots, max_queue=options.max_queue, length=length)
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
