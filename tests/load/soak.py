"""A server at saturation for minutes, with clients that hang up; then SIGTERM while answers are under way.

    python -m tests.load.soak [--minutes 20] [--clients 24] [--p99 30] [--model nunbit-tiny]

Passes if every canary question gets the answer that `generate` gives alone, nothing fails except what is refused with
503 and Retry-After, 99 of 100 answers come within ``--p99`` seconds, memory (without what the bounded caches hold) is
flat from the first quarter on, and after SIGTERM the answers under way are completed and the process ends by itself.
Prints one JSON line. Seconds mean little where ``cpu_share``, the processors that the server had, is below 1: it would
have used more.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import statistics
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from benchmarks.server_process import CHAT, NUNBIT, ONE_THREAD, Server, noise, plain, turn

FLAT_MB = 40
QUESTIONS = ("What color is the picture?", "How many things are there?", "Describe the picture.", "무엇이 보이나요?")
COLOURS = ((200, 40, 40), (30, 60, 200), (20, 160, 60))
CANARIES = [turn(q, plain(colour=c)) for q in QUESTIONS for c in COLOURS]
TOKENS = 32
SCHEMA = {
    "type": "json_schema",
    "json_schema": {
        "name": "a",
        "schema": {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]},
    },
}


def known_answers(folder: str | Path | None = None) -> list[str]:
    """What `generate` answers to the canaries, one at a time; by the embedded model unless a folder is named."""
    from PIL import Image

    from nunbit.assistant import Assistant
    from nunbit.messages import question

    assistant = Assistant(folder)
    return [
        assistant.generate(question(q, [Image.new("RGB", (64, 64), c)]), max_new_tokens=TOKENS).text
        for q in QUESTIONS
        for c in COLOURS
    ]


class Crowd:
    """Clients that ask until they are stopped, and what came back."""

    def __init__(self, server: Server, known: list[str]) -> None:
        self.server, self.known = server, known
        self.counts: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.seconds: list[float] = []
        self.over = threading.Event()

    def live(self, seed: int) -> None:
        rng = random.Random(seed)
        with httpx.Client(base_url=self.server.url, timeout=300) as client:
            while not self.over.is_set():
                try:
                    rng.choice((self.canary, self.canary, self.leave, self.crowd))(client, rng)
                except httpx.HTTPError as e:
                    self.wrong.append(type(e).__name__)

    def post(self, client: httpx.Client, path: str, body: dict[str, Any]) -> httpx.Response | None:
        """A reply; None when the server is full: after waiting for Retry-After."""
        start = time.monotonic()
        got = client.post(path, json=body)
        self.counts[str(got.status_code)] += 1
        if got.status_code == 503 and "retry-after" in got.headers:
            time.sleep(float(got.headers["retry-after"]))
            return None
        if got.status_code != 200:
            self.wrong.append(f"{got.status_code} {got.text[:80]}")
            return None
        self.seconds.append(time.monotonic() - start)
        return got

    def canary(self, client: httpx.Client, rng: random.Random) -> None:
        at = rng.randrange(len(CANARIES))
        body = {"messages": CANARIES[at], "max_tokens": TOKENS, "stream": rng.random() < 0.5}
        if (got := self.post(client, CHAT, body)) is not None:
            self.judge(at, streamed(got.text) if body["stream"] else got.json()["choices"][0]["message"]["content"])

    def judge(self, at: int, text: str) -> None:
        self.counts["canaries"] += 1
        if text.strip() != self.known[at]:
            self.wrong.append(f"canary {at}: {text[:60]!r} in place of {self.known[at][:60]!r}")

    def leave(self, client: httpx.Client, rng: random.Random) -> None:
        """Hang up, at once or in the middle of an answer."""
        body = {
            "messages": turn("Describe the picture.", noise(rng.randrange(10**6), 96)),
            "n": rng.choice((1, 3)),
            "stream": rng.random() < 0.6,
        }
        try:
            with client.stream("POST", CHAT, json=body, timeout=rng.random()) as reply:
                self.counts["503" if reply.status_code == 503 else "left"] += 1
                if body["stream"] and reply.status_code == 200:
                    next(reply.iter_raw(64), None)
        except httpx.TimeoutException:
            self.counts["left"] += 1

    def crowd(self, client: httpx.Client, rng: random.Random) -> None:
        """Other kinds of requests."""
        picture = noise(rng.randrange(10**6), 96)
        path, body = rng.choice(
            (
                (
                    CHAT,
                    {
                        "messages": turn("Describe the picture.", picture),
                        "temperature": 1.0,
                        "n": 2,
                        "logprobs": True,
                        "max_tokens": 24,
                    },
                ),
                (CHAT, {"messages": turn("How many?", picture), "response_format": SCHEMA, "max_tokens": 24}),
                ("/v1/embeddings", {"input": ["a red circle", picture]}),
                ("/v1/completions", {"prompt": "The picture", "max_tokens": 16, "seed": 1, "temperature": 0.7}),
            )
        )
        self.post(client, path, body)


def streamed(text: str) -> str:
    """The words of a whole stream; one that broke off is no answer."""
    lines = [line[6:] for line in text.splitlines() if line.startswith("data: ")]
    if not lines or lines[-1] != "[DONE]":
        return "a stream that broke off"
    deltas = [json.loads(line) for line in lines[:-1]]
    return "".join(d["choices"][0]["delta"].get("content", "") for d in deltas if d.get("choices"))


def drained(server: Server, crowd: Crowd) -> dict[str, Any]:
    """SIGTERM while as many canaries stream as there are slots: each answer must be completed, and the process end."""
    first, done = threading.Barrier(9), Counter()

    def hold(at: int) -> None:
        body = {"messages": CANARIES[at], "max_tokens": TOKENS, "stream": True}
        with httpx.stream("POST", server.url + CHAT, json=body, timeout=120) as reply:
            pieces = reply.iter_text()
            text = next(pieces)
            first.wait(120)
            whole = text + "".join(pieces)
        done["right" if streamed(whole).strip() == crowd.known[at] else "wrong"] += 1

    threads = [threading.Thread(target=hold, args=(i,)) for i in range(8)]
    [t.start() for t in threads]
    first.wait(120)
    start = time.monotonic()
    server.process.send_signal(signal.SIGTERM)
    [t.join(120) for t in threads]
    return {
        "whole": done["right"],
        "of": len(threads),
        "ended": server.stop(),
        "seconds": round(time.monotonic() - start, 1),
    }


def soak(server: Server, crowd: Crowd, minutes: float, clients: int) -> list[tuple[float, float]]:
    """Run the crowd; memory in MB without the caches, by the second."""
    threads = [threading.Thread(target=crowd.live, args=(i,), daemon=True) for i in range(clients)]
    [t.start() for t in threads]
    start, curve = time.monotonic(), []
    while (now := time.monotonic() - start) < 60 * minutes:
        curve.append((now, server.memory_mb() - server.cached_mb()))
        time.sleep(1)
    crowd.over.set()
    [t.join(120) for t in threads]
    return curve


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--clients", type=int, default=24)
    parser.add_argument("--p99", type=float, default=30)
    parser.add_argument("--model", default="nunbit-tiny", help="one model everywhere, whatever was fetched here")
    options = parser.parse_args()
    server = Server((*NUNBIT, "--model", options.model, "--slots", "8", "--queue", "12"), env=ONE_THREAD)
    crowd = Crowd(server, known_answers(options.model))
    server.must_start()
    try:
        curve = soak(server, crowd, options.minutes, options.clients)
        cpu, made = server.cpu_s(), server.figure("nunbit_generated_tokens_total")
        drain = drained(server, crowd)
    finally:
        server.stop()
    quarters = [
        float(np.median([mb for _, mb in part])) for part in np.array_split(np.array(curve), 4)[1:] if len(part)
    ]
    p99 = float(np.quantile(crowd.seconds, 0.99)) if crowd.seconds else float("inf")
    good = (
        not crowd.wrong
        and crowd.counts["canaries"] > 0
        and p99 <= options.p99
        and quarters[-1] - quarters[0] <= FLAT_MB
    )
    good = good and drain["whole"] == drain["of"] and drain["ended"]
    print(
        json.dumps(
            {
                "minutes": options.minutes,
                "clients": options.clients,
                "replies": dict(sorted(crowd.counts.items())),
                "wrong": crowd.wrong[:10],
                "p50_s": round(statistics.median(crowd.seconds or [0]), 2),
                "p99_s": round(p99, 2),
                "tokens": made,
                "cpu_s": round(cpu, 1),
                "cpu_share": round(cpu / (60 * options.minutes), 2),
                "memory_mb": [round(m) for m in quarters],
                "drain": drain,
                "passed": good,
            },
            ensure_ascii=False,
        )
    )
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
