"""`nunbit serve --ray`: several replicas give the answers of the single server while they are killed in turn (SIGKILL).

    python -m tests.load.ray_serve [--seconds 120] [--clients 8] [--every 20] [--no-scale]

Passes if
- every answer, whole or streamed, is what `generate` gives alone, and a stream comes in pieces;
- a client that retries after a 5xx or a broken connection loses no question;
- killed replicas are replaced, and after SIGTERM the answers under way are completed;
- from one replica of at most two, a crowd of clients starts the second.
Prints one JSON line.
"""

from __future__ import annotations

import argparse
import json
import os
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
from benchmarks.server_process import CHAT, NUNBIT, ONE_THREAD, Server
from tests.load.soak import CANARIES, TOKENS, Crowd, drained, known_answers, streamed

TRIES = 100
PATIENCE = {"RAY_raylet_start_wait_time_s": "300"}
"""Ray starts a dozen processes; on a busy machine that takes longer than it expects."""


def start(replicas: str, *more: str) -> Server:
    """A server of so many replicas on a Ray cluster of its own."""
    server = Server((*NUNBIT, "--ray", replicas, *more), env=ONE_THREAD | PATIENCE)
    server.must_start()
    return server


def replicas_of(server: Server) -> list[int]:
    """The processes of its replicas; Ray names them."""
    names = {pid: Path(f"/proc/{pid}/cmdline") for pid in server.family()}
    return [pid for pid, name in names.items() if name.exists() and name.read_bytes().startswith(b"ray::ServeReplica")]


def wait_for(server: Server, count: int, seconds: float = 300) -> bool:
    """Until so many replicas answer to their name; false when they do not come."""
    until = time.monotonic() + seconds
    while (there := len(replicas_of(server)) != count) and time.monotonic() < until:
        time.sleep(0.5)
    return not there


class Patient:
    """Clients that ask again when an answer does not come, or breaks off."""

    def __init__(self, server: Server, known: list[str], headers: dict[str, str] | None = None) -> None:
        self.server, self.known, self.headers = server, known, headers or {}
        self.counts: Counter[str] = Counter()
        self.why: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.seconds: list[float] = []
        self.over = threading.Event()

    def live(self, seed: int) -> None:
        rng = random.Random(seed)
        with httpx.Client(base_url=self.server.url, timeout=120, headers=self.headers) as client:
            while not self.over.is_set():
                self.ask(client, rng.randrange(len(CANARIES)), stream=rng.random() < 0.5)

    def ask(self, client: httpx.Client, at: int, *, stream: bool) -> None:
        """One question, until it is answered."""
        begun = time.monotonic()
        self.counts["requests"] += 1
        for again in range(TRIES):
            text = self._answer(client, {"messages": CANARIES[at], "max_tokens": TOKENS, "stream": stream})
            if text is not None:
                self.seconds.append(time.monotonic() - begun)
                if text.strip() != self.known[at]:
                    self.wrong.append(f"question {at}: {text[:60]!r} in place of {self.known[at][:60]!r}")
                return
            self.counts["retries"] += 1
            time.sleep(min(2.0, 0.1 * 2**again))
        self.counts["lost"] += 1

    def _answer(self, client: httpx.Client, body: dict[str, Any]) -> str | None:
        try:
            got = client.post(CHAT, json=body)
            if got.status_code == 200 and not body["stream"]:
                return str(got.json()["choices"][0]["message"]["content"])
            if got.status_code == 200 and got.text.endswith("data: [DONE]\n\n"):
                return streamed(got.text)
            if 400 <= got.status_code < 500:
                self.wrong.append(f"{got.status_code} {got.text[:80]}")
            self.why["a broken stream" if got.status_code == 200 else str(got.status_code)] += 1
        except httpx.HTTPError as e:
            self.why[type(e).__name__] += 1
        return None


