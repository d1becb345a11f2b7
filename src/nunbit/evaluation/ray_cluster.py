"""``--ray``: the same target on several machines.

Each worker holds a model; a batch is cut into as many pieces as there are workers.

To the runner it is a Target like any other, so keeping answers, going on after a kill and marking stay as they are.
Ray is the extra ``ray``.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from nunbit.errors import UserError
from nunbit.evaluation.target import Answers, Failure, Target
from nunbit.messages import Message


def spread(
    make: Callable[[], Target], workers: int, *, address: str = "", cpus: float = 1.0, gpus: float = 0.0
) -> Target:
    """A target of ``workers`` copies over a cluster.

    Args:
        make: opens the target in a worker; it must pickle (a function of a module with plain arguments).
        address: of a running cluster (``auto``, ``ray://HOST:10001``); empty starts one on this machine.
        cpus, gpus: what a worker takes for itself.

    Raises:
        UserError: ray is not installed, or the cluster has no room for one worker.
    """
    ray = connect(address)

    class Worker:
        def __init__(self, make: Callable[[], Target]) -> None:
            self.target = make()

        def about(self) -> tuple[str, dict[str, Any], int]:
            return self.target.name, dict(self.target.settings), self.target.batch

        def answer(self, batch: Sequence[Sequence[Message]]) -> list[str | Failure]:
            return [*self.target.answer(batch)]

    room = ray.cluster_resources()
    if room.get("CPU", 0) < cpus or room.get("GPU", 0) < gpus:
        raise UserError(
            f"a worker of {cpus:g} CPUs and {gpus:g} GPUs",
            allowed=f"what the cluster has: {room.get('CPU', 0):g} CPUs, {room.get('GPU', 0):g} GPUs",
            todo="ask for less, or join a larger cluster with --ray-address",
        )
    remote = ray.remote(num_cpus=cpus, num_gpus=gpus)(Worker)
    held = [remote.remote(make) for _ in range(workers)]
    name, settings, batch = ray.get(held[0].about.remote())
    spread_target = Target(name, lambda some: _scattered(ray, held, some), settings, batch)
    return replace(spread_target, batch=batch * workers)


def _scattered(ray: Any, workers: Sequence[Any], batch: Sequence[Sequence[Message]]) -> Answers:
    """Neighbouring pieces of nearly equal size, one a worker; what a lost worker held are failures, tried again by
    the runner.
    """
    edges = [len(batch) * k // len(workers) for k in range(len(workers) + 1)]
    pieces = [batch[a:b] for a, b in zip(edges, edges[1:], strict=False)]
    waiting = [w.answer.remote(p) if p else None for w, p in zip(workers, pieces, strict=True)]
    out: list[str | Failure] = []
    for piece, reply in zip(pieces, waiting, strict=True):
        try:
            out += ray.get(reply) if reply is not None else []
        except ray.exceptions.RayTaskError as e:
            if isinstance(e.cause, UserError):
                raise e.cause from None
            out += [Failure(f"{type(e.cause).__name__}: {e.cause}")] * len(piece)
        except ray.exceptions.RayError as e:
            out += [Failure(f"a worker was lost ({type(e).__name__})")] * len(piece)
    return out


def connect(address: str, *parts: str) -> Any:
    """The ray module, connected to a cluster.

    Args:
        address: of a running one; empty starts one on this machine, which listens to this machine alone.
        parts: of ray that are needed (``serve``), each with packages of its own.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is reported anywhere
    if not address:
        os.environ.setdefault(
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0"
        )  # despite its name: whether ray listens beyond 127.0.0.1
    try:
        import ray

        for part in parts:
            importlib.import_module(f"ray.{part}")
    except ImportError as e:
        raise UserError(
            f"--ray without {e.name or 'ray'}",
            allowed="one process without it",
            todo="install it: pip install 'nunbit[ray]'",
        ) from None
    if not ray.is_initialized():
        try:
            ray.init(address=address or "local", include_dashboard=False, log_to_driver=False, logging_level="error")
        except Exception as e:  # ray raises many kinds; a start that took too long is a bare Exception
            raise UserError(
                f"no cluster at '{address or 'this machine'}' ({e})"[:300],
                allowed="the address of a running cluster, or none",
                todo="start one with `ray start --head`, or leave --ray-address out",
            ) from None
    return ray
