"""Thousands of hostile requests against a running server. Then: is it alive, does it answer, is its memory back?

    python -m tests.load.hostile [--requests 3000] [--json] [--model nunbit-tiny]

Decompression bombs, absurd sizes, deep JSON, thousands of pictures, slow bodies, clients that hang up while sending or
receiving, tricks with paths, headers and URLs, control tokens, wrong types. Passes if
- no reply is a 5xx (503 with Retry-After aside) and none takes longer than a minute;
- nothing outside was contacted: a canary listener counts connections, and the server's own sockets are watched;
- a canary question gets the same answer before, during and after;
- the last two thirds of the requests leave memory, without what the bounded caches hold, within 60 MB of where the
  first third left it.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import socket
import sys
import threading
import time
from collections import Counter
from typing import Any

import httpx
from benchmarks.server_process import CHAT, NUNBIT, ONE_THREAD, Server, plain, turn
from tests.load.hostile_requests import Hostile

SLACK_MB = 60
HANG_S = 60


class Attack:
    """Sends; keeps what was wrong and how often each status came."""

    def __init__(self, target: Server, canary: int) -> None:
        self.target, self.canary = target, canary
        self.found: list[str] = []
        self.counts: Counter[str] = Counter()
        self.judged: list[int] = []
        """The seeds whose requests were sent and judged: a thread that ends early leaves some out."""

    def run(self, seeds: range) -> None:
        with httpx.Client(base_url=self.target.url, timeout=HANG_S) as client:
            for seed in seeds:
                made = Hostile(seed, self.canary)
                path, body = made.request()
                content = body if isinstance(body, bytes) else json.dumps(body).encode()
                kind = made.rng.random()
                try:
                    if kind < 0.06:
                        self.counts[self.raw(content, made.rng)] += 1
                    elif kind < 0.09:
                        self.leave(client)
                    else:
                        self.judge(seed, path, self.post(client, path, content, made.rng))
                except (httpx.HTTPError, OSError) as e:
                    self.found.append(f"{seed}: {path[:60]}: {type(e).__name__}")
                self.judged.append(seed)

    def post(self, client: httpx.Client, path: str, content: bytes, rng: random.Random) -> httpx.Response:
        headers = {"content-type": "application/json"}
        if rng.random() < 0.05:
            content, headers["content-encoding"] = gzip.compress(bytes(5_000_000)), "gzip"
        if rng.random() < 0.05:
            headers |= rng.choice(
                (
                    {"content-type": "text/xml"},
                    {"authorization": "Bearer " + "x" * 9000},
                    {"x": "y" * 30_000},
                    {"host": "169.254.169.254"},
                    {"origin": "null"},
                    {"content-type": "multipart/form-data; boundary=x"},
                )
            )
        return client.request("GET" if not content and path != CHAT else "POST", path, content=content, headers=headers)

    def raw(self, content: bytes, rng: random.Random) -> str:
        """Below HTTP: hang up in the middle, send drop by drop, contradict oneself."""
        head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        kind = rng.choice(("hung up", "slow", "contradictory", "paths", "no HTTP"))
        with socket.create_connection(("127.0.0.1", self.target.port), timeout=HANG_S) as s:
            if kind == "hung up":
                s.sendall(head + b"Content-Length: " + str(len(content) + 1).encode() + b"\r\n\r\n" + content[:5000])
            elif kind == "slow":
                s.sendall(head + b"Content-Length: 500\r\n\r\n")
                for _ in range(10):
                    s.sendall(b"{")
                    time.sleep(0.1)
            elif kind == "contradictory":
                s.sendall(head + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF\r\nx")
            elif kind == "paths":
                s.sendall(b"GET /page/../../../../../../etc/passwd HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                if b"root:" in s.recv(65536):
                    self.found.append("a file was read by its path")
            else:
                s.sendall(
                    rng.choice((b"\x16\x03\x01" + bytes(300), b"GET / HTTP/9.9\r\n\r\n", b"A" * 70_000, b"\r\n" * 99))
                )
        return kind

    def leave(self, client: httpx.Client) -> None:
        """Hang up while an answer comes."""
        options = {"messages": turn("Describe the picture.", plain()), "stream": True, "n": 4}
        with client.stream("POST", CHAT, json=options) as reply:
            for _ in reply.iter_raw(1):
                break
        self.counts["left"] += 1

    def judge(self, seed: int, path: str, got: httpx.Response) -> None:
        self.counts[str(got.status_code)] += 1
        if got.status_code >= 500 and not (got.status_code == 503 and "retry-after" in got.headers):
            self.found.append(f"{seed}: {path[:60]}: {got.status_code} {got.text[:100]}")
        if "Traceback" in got.text or "root:" in got.text or "site-packages" in got.text:
            self.found.append(f"{seed}: {path[:60]}: tells too much about the server")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--requests", type=int, default=3000)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--model", default="nunbit-tiny", help="one model everywhere, whatever was fetched here")
    options = parser.parse_args()
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.0)
    target = Server((*NUNBIT, "--model", options.model), env=ONE_THREAD)
    target.must_start()
    try:
        report = attacked(target, listener, options.requests)
    finally:
        ended = target.stop()
    report["passed"] = bool(report["passed"]) and ended
    if not report["passed"]:
        report["last_line"] = target.last_line()
    print(json.dumps(report) if options.json else "\n".join(f"{k}: {v}" for k, v in report.items()))
    sys.exit(0 if report["passed"] else 1)


def attacked(target: Server, listener: socket.socket, requests: int) -> dict[str, Any]:
    attack = Attack(target, listener.getsockname()[1])
    canary = {"messages": turn("What color is the picture?", plain()), "max_tokens": 8}

    def canary_answer() -> str:
        """Five times when the server is full: an answer that does not come is a failure of its own."""
        for _ in range(5):
            got = httpx.post(target.url + CHAT, json=canary, timeout=2 * HANG_S)
            if got.status_code != 503:
                break
            time.sleep(float(got.headers["retry-after"]))
        return (
            str(got.json()["choices"][0]["message"]["content"])
            if got.status_code == 200
            else f"status {got.status_code}"
        )

    want, start, cpu, wrong, memory, outside = canary_answer(), time.monotonic(), target.cpu_s(), 0, [], set()
    for first, last in ((0, requests // 3), (requests // 3, requests)):
        cuts = [first + (last - first) * i // 4 for i in range(5)]
        threads = [
            threading.Thread(target=attack.run, args=(range(a, b),)) for a, b in zip(cuts, cuts[1:], strict=False)
        ]
        [t.start() for t in threads]
        while any(t.is_alive() for t in threads):
            wrong += canary_answer() != want
            outside |= target.outside()
            time.sleep(1)
        time.sleep(2)
        memory.append(target.memory_mb() - target.cached_mb())
    wrong += canary_answer() != want
    try:
        listener.accept()
        outside.add("the canary")
    except BlockingIOError:
        pass
    good = not (attack.found or wrong or outside) and memory[1] < memory[0] + SLACK_MB
    good = good and len(attack.judged) == requests > 0
    return {
        "requests": len(attack.judged),
        "of": requests,
        "seconds": round(time.monotonic() - start, 1),
        "cpu_s": round(target.cpu_s() - cpu, 1),
        "replies": dict(sorted(attack.counts.items())),
        "wrong_canaries": wrong,
        "called": sorted(outside),
        "memory_mb": [round(m) for m in memory],
        "failures": attack.found[:10],
        "passed": good,
    }


if __name__ == "__main__":
    main()