def pieces(server: Server, headers: dict[str, str] | None = None) -> tuple[int, float, float]:
    """Of one long streamed answer: how many pieces came, the seconds to the first word and to the end."""
    begun, times = time.monotonic(), []
    body = {
        "messages": CANARIES[-1],
        "max_tokens": 512,
        "stream": True,
        "response_format": {"type": "regex", "pattern": "[a-z ]{300}"},
    }
    with httpx.stream("POST", server.url + CHAT, json=body, timeout=120, headers=headers) as reply:
        for _ in reply.iter_raw():
            times.append(time.monotonic() - begun)
    return len(times), round(times[0], 3), round(times[-1], 3)


def killed(server: Server, patient: Patient, clients: int, seconds: float, every: float) -> int:
    """Clients ask for so long, while a replica is killed every so often; how many were."""
    threads = [threading.Thread(target=patient.live, args=(i,), daemon=True) for i in range(clients)]
    [t.start() for t in threads]
    rng, kills, until = random.Random(0), 0, time.monotonic() + seconds
    while time.monotonic() + every < until:
        time.sleep(every)
        there = replicas_of(server)
        if there:
            os.kill(rng.choice(there), signal.SIGKILL)
            kills += 1
    time.sleep(max(0.0, until - time.monotonic()))
    patient.over.set()
    [t.join(300) for t in threads]
    patient.counts["lost"] += sum(t.is_alive() for t in threads)
    return kills


def scaled(known: list[str], clients: int) -> dict[str, Any]:
    """From one replica of at most two: seconds until a crowd has called the second."""
    server = start("1-2", "--slots", "2")
    try:
        before, patient, begun = len(replicas_of(server)), Patient(server, known), time.monotonic()
        threads = [threading.Thread(target=patient.live, args=(i,), daemon=True) for i in range(clients)]
        [t.start() for t in threads]
        came = wait_for(server, 2)
        seconds = time.monotonic() - begun
        patient.over.set()
        [t.join(300) for t in threads]
        return {
            "before": before,
            "after": len(replicas_of(server)),
            "seconds": round(seconds),
            "wrong": patient.wrong[:5],
            "right": came and before == 1 and not patient.wrong and not patient.counts["lost"],
        }
    finally:
        server.stop(90)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--every", type=float, default=20)
    parser.add_argument("--scale", action=argparse.BooleanOptionalAction, default=True)
    options = parser.parse_args()
    known = known_answers()
    server = start("2")
    patient = Patient(server, known)
    try:
        both = wait_for(server, 2)
        with httpx.Client(base_url=server.url, timeout=120) as client:
            for at in range(len(CANARIES)):
                [patient.ask(client, at, stream=s) for s in (False, True)]
        calm, stream = Counter(patient.counts), pieces(server)
        kills = killed(server, patient, options.clients, options.seconds, options.every)
        back = wait_for(server, 2)
        drain = drained(server, Crowd(server, known))
    finally:
        server.stop(90)
    scale = scaled(known, options.clients + 4) if options.scale else None
    good = (
        both
        and back
        and not patient.wrong
        and not patient.counts["lost"]
        and not calm["retries"]
        and kills > 0
        and stream[0] > 3
    )
    good = good and drain["whole"] == drain["of"] and drain["ended"] and (scale is None or scale["right"])
    print(
        json.dumps(
            {
                "replicas": 2,
                "clients": options.clients,
                "seconds": options.seconds,
                "killed": kills,
                "requests": patient.counts["requests"],
                "retries": patient.counts["retries"],
                "why": dict(patient.why),
                "wrong": patient.wrong[:10],
                "lost": patient.counts["lost"],
                "p50_s": round(statistics.median(patient.seconds or [0]), 2),
                "longest_s": round(max(patient.seconds or [0]), 1),
                "stream": {"pieces": stream[0], "first_s": stream[1], "end_s": stream[2]},
                "replaced": back,
                "drain": drain,
                "scale": scale,
                "passed": good,
            },
            ensure_ascii=False,
        )
    )
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
