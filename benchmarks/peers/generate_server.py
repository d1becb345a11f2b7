"""A plain `generate` loop behind a socket, a peer of `benchmarks.serve`: one question at a time, no batching, no cache.

python -m benchmarks.peers.generate_server FOLDER PORT
"""

from __future__ import annotations

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import torch

from nunbit.assistant import Assistant
from nunbit.media import decode
from nunbit.messages import Message, Part


def conversation(body: dict[str, Any]) -> list[Message]:
    """The one question that `benchmarks.serve` sends."""
    parts = body["messages"][0]["content"]
    made = (Part.text(p["text"]) if p["type"] == "text" else Part.image(decode(p["image_url"]["url"])) for p in parts)
    return [Message("user", tuple(made))]


class Loop(BaseHTTPRequestHandler):
    """Streams events in the form of the OpenAI API."""

    assistant: Assistant
    one = threading.Lock()

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.do_GET()
        with self.one:
            made = self.assistant.generate(
                conversation(body),
                max_new_tokens=body["max_tokens"],
                on_text=lambda t: self.send_event({"choices": [{"delta": {"content": t}}]}),
            )
        self.send_event({"choices": [], "usage": {"completion_tokens": made.tokens}})

    def send_event(self, event: dict[str, Any]) -> None:
        self.wfile.write(f"data: {json.dumps(event)}\n\n".encode())
        self.wfile.flush()

    def log_message(self, *args: Any) -> None:
        pass


if __name__ == "__main__":
    torch.set_num_threads(1)
    Loop.assistant = Assistant(sys.argv[1])
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), Loop).serve_forever()
