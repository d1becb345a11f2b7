"""serve: a model behind the OpenAI API, with a web page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nunbit.errors import UserError
from nunbit.serving.settings import Settings


@dataclass(frozen=True, slots=True)
class Service:
    """A model and how it is to answer. It pickles, so that every replica opens its own."""

    model: str | None = None
    device: str = "cpu"
    slots: int = 8
    queue: int = 64
    threads: int = 1
    int8: bool = False
    settings: Settings = Settings()

    def open(self) -> Any:
        """The model loaded, its engine running, the application over them (a FastAPI)."""
        import torch

        from nunbit.engine.int8_linear import quantise
        from nunbit.engine.packed_linear import pack
        from nunbit.engine.scheduler import Engine
        from nunbit.models.assistant import Assistant
        from nunbit.serving.app import create_app
        from nunbit.serving.heap import one_heap, trim_when_idle

        one_heap()
        torch.set_num_threads(self.threads)
        loaded = Assistant(self.model, self.device)
        if self.int8:
            quantise(loaded.model)
        pack(loaded.model)
        engine = Engine.of(loaded, slots=self.slots, max_queue=self.queue)
        trim_when_idle(lambda: engine.figures.requests, lambda: not engine.waiting and not engine.running)
        return create_app(engine, loaded.name, self.settings)


def serve(service: Service, host: str, port: int, replicas: str = "", address: str = "") -> None:
    """Answer until told to end: in this process, or in ``replicas`` of a Ray cluster at ``address``."""
    try:
        import fastapi  # noqa: F401
        import prometheus_client  # noqa: F401
        import uvicorn
    except ImportError as e:
        raise UserError(
            f"the server needs '{e.name}', which is not installed", todo="install them: pip install 'nunbit[serve]'"
        ) from None
    if not service.settings.keys and host not in ("127.0.0.1", "localhost", "::1"):
        print("note: no API key is set, and the server listens to more than this machine (--key, NUNBIT_API_KEYS)")
    if replicas:
        from nunbit.serving.replicas import serve_replicas

        serve_replicas(service, replicas, host, port, address)
        return
    app = service.open()
    print(answering(service, host, port))
    uvicorn.run(app, host=host, port=port, log_level="warning", timeout_graceful_shutdown=30, server_header=False,
                h11_max_incomplete_event_size=64 * 1024)  # fmt: skip


def answering(service: Service, host: str, port: int) -> str:
    """Where it answers, in words."""
    page = f", with a page at http://{host}:{port}/" if service.settings.page else ""
    return f"nunbit answers at http://{host}:{port}/v1{page}"
