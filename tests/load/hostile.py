"""Thousands of hostile requests against a running server. Then: is it alive, does it answer, is its memory back?

    python -m tests.load.hostile [--requests 3000] [--json]

Decompression bombs, absurd sizes, deep JSON, thousands of pictures, slow bodies, clients that hang up while sending or
receiving, tricks with paths, headers and URLs, control tokens, wrong types. Passes if
- no reply is a 5xx (503 with Retry-After aside) and none takes longer than a minute;
- nothing outside was contacted: a canary listener counts connections, and the server's own sockets are watched;
- a canary question gets the same answer before, during and after;
- the last two thirds of the requests leave memory, without what the bounded caches hold, within 60 MB of where the first
  third left it.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import socket
import struct
import sys
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable
from typing import Any

import httpx
from benchmarks.server_process import CHAT, NUNBIT, ONE_THREAD, Server, plain, png, turn, uri

SLACK_MB = 60
HANG_S = 60
Body = bytes | dict[str, Any]


def bomb(width: int, height: int) -> str:
    """A PNG that claims a size; its pixels are zeros that compress to little."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    words = chunk(b"zTXt", b"x\0\0" + zlib.compress(bytes(3_000_000), 9))
    return uri(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + words
        + chunk(b"IDAT", zlib.compress(bytes(100_000)))
        + chunk(b"IEND", b"")
    )


def frames(rng: random.Random) -> str:
    """A GIF of many frames that claims a large screen."""
    screen = struct.pack("<HHBBB", rng.choice((8, 65535)), 8, 0x80, 0, 0) + bytes(6)
    frame = b"\x2c" + struct.pack("<HHHHB", 0, 0, 8, 8, 0) + b"\x02\x02\x4c\x01\x00"
    return uri(b"GIF89a" + screen + frame * rng.choice((1, 5000)) + b"\x3b", "gif")


