"""``nunbit serve --ray``: the same application in several processes, on one machine or on many, behind the proxy of Ray Serve.

A replica is the whole server without its socket: a model, an engine, `create_app`. What bounds a request bounds it there, so keys, limits
and refusals are those of the single server; rates, figures and caches are each replica's own. Ray is the extra ``ray``.
"""

from __future__ import annotations

import logging
import re
import signal
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

from nunbit.errors import UserError
from nunbit.evaluation.ray_cluster import connect
from nunbit.serving.launch import Service, answering

NAME = "nunbit"
MOST = 1000
SPARE = 16
"""Requests a replica takes beyond what its engine does: it refuses those itself, in the form of the API."""
DRAIN_S = 40.0
"""What an ending replica has for the answers under way: as long as the single server, and the engine's own end."""


class Replica:
    """One engine behind the application. Ray Serve makes one in every process, and another where one has died."""

    def __init__(self, service: Service) -> None:
        self.opened = service.open()

    def __serve_build_asgi_app__(self) -> Any:
        return self.opened

    def check_health(self) -> None:
        """Called by Ray Serve every few seconds; a replica that raises is replaced."""
        if not self.opened.state.server.engine.alive:
            raise RuntimeError("the engine has ended")


def bounds(wish: str) -> tuple[int, int]:
    """``3`` is (3, 3), ``1-4`` is (1, 4)."""
    found = re.fullmatch(r"(\d{1,4})(?:-(\d{1,4}))?", wish.strip())
    least, most = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
    if not 1 <= least <= most <= MOST:
        raise UserError(f"'{wish}' replicas", allowed=f"a number, or LEAST-MOST for as many as the load asks for; from 1 to {MOST}")
    return least, most


def options(service: Service, least: int, most: int) -> dict[str, Any]:
    """How Ray Serve is to run the replicas: what each takes, how much it is sent, how it ends."""
    held = service.slots + service.queue
    scaled = {"min_replicas": least, "max_replicas": most, "target_ongoing_requests": service.slots}
    return {
        **({"num_replicas": least} if least == most else {"autoscaling_config": scaled}),
        "ray_actor_options": {"num_cpus": service.threads, "num_gpus": float(service.device.startswith("cuda"))},
        "max_ongoing_requests": held + SPARE,
        "max_queued_requests": held,
        "backpressure_config": {"retry_after_s": 1},
        "graceful_shutdown_timeout_s": DRAIN_S,
        "max_constructor_retry_count": 2,
    }


def application(service: Service, least: int, most: int) -> Any:
    """The application of Ray Serve, for `serve.run`. Folders are named from the root: a replica works elsewhere."""
    from ray import serve

    return serve.deployment(serve.ingress()(Replica), name=NAME, **options(service, least, most)).bind(anywhere(service))


def anywhere(service: Service) -> Service:
    """The same service with its folders named from the root."""
    model, fetch = service.model, service.settings.fetch
    here = str(Path(model).resolve()) if model and Path(model).exists() else model
    fetch = replace(fetch, folders=tuple(str(Path(f).resolve()) for f in fetch.folders))
    return replace(service, model=here, settings=replace(service.settings, fetch=fetch))


def serve_replicas(service: Service, wish: str, host: str, port: int, address: str) -> None:
    """Deploy, wait for SIGTERM or Ctrl-C, let answers under way end.

    Raises:
        UserError: Ray Serve is not installed, the cluster has no room, or a replica does not start.
    """
    least, most = bounds(wish)
    ray = connect(address, "serve")
    from ray import serve

    logging.getLogger("ray.serve").setLevel(logging.ERROR)
    _room(ray.cluster_resources(), least, **options(service, least, most)["ray_actor_options"])
    running = serve.status()
    ours = not running.proxies
    if NAME in running.applications:
        raise UserError("a cluster on which nunbit is served already", allowed="one server a cluster", todo="end that one first")
    if ours:
        serve.start(http_options={"host": host, "port": port})
    else:
        print("note: Ray Serve runs on this cluster already; its host and port hold")
    over = threading.Event()
    try:
        serve.run(application(service, least, most), name=NAME)
        for sign in (signal.SIGTERM, signal.SIGINT):  # not before: what does not start must be stopped by them at once
            signal.signal(sign, lambda *_: over.set())
        print(f"{answering(service, host, port)}, from {wish} replicas", flush=True)
        over.wait()
    except RuntimeError as e:
        tried = serve.status().applications.get(NAME)
        said = "\n".join([str(e), *(d.message for d in tried.deployments.values())] if tried else [str(e)])
        raise UserError(f"replicas that do not start ({_last(said)})", todo="see whether it starts without --ray") from None
    finally:
        serve.delete(NAME)
        if ours and address:  # a cluster of our own ends as a whole
            serve.shutdown()
        ray.shutdown()


def _room(has: dict[str, float], least: int, num_cpus: float, num_gpus: float) -> None:
    """Ray Serve would wait for room without a word."""
    if has.get("CPU", 0) < least * num_cpus or has.get("GPU", 0) < least * num_gpus:
        raise UserError(f"{least} replicas of {num_cpus:g} CPUs and {num_gpus:g} GPUs", allowed=f"what the cluster has: {has.get('CPU', 0):g} CPUs, {has.get('GPU', 0):g} GPUs",
                        todo="ask for less (--ray, --threads), or join a larger cluster with --ray-address")  # fmt: skip


def _last(said: str) -> str:
    """The last line of a traceback that names an error, or the last line."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    named = [line for line in lines if re.match(r"[\w.]*(Error|Exception): ", line)]
    return [*lines, *named][-1][:500].removeprefix("nunbit.errors.UserError: ")
