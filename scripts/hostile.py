"""Thousands of hostile requests against a running application, then: is it alive, does it answer, is its memory back?

    python scripts/hostile.py [--requests 3000] [--json]

Bombs, absurd sizes, deep JSON, thousands of pictures, slow bodies, hang-ups, path and URL tricks, special tokens, wrong types. Passes if no
reply is a 5xx (503 with Retry-After aside), none hangs, nothing outside was read (a canary server counts connections), a canary question
gets the same answer before, during and after, and the last two thirds of the requests leave memory within 60 MB of where the first third
left it (the caches, bounded, are full by then).
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import os
import random
import socket
import struct
import subprocess
import sys
import threading
import time
import zlib
from pathlib import Path
from typing import Any

import httpx
from PIL import Image


def uri(data: bytes, kind: str = "png") -> str:
    return f"data:image/{kind};base64," + base64.b64encode(data).decode()


def png(side: int = 64, colour: tuple[int, int, int] = (200, 40, 40)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (side, side), colour).save(out, "PNG")
    return out.getvalue()


def bomb(width: int, height: int) -> bytes:
    """A PNG that claims a size; its pixels are zeros that compress to little."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(100_000)))
        + chunk(b"IEND", b"")
    )


def turn(text: Any, *uris: Any) -> list[dict[str, Any]]:
    return [
        {
            "role": "user",
            "content": [
                *({"type": "image_url", "image_url": {"url": u}} for u in uris),
                {"type": "text", "text": text},
            ],
        }
    ]


def hostile(rng: random.Random, canary: int) -> tuple[str, bytes | dict[str, Any]]:
    """One request: a path and a body."""
    chat, ok = "/v1/chat/completions", uri(png(rng.choice((1, 16, 64)), tuple(rng.randrange(256) for _ in range(3))))
    cut = png()[: rng.randrange(4, 120)]
    tricks = [f"http://127.0.0.1:{canary}/x.png", f"https://127.0.0.1:{canary}/x.png", f"//127.0.0.1:{canary}/x", "file:///etc/passwd", "/etc/passwd",
              "..\\..\\windows\\win.ini", "\\\\127.0.0.1\\share\\x.png", f"https://user@127.0.0.1:{canary}/", "http://[::1]/", "gopher://x", "data:text/html,<b>",
              "data:image/svg+xml;base64,PHN2Zz48L3N2Zz4=", "javascript:alert(1)", "\x00", "file://localhost/proc/self/environ", "http://169.254.169.254/latest"]  # fmt: skip
    choices: list[tuple[str, Any]] = [
        (chat, {"messages": turn("hi", uri(bomb(rng.choice((30_000, 60_000, 2**31 - 1)), rng.choice((1, 30_000)))))}),
        (chat, {"messages": turn("hi", uri(cut))}),
        (chat, {"messages": turn("hi", rng.choice(tricks))}),
        (chat, {"messages": turn("hi", *[ok] * rng.choice((9, 200)))}),
        (chat, {"messages": turn("hi", *["data:image/png;base64,AA"] * 10_000)}),
        (chat, {"messages": turn("<eos><user><image>" * rng.randrange(1, 60), ok), "max_tokens": 4}),
        (chat, {"messages": turn("\u202e" + "가" * rng.randrange(1, 9000), ok)}),
        (chat, {"messages": turn("hi", ok), rng.choice(("temperature", "top_p", "n", "seed", "max_tokens", "logit_bias", "stop", "stream", "response_format")):
                rng.choice((-1, 1e308, "x", None, [], {}, [[[]]], 10**30, True))}),
        (chat, {"messages": rng.choice((None, 7, "x", [], [None], [{"role": "user"}], [{"role": "tool", "content": {}}], [[]]))}),
        (chat, {"messages": turn("hi", ok), "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": rng.choice((
            {"$ref": "#"}, {"type": "no"}, {"pattern": "(a+)+$"}, {"allOf": [{"$ref": "#"}] * 50}, {"enum": list(range(2000))}))}}, "max_tokens": 8}),
        (chat, {"messages": turn("hi", ok), "response_format": {"type": "regex", "pattern": rng.choice(("(", "(a+)+b", "a{99999}", "[" * 500))}, "max_tokens": 8}),
        (chat, b'{"messages":' + b"[" * 100_000),
        (chat, b'{"a":' * 50_000),
        (chat, b"\xff\xfe" + os.urandom(200)),
        (chat, b""),
        (chat, b'{"messages":[{"role":"user","content":"\\ud800"}],"max_tokens":2}'),
        ("/v1/embeddings", {"input": rng.choice(("", [], ["x"] * 65, [""], "x" * 100_000, [ok] * 9, 5))}),
        ("/v1/completions", {"prompt": rng.choice(("", [], ["a"] * 17, "\u0000", None, "<image>" * 50)), "max_tokens": 2}),
        ("/v1/perceive", {"image": rng.choice((uri(cut), "", "/etc/passwd", uri(bomb(40_000, 40_000)), 5, None))}),
        (rng.choice(("/v1/../etc/passwd", "/page/../../app.py", "/page/%2e%2e/app.py", "/v1/models/" + "x" * 3000, "/" + "a/" * 900)), b""),
        (chat, {"messages": turn("hi", ok), "max_tokens": 2}),
    ]  # fmt: skip
    return rng.choice(choices)


