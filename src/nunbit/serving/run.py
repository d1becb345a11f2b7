"""serve: a model behind the OpenAI API, with a web page."""

from __future__ import annotations

from typing import Any

from nunbit.errors import UserError


def serve(model: str | None, device: str, host: str, port: int, slots: int, queue: int, threads: int, int8: bool,
          settings: dict[str, Any], fetch: dict[str, Any]) -> None:  # fmt: skip
    try:
        import fastapi  # noqa: F401
        import prometheus_client  # noqa: F401
        import uvicorn
    except ImportError as e:
        raise UserError(
            f"the server needs '{e.name}', which is not installed", todo="install them: pip install 'nunbit[serve]'"
        ) from None
    import torch

    from nunbit.engine.int8 import quantise
    from nunbit.engine.packed import pack
    from nunbit.engine.scheduler import Engine
    from nunbit.media import FetchPolicy
    from nunbit.models.assistant import Assistant
    from nunbit.serving.app import create_app
    from nunbit.serving.settings import Settings

    torch.set_num_threads(threads)
    loaded = Assistant(model, device)
    if int8:
        quantise(loaded.model)
    pack(loaded.model)
    engine = Engine.of(loaded, slots=slots, max_queue=queue)
    app = create_app(engine, loaded.name, Settings(**settings, fetch=FetchPolicy(**fetch)))
    if not settings["keys"] and host not in ("127.0.0.1", "localhost", "::1"):
        print("note: no API key is set, and the server listens to more than this machine (--key, NUNBIT_API_KEYS)")
    print(
        f"nunbit answers at http://{host}:{port}/v1"
        + (f", with a page at http://{host}:{port}/" if settings["page"] else "")
    )
    uvicorn.run(app, host=host, port=port, log_level="warning", timeout_graceful_shutdown=30, server_header=False,
                h11_max_incomplete_event_size=64 * 1024)  # fmt: skip
