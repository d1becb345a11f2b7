"""What the gateway adds to a request: milliseconds beside the same request sent to the backend itself.

    python -m benchmarks.gateway                    text, and a picture of 200 kB, whole and streamed
    python -m benchmarks.gateway --requests 50

The backend is a process that answers at once, so that nothing but the way is measured. Both are asked in turns, over
connections that are kept, so that a busy machine slows both alike. Perception, evidence and corrections are off.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from statistics import median, quantiles

import httpx
from benchmarks.server_process import CHAT, NUNBIT, Server

PICTURE_BYTES = 150_000
ANSWER = {"id": "x", "object": "chat.completion", "created": 0, "model": "instant"}


class Instant(BaseHTTPRequestHandler):
    """A backend that answers every chat at once."""

    protocol_version, disable_nagle_algorithm, wbufsize = "HTTP/1.1", True, -1

    def log_message(self, *_: object) -> None:
        """Nothing is logged."""

    def do_GET(self) -> None:
        """The health and the models."""
        self._reply(b'{"data": [{"id": "instant"}]}')

    def do_POST(self) -> None:
        """Ten words, whole or as events."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        words = ["word "] * 10
        if not body.get("stream"):
            message = {"role": "assistant", "content": "".join(words)}
            self._reply(json.dumps(ANSWER | {"choices": [{"index": 0, "message": message}]}).encode())
            return
        chunks = [{"choices": [{"index": 0, "delta": {"content": w}, "finish_reason": None}]} for w in words]
        chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        events = "".join(f"data: {json.dumps(ANSWER | c)}\n\n" for c in chunks) + "data: [DONE]\n\n"
        self._reply(events.encode(), "text/event-stream")

    def _reply(self, data: bytes, kind: str = "application/json") -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
        self.wfile.flush()


def body_of(picture: bool, stream: bool) -> bytes:
    """A chat request; with a picture of `PICTURE_BYTES` of noise, which neither side decodes."""
    content: list[dict[str, object]] = [{"type": "text", "text": "What is in the picture?"}]
    if picture:
        url = "data:image/jpeg;base64," + base64.b64encode(os.urandom(PICTURE_BYTES)).decode()
        content.insert(0, {"type": "image_url", "image_url": {"url": url}})
    return json.dumps({"messages": [{"role": "user", "content": content}], "stream": stream}).encode()


def milliseconds(client: httpx.Client, url: str, body: bytes) -> float:
    """The time of one request, from its first byte to the last of the answer."""
    began = time.perf_counter()
    reply = client.post(url + CHAT, content=body, headers={"Content-Type": "application/json"})
    took = 1000 * (time.perf_counter() - began)
    assert reply.status_code == 200 and "word" in reply.text, reply.text[:200]
    return took


def main() -> None:
    """Measure and print one line a kind of request."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--instant", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.instant:
        ThreadingHTTPServer(("127.0.0.1", options.instant), Instant).serve_forever()
    instant = Server((sys.executable, "-m", "benchmarks.gateway", "--instant", "{port}"), "instant")
    instant.must_start()
    gateway = Server((*NUNBIT, "--backend", instant.url + "/v1", "--no-page"), "gateway")
    gateway.must_start()
    try:
        with httpx.Client(timeout=60) as client:
            bodies = {(p, s): body_of(p, s) for p in (False, True) for s in (False, True)}
            times: dict[tuple[bool, bool, str], list[float]] = {}
            for n in range(options.requests + 10):
                for kind, body in bodies.items():
                    for name, url in (("direct", instant.url), ("gateway", gateway.url)):
                        took = milliseconds(client, url, body)
                        if n >= 10:  # the first ones open connections
                            times.setdefault((*kind, name), []).append(took)
            for picture, stream in bodies:
                direct, through = times[picture, stream, "direct"], times[picture, stream, "gateway"]
                added = [t - d for t, d in zip(through, direct, strict=True)]
                what = f"{'a picture of 200 kB' if picture else 'text':20}{'streamed' if stream else 'whole':10}"
                print(
                    f"{what} direct p50 {median(direct):5.1f} ms, gateway p50 {median(through):5.1f} ms, added p50 "
                    f"{median(added):5.1f} ms, p95 {quantiles(added, n=20)[-1]:5.1f} ms, n {len(added)}"
                )
    finally:
        gateway.stop()
        instant.stop()


if __name__ == "__main__":
    main()