class Target:
    """The server as a process of its own, so that its memory can be read."""

    def __init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as s:
            self.port = s.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "nunbit", "serve", "--port", str(self.port)], stdout=subprocess.DEVNULL
        )
        until = time.monotonic() + 120
        while time.monotonic() < until:
            try:
                httpx.get(self.url + "/health")
                return
            except httpx.HTTPError:
                time.sleep(0.3)
        raise SystemExit("the server did not start")

    def memory_mb(self) -> float:
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def attack(target: Target, seeds: range, canary: int, found: list[str], counts: dict[int, int]) -> None:
    with httpx.Client(base_url=target.url, timeout=60) as client:
        for seed in seeds:
            rng = random.Random(seed)
            path, body = hostile(rng, canary)
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            try:
                if rng.random() < 0.03:  # hang up in the middle
                    with socket.create_connection(("127.0.0.1", target.port)) as s:
                        s.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: "
                                  + str(len(content) + 1).encode() + b"\r\n\r\n" + content[:5000])  # fmt: skip
                    continue
                got = client.post(path, content=content, headers={"content-type": "application/json"})
            except httpx.HTTPError as e:
                found.append(f"{seed}: {path}: {type(e).__name__}")
                continue
            counts[got.status_code] = counts.get(got.status_code, 0) + 1
            if got.status_code >= 500 and got.status_code != 503:
                found.append(f"{seed}: {path}: {got.status_code} {got.text[:100]}")
            if "Traceback" in got.text or "root:" in got.text:
                found.append(f"{seed}: {path}: says too much")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--requests", type=int, default=3000)
    parser.add_argument("--json", action="store_true")
    wish = parser.parse_args()
    canary = socket.create_server(("127.0.0.1", 0))
    canary.settimeout(0.0)
    target, found, counts = Target(), [], {}
    question = {"messages": turn("What color is the picture?", uri(png())), "max_tokens": 8}

    def asked() -> str:
        return httpx.post(target.url + "/v1/chat/completions", json=question, timeout=120).json()["choices"][0][
            "message"
        ]["content"]

    try:
        want = asked()
        start, wrong, marks = time.monotonic(), 0, [0, wish.requests // 3, wish.requests]
        memory = []
        for first, last in zip(marks, marks[1:], strict=False):
            share = max(1, (last - first) // 4)
            threads = [threading.Thread(target=attack, args=(target, range(first + i * share, first + (i + 1) * share),
                                                             canary.getsockname()[1], found, counts)) for i in range(4)]  # fmt: skip
            [t.start() for t in threads]
            while any(t.is_alive() for t in threads):
                wrong += asked() != want
                time.sleep(1)
            time.sleep(2)
            memory.append(target.memory_mb())
        seconds = time.monotonic() - start
        wrong += asked() != want
        try:
            canary.accept()
            found.append("something outside was fetched")
        except BlockingIOError:
            pass
        report = {"requests": wish.requests, "seconds": round(seconds, 1), "replies": dict(sorted(counts.items())), "wrong_canaries": wrong,
                  "memory_mb": [round(m) for m in memory], "failures": found[:10],
                  "passed": not (found or wrong) and memory[1] < memory[0] + 60}  # fmt: skip
    finally:
        target.process.terminate()
        target.process.wait(40)
    print(json.dumps(report) if wish.json else "\n".join(f"{k}: {v}" for k, v in report.items()))
    sys.exit(0 if report["passed"] else 1)


if __name__ == "__main__":
    main()
