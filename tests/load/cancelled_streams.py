"""A thousand callers who hang up in the middle of their answers, at once and several times: what does the gateway keep?

    python -m tests.load.cancelled_streams [--streams 1000] [--rounds 4]

The gateway is a process of its own in front of a backend that never stops talking. After every round it must have no
open reply, no task and no connection more than before, and the backend no connection. Memory may grow in the first
round, as buffers and code come in; after that only by `ALLOWED_MB`.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import sys
import time

import httpx
from benchmarks.server_process import Server
from tests.serving.gateway.conftest import Upstream

ALLOWED_MB = 8.0
BODY = {"model": "forever", "messages": [{"role": "user", "content": "a"}], "stream": True}


def serve(port: int, backend: str) -> None:
    """A gateway that also tells how many tasks its loop has."""
    import uvicorn

    from nunbit.serving.gateway.build import create_gateway, raise_limit_of_files
    from nunbit.serving.gateway.options import BackendOptions

    raise_limit_of_files()
    app = create_gateway([BackendOptions("forever", backend, "forever")])
    app.get("/tasks")(count_tasks)
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="error", backlog=2048)


async def count_tasks() -> int:
    return len(asyncio.all_tasks())


async def hang_up(url: str, streams: int) -> int:
    """Open so many streams at once, wait until every one has said something, and hang up on all. Returns how many
    were open together."""
    limits = httpx.Limits(max_connections=streams + 50)
    talking, everybody = 0, asyncio.Event()

    async def one(client: httpx.AsyncClient) -> None:
        nonlocal talking
        async with client.stream("POST", url + "/v1/chat/completions", json=BODY) as got:
            assert got.status_code == 200, got.status_code
            async for _ in got.aiter_bytes():
                talking += 1
                if talking == streams:
                    everybody.set()
                await everybody.wait()
                return

    async with httpx.AsyncClient(timeout=300, limits=limits) as client:
        await asyncio.gather(*(one(client) for _ in range(streams)))
    return talking


def settled(server: Server, upstream: Upstream, seconds: float = 60) -> dict[str, float]:
    """What is open once nothing changes any more."""
    until = time.monotonic() + seconds
    while True:
        left = {
            "replies": sum(v for _, v in replies(server)),
            "backend": upstream.open,
            "tasks": int(httpx.get(server.url + "/tasks", timeout=60).text),
            "files": len(os.listdir(f"/proc/{server.process.pid}/fd")),
            "mb": server.memory_mb(),
        }
        if (not left["replies"] and not left["backend"]) or time.monotonic() > until:
            return left
        time.sleep(0.2)


def replies(server: Server) -> list[tuple[str, float]]:
    lines = httpx.get(server.url + "/metrics", timeout=60).text.splitlines()
    return [(n, float(n.split()[-1])) for n in lines if n.startswith("nunbit_gateway_open_replies{")]


def main() -> int:
    """Print one line a round; 1 where something was kept."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--streams", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--gateway", nargs=2, metavar=("PORT", "BACKEND"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.gateway:
        serve(int(options.gateway[0]), options.gateway[1])
        return 0
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    upstream = Upstream()
    server = Server((sys.executable, "-m", "tests.load.cancelled_streams", "--gateway", "{port}", upstream.url))
    server.must_start()
    try:
        httpx.post(server.url + "/v1/chat/completions", json=BODY | {"model": "", "stream": False})
        rows = [settled(server, upstream)]
        show("before", rows[0])
        for n in range(options.rounds):
            start = time.monotonic()
            together = asyncio.run(hang_up(server.url, options.streams))
            rows.append(settled(server, upstream))
            show(f"{together} streams at once, round {n + 1}, {time.monotonic() - start:.1f} s", rows[-1])
        kept = [k for k in ("replies", "tasks", "files") if rows[-1][k] > rows[0][k]]
        kept += ["backend"] if rows[-1]["backend"] else []
        kept += ["memory"] if rows[-1]["mb"] - rows[1]["mb"] > ALLOWED_MB else []
        print("nothing was kept" if not kept else f"kept: {', '.join(kept)}")
        return int(bool(kept))
    finally:
        server.stop()
        upstream.stop()


def show(what: str, row: dict[str, float]) -> None:
    print(
        f"{what}: {row['replies']:.0f} open replies, {row['tasks']} tasks, {row['files']} files, "
        f"{row['backend']} connections at the backend, {row['mb']:.1f} MB",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