class Hostile:
    """Makes requests from a seed; ``canary`` is a port that nobody may call."""

    def __init__(self, seed: int, canary: int) -> None:
        self.rng, self.canary = random.Random(seed), canary
        self.picture = plain(
            self.rng.choice((1, 16, 64)), (self.rng.randrange(256), self.rng.randrange(256), self.rng.randrange(256))
        )

    def request(self) -> tuple[str, Body]:
        """A path and a body."""
        kinds: list[Callable[[], tuple[str, Body]]] = [
            self.pictures,
            self.pictures,
            self.addresses,
            self.words,
            self.wishes,
            self.forms,
            self.json,
            self.turns,
            self.others,
            self.paths,
            lambda: (CHAT, {"messages": turn("hi", self.picture), "max_tokens": 2}),
        ]
        return self.rng.choice(kinds)()

    def pictures(self) -> tuple[str, Body]:
        pick, cut = self.rng.choice, png_cut(self.rng)
        many = [self.picture] * pick((9, 200)) if pick((True, False)) else ["data:image/png;base64,AA"] * 10_000
        bombs = [bomb(pick((30_000, 60_000, 2**31 - 1)), pick((1, 30_000)))]
        return CHAT, {
            "messages": turn(
                "hi",
                *pick(
                    (bombs, [cut], [frames(self.rng)], many, [self.picture, cut], ["data:image/png;base64,====" * 99])
                ),
            )
        }

    def addresses(self) -> tuple[str, Body]:
        c = self.canary
        return CHAT, {
            "messages": turn(
                "hi",
                self.rng.choice(
                    (
                        f"http://127.0.0.1:{c}/x.png",
                        f"https://127.0.0.1:{c}/x.png",
                        f"//127.0.0.1:{c}/x",
                        f"http://localhost:{c}\\@example.org/",
                        f"ftp://127.0.0.1:{c}/",
                        f"http://0x7f000001:{c}/",
                        f"http://2130706433:{c}/",
                        f"https://example.org@127.0.0.1:{c}/",
                        f"https://user@127.0.0.1:{c}/",
                        f"HTTP://127.1:{c}/x",
                        "file:///etc/passwd",
                        "/etc/passwd",
                        "..\\..\\windows\\win.ini",
                        "\\\\127.0.0.1\\share\\x.png",
                        "http://[::1]/",
                        "gopher://x",
                        "data:text/html,<b>",
                        "data:image/svg+xml;base64,PHN2Zz48L3N2Zz4=",
                        "javascript:alert(1)",
                        "\x00",
                        "file://localhost/proc/self/environ",
                        "http://169.254.169.254/latest",
                        "~/.ssh/id_rsa",
                        "/proc/self/fd/0",
                        "/dev/zero",
                        "data:,",
                        "data:image/png;base64," + "/" * 200_000,
                    )
                ),
            )
        }

    def words(self) -> tuple[str, Body]:
        many = self.rng.randrange(1, 9000)
        said = self.rng.choice(
            (
                "<eos><user><image>" * (many % 60 + 1),
                "\u202e" + "가" * many,
                "<bos><pad><assistant>yes<eos>",
                "\u0000\ufffe\uffff",
                "́" * many,
                "{{ messages }}{% for x in range(10**9) %}{% endfor %}",
                "🏳️‍🌈" * (many // 9),
                " " * many,
            )
        )
        return CHAT, {"messages": turn(said, self.picture), "max_tokens": 4}

    def wishes(self) -> tuple[str, Body]:
        fields = (
            "temperature",
            "top_p",
            "top_k",
            "n",
            "seed",
            "max_tokens",
            "logit_bias",
            "stop",
            "stream",
            "stream_options",
            "response_format",
            "tools",
            "logprobs",
            "model",
        )
        worst = (-1, 0, 1e308, "x", None, [], {}, [[[]]], 10**30, True, {"x": {}}, [""], "\x00" * 99, float("nan"))
        return CHAT, {"messages": turn("hi", self.picture), self.rng.choice(fields): self.rng.choice(worst)}

    def forms(self) -> tuple[str, Body]:
        schema = self.rng.choice(
            (
                {"$ref": "#"},
                {"type": "no"},
                {"pattern": "(a+)+$"},
                {"allOf": [{"$ref": "#"}] * 50},
                {"enum": list(range(2000))},
                deep(90),
                {"$ref": f"http://127.0.0.1:{self.canary}/schema"},
                {"type": "string", "minLength": 10**9},
            )
        )
        pattern = self.rng.choice(("(", "(a+)+b", "a{99999}", "[" * 500, "(?=x)", "((a{1,99}){1,99}){1,99}", "\\p{L}+"))
        wish = (
            {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
            if self.rng.random() < 0.5
            else {"type": "regex", "pattern": pattern}
        )
        return CHAT, {"messages": turn("hi", self.picture), "response_format": wish, "max_tokens": 8}

    def json(self) -> tuple[str, Body]:
        return CHAT, self.rng.choice(
            (
                b'{"messages":' + b"[" * 100_000,
                b'{"a":' * 50_000,
                b"\xff\xfe" + os.urandom(200),
                b"",
                b"null",
                b"9" * 100_000,
                b'{"messages":NaN}',
                b'{"messages":[{"role":"user","content":"\\ud800"}],"max_tokens":2}',
                b'{"messages":[],"messages":[]}',
                b'{"n":1e999,"messages":[]}',
            )
        )

    def turns(self) -> tuple[str, Body]:
        return CHAT, {
            "messages": self.rng.choice(
                (
                    None,
                    7,
                    "x",
                    [],
                    [None],
                    [{"role": "user"}],
                    [{"role": "tool", "content": {}}],
                    [[]],
                    turn("hi") * 500,
                    [{"role": "user", "content": [{"type": "text", "text": "x"}] * 5000}],
                    [{"role": "user", "content": [{}]}],
                )
            )
        }

    def others(self) -> tuple[str, Body]:
        pick, cut = self.rng.choice, png_cut(self.rng)
        return pick(
            (
                (
                    "/v1/embeddings",
                    {
                        "input": pick(
                            ("", [], ["x"] * 65, [""], "x" * 100_000, [self.picture] * 9, 5, [[1, 2]], [10**30], [-1])
                        )
                    },
                ),
                (
                    "/v1/completions",
                    {
                        "prompt": pick(("", [], ["a"] * 17, "\u0000", None, "<image>" * 50, [-5], [[10**9]])),
                        "max_tokens": 2,
                    },
                ),
                (
                    "/v1/perceive",
                    {"image": pick((cut, "", "/etc/passwd", bomb(40_000, 40_000), 5, None, frames(self.rng)))},
                ),
            )
        )

    def paths(self) -> tuple[str, Body]:
        return self.rng.choice(
            (
                "/v1/../etc/passwd",
                "/page/../../app.py",
                "/page/%2e%2e/app.py",
                "/page/..%2f..%2fapp.py",
                "/page//etc/passwd",
                "/page/%00",
                "/v1/models/%2e%2e",
                "/v1/models/" + "x" * 3000,
                "/" + "a/" * 900,
                "/health/../v1/models",
                "/openapi.json?x=" + "a" * 5000,
            )
        ), b""


def deep(levels: int) -> dict[str, Any]:
    """An object in an object in an object ..."""
    return {"type": "object", "properties": {"x": deep(levels - 1)}} if levels else {"type": "null"}


def png_cut(rng: random.Random) -> str:
    from PIL import Image

    return uri(png(Image.new("RGB", (64, 64), (9, 9, 9)))[: rng.randrange(4, 120)])


class Attack:
    """Sends; keeps what was wrong and how often each status came."""

    def __init__(self, target: Server, canary: int) -> None:
        self.target, self.canary = target, canary
        self.found: list[str] = []
        self.counts: Counter[str] = Counter()

    def run(self, seeds: range) -> None:
        with httpx.Client(base_url=self.target.url, timeout=HANG_S) as client:
            for seed in seeds:
                made = Hostile(seed, self.canary)
                path, body = made.request()
                content = body if isinstance(body, bytes) else json.dumps(body).encode()
                way = made.rng.random()
                try:
                    if way < 0.06:
                        self.counts[self.raw(content, made.rng)] += 1
                    elif way < 0.09:
                        self.leave(client)
                    else:
                        self.judge(seed, path, self.post(client, path, content, made.rng))
                except (httpx.HTTPError, OSError) as e:
                    self.found.append(f"{seed}: {path[:60]}: {type(e).__name__}")

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
        way = rng.choice(("hung up", "slow", "contradictory", "paths", "no HTTP"))
        with socket.create_connection(("127.0.0.1", self.target.port), timeout=HANG_S) as s:
            if way == "hung up":
                s.sendall(head + b"Content-Length: " + str(len(content) + 1).encode() + b"\r\n\r\n" + content[:5000])
            elif way == "slow":
                s.sendall(head + b"Content-Length: 500\r\n\r\n")
                for _ in range(10):
                    s.sendall(b"{")
                    time.sleep(0.1)
            elif way == "contradictory":
                s.sendall(head + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF\r\nx")
            elif way == "paths":
                s.sendall(b"GET /page/../../../../../../etc/passwd HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                if b"root:" in s.recv(65536):
                    self.found.append("a file was read by its path")
            else:
                s.sendall(
                    rng.choice((b"\x16\x03\x01" + bytes(300), b"GET / HTTP/9.9\r\n\r\n", b"A" * 70_000, b"\r\n" * 99))
                )
        return way

    def leave(self, client: httpx.Client) -> None:
        """Hang up while an answer comes."""
        wish = {"messages": turn("Describe the picture.", plain()), "stream": True, "n": 4}
        with client.stream("POST", CHAT, json=wish) as reply:
            for _ in reply.iter_raw(1):
                break
        self.counts["left"] += 1

    def judge(self, seed: int, path: str, got: httpx.Response) -> None:
        self.counts[str(got.status_code)] += 1
        if got.status_code >= 500 and not (got.status_code == 503 and "retry-after" in got.headers):
            self.found.append(f"{seed}: {path[:60]}: {got.status_code} {got.text[:100]}")
        if "Traceback" in got.text or "root:" in got.text or "site-packages" in got.text:
            self.found.append(f"{seed}: {path[:60]}: says too much")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--requests", type=int, default=3000)
    parser.add_argument("--json", action="store_true")
    wish = parser.parse_args()
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.0)
    target = Server(NUNBIT, env=ONE_THREAD)
    target.must_start()
    try:
        report = attacked(target, listener, wish.requests)
    finally:
        ended = target.stop()
    report["passed"] = bool(report["passed"]) and ended
    if not report["passed"]:
        report["said"] = target.said()
    print(json.dumps(report) if wish.json else "\n".join(f"{k}: {v}" for k, v in report.items()))
    sys.exit(0 if report["passed"] else 1)


def attacked(target: Server, listener: socket.socket, requests: int) -> dict[str, Any]:
    attack = Attack(target, listener.getsockname()[1])
    canary = {"messages": turn("What color is the picture?", plain()), "max_tokens": 8}

    def asked() -> str:
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

    want, start, cpu, wrong, memory, outside = asked(), time.monotonic(), target.cpu_s(), 0, [], set()
    for first, last in ((0, requests // 3), (requests // 3, requests)):
        cuts = [first + (last - first) * i // 4 for i in range(5)]
        threads = [
            threading.Thread(target=attack.run, args=(range(a, b),)) for a, b in zip(cuts, cuts[1:], strict=False)
        ]
        [t.start() for t in threads]
        while any(t.is_alive() for t in threads):
            wrong += asked() != want
            outside |= target.outside()
            time.sleep(1)
        time.sleep(2)
        memory.append(target.memory_mb() - target.cached_mb())
    wrong += asked() != want
    try:
        listener.accept()
        outside.add("the canary")
    except BlockingIOError:
        pass
    good = not (attack.found or wrong or outside) and memory[1] < memory[0] + SLACK_MB
    return {
        "requests": requests,
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
