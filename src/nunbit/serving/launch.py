"""``nunbit serve``: a model behind the OpenAI API, with a web page."""

from __future__ import annotations

import os
import socket

from nunbit.errors import UserError
from nunbit.serving.build import ServeOptions, address_line, build_app
from nunbit.translation import translated, user_language

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
        note = "note: no API key is set, and the server listens to more than this machine (--key, NUNBIT_API_KEYS)"
        print(translated(note, user_language()))
    if options.replicas:
        from nunbit.serving.replicas import serve_replicas

        serve_replicas(options)
        return
    listener = bound_socket(options.host, options.port)  # before the model loads, which takes longer
    config = uvicorn.Config(
        build_app(options),
        log_level="warning",
        timeout_graceful_shutdown=30,
        server_header=False,
        h11_max_incomplete_event_size=64 * 1024,
    )

    class Announced(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            print(translated(address_line(options, listener.getsockname()[1]), user_language()), flush=True)

    Announced(config).run(sockets=[listener])


def bound_socket(host: str, port: int) -> socket.socket:
    """A socket at an address, which does not listen yet.

    Raises:
        UserError: the address is taken, or not one of this machine.
    """
    # With its protocol named: asyncio turns Nagle's algorithm off only for sockets that say TCP, and with it on every
    # reply waits 40 ms for an acknowledgement between its head and its body.
    made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    if os.name != "nt":  # there it would let two servers have one port
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((host, port))
    except (OSError, OverflowError) as e:
        made.close()
        reason = getattr(e, "strerror", None) or str(e)
        raise UserError(
            f"the server cannot listen at {host}:{port} ({reason})",
            allowed="an address of this machine and a port that is free",
            todo="name others with --host and --port",
        ) from None
    return made
