"""``nunbit serve --ray``: the same application in several processes, on one or many machines, behind the proxy of Ray
Serve.

A replica is the whole server without its socket: a model, an engine, `create_app`. Each replica bounds its requests
itself, so keys, limits and errors are those of the single server; rate limits, metrics and caches belong to each
replica. Ray is the extra ``ray``.
"""

from __future__ import annotations

import logging
import re
import signal
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

from nunbit.engine.options import CPU_SLOTS, CUDA_SLOTS
from nunbit.errors import UserError
from nunbit.evaluation.ray_cluster import connect
from nunbit.models.loading import named_device
from nunbit.serving.build import ServeOptions, address_line, build_app

APPLICATION = "nunbit"
MAX_REPLICAS = 1000
EXTRA_REQUESTS = 16
"""Requests a replica takes beyond what its engine holds: it refuses those itself, with the error of the API."""
SHUTDOWN_TIMEOUT_S = 40.0
"""Time an ending replica has for its running answers: that of the single server, and that of the engine's own end."""


class Replica:
    """One engine behind the application. Ray Serve makes one in every process, and another where one has died."""

    def __init__(self, options: ServeOptions) -> None:
        self.app = build_app(options)

    def __serve_build_asgi_app__(self) -> Any:
        """The application. Ray Serve calls this."""
        return self.app

    def check_health(self) -> None:
        """Raise RuntimeError where the engine has ended. Ray Serve calls this every few seconds and replaces the
        replica."""
        if not self.app.state.server.engine.alive:
            raise RuntimeError("the engine has ended")


def parse_replicas(text: str) -> tuple[int, int]:
    """Read ``3`` as (3, 3) and ``1-4`` as (1, 4).

    Raises:
        UserError: any other form, or a number out of bounds.
    """
    found = re.fullmatch(r"(\d{1,4})(?:-(\d{1,4}))?", text.strip())
    least, most = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
    if not 1 <= least <= most <= MAX_REPLICAS:
        allowed = f"a number, or MIN-MAX to scale with the load; from 1 to {MAX_REPLICAS}"
        raise UserError(f"'{text}' replicas", allowed=allowed)
    return least, most


def deployment_options(options: ServeOptions, least: int, most: int) -> dict[str, Any]:
    """How Ray Serve runs the replicas: the resources of each, how many requests it is sent, how it ends."""
    cuda = named_device(options.device).startswith("cuda")
    slots = options.caches.slots or (CUDA_SLOTS if cuda else CPU_SLOTS)
    capacity = slots + options.max_queue
    scaled = {"min_replicas": least, "max_replicas": most, "target_ongoing_requests": slots}
    return {
        **({"num_replicas": least} if least == most else {"autoscaling_config": scaled}),
        "ray_actor_options": {"num_cpus": options.threads, "num_gpus": float(cuda)},
        "max_ongoing_requests": capacity + EXTRA_REQUESTS,
        "max_queued_requests": capacity,
        "backpressure_config": {"retry_after_s": 1},
        "graceful_shutdown_timeout_s": SHUTDOWN_TIMEOUT_S,
        "max_constructor_retry_count": 2,
    }


def build_deployment(options: ServeOptions, least: int, most: int) -> Any:
    """The application of Ray Serve, for `serve.run`."""
    from ray import serve

    deployment = serve.deployment(
        serve.ingress()(Replica), name=APPLICATION, **deployment_options(options, least, most)
    )
    return deployment.bind(with_absolute_paths(options))


def with_absolute_paths(options: ServeOptions) -> ServeOptions:
    """The same options with absolute folders: a replica has another working directory."""
    model, fetch = options.model, options.settings.fetch
    model = str(Path(model).resolve()) if model and Path(model).exists() else model
    fetch = replace(fetch, folders=tuple(str(Path(f).resolve()) for f in fetch.folders))
    return replace(options, model=model, settings=replace(options.settings, fetch=fetch))


def serve_replicas(options: ServeOptions) -> None:
    """Deploy the replicas, wait for SIGTERM or Ctrl-C, let the running answers end.

    Raises:
        UserError: Ray Serve is not installed, the cluster has no room, or a replica does not start.
    """
    least, most = parse_replicas(options.replicas)
    ray = connect(options.ray_address, "serve")
    from ray import serve

    logging.getLogger("ray.serve").setLevel(logging.ERROR)
    _check_resources(ray.cluster_resources(), least, **deployment_options(options, least, most)["ray_actor_options"])
    status = serve.status()
    started_here = not status.proxies
    if APPLICATION in status.applications:
        raise UserError(
            "a cluster on which nunbit is served already", allowed="one server a cluster", todo="end that one first"
        )
    if started_here:
        serve.start(http_options={"host": options.host, "port": options.port})
    else:
        print("note: Ray Serve runs on this cluster already; its host and port are used")
    try:
        _run_until_signal(options, least, most)
    except RuntimeError as e:
        failed = serve.status().applications.get(APPLICATION)
        log = "\n".join([str(e), *(d.message for d in failed.deployments.values())] if failed else [str(e)])
        todo = "try whether it starts without --ray"
        raise UserError(f"replicas that do not start ({_last_error(log)})", todo=todo) from None
    finally:
        serve.delete(APPLICATION)
        if started_here and options.ray_address:  # else Ray Serve ends with the cluster
            serve.shutdown()
        ray.shutdown()


def _run_until_signal(options: ServeOptions, least: int, most: int) -> None:
    from ray import serve

    stop = threading.Event()
    serve.run(build_deployment(options, least, most), name=APPLICATION)
    for number in (
        signal.SIGTERM,
        signal.SIGINT,
    ):  # only now: until the replicas run, a signal ends the process at once
        signal.signal(number, lambda *_: stop.set())
    print(f"{address_line(options)}, from {options.replicas} replicas", flush=True)
    stop.wait()


def _check_resources(resources: dict[str, float], least: int, num_cpus: float, num_gpus: float) -> None:
    """Refuse what the cluster cannot hold: Ray Serve would wait for resources without a word."""
    cpus, gpus = resources.get("CPU", 0), resources.get("GPU", 0)
    if cpus < least * num_cpus or gpus < least * num_gpus:
        raise UserError(
            f"{least} replicas of {num_cpus:g} CPUs and {num_gpus:g} GPUs",
            allowed=f"what the cluster has: {cpus:g} CPUs, {gpus:g} GPUs",
            todo="lower --ray or --threads, or join a larger cluster with --ray-address",
        )


def _last_error(log: str) -> str:
    """The last line of a log that names an exception, or its last line."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    errors = [line for line in lines if re.match(r"[\w.]*(Error|Exception): ", line)]
    return [*lines, *errors][-1][:500].removeprefix("nunbit.errors.UserError: ")
