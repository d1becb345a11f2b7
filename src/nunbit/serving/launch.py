"""``nunbit serve``: a model behind the OpenAI API, with a web page."""

from __future__ import annotations

from nunbit.errors import UserError
from nunbit.serving.build import ServeOptions, address_line, build_app

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def serve(options: ServeOptions) -> None:
    """Serve until a signal ends the process: here, or in the replicas of a Ray cluster.

    Raises:
        UserError: a package of the server is missing, or the replicas do not start.
    """
    try:
        import fastapi  # noqa: F401
        import prometheus_client  # noqa: F401
        import uvicorn
    except ImportError as e:
        raise UserError(
            f"the server needs '{e.name}', which is not installed", todo="install them: pip install 'nunbit[serve]'"
        ) from None
    if not options.settings.api_keys and options.host not in LOOPBACK:
        print("note: no API key is set, and the server listens to more than this machine (--key, NUNBIT_API_KEYS)")
    if options.replicas:
        from nunbit.serving.replicas import serve_replicas

        serve_replicas(options)
        return
    app = build_app(options)
    print(address_line(options))
    uvicorn.run(
        app,
        host=options.host,
        port=options.port,
        log_level="warning",
        timeout_graceful_shutdown=30,
        server_header=False,
        h11_max_incomplete_event_size=64 * 1024,
    )
