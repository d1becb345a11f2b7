"""Seconds of an evaluation with a model that costs nothing: `nunbit eval run` beside lmms-eval, on the same items.

    make bench-eval                     5,000 items (N=200 for a quick check, JSON=1 for one line)
    python -m benchmarks.eval -n 200    the same

Both call the same stub, a server on this machine that answers "A" at once, with eight requests at a time. Both read the
same parquet file in the AI2D layout and score it. The time is that of the whole process, start-up included.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from benchmarks.peers import harness

REPLY = json.dumps(
    {
        "id": "x",
        "object": "chat.completion",
        "created": 0,
        "model": "stub",
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "A"}}],
    }
).encode()
MODELS = json.dumps({"object": "list", "data": [{"id": "stub", "object": "model"}]}).encode()


class Stub(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = (
        True  # headers and body are two writes: without this each reply waits 40 ms for the client's acknowledgement
    )

    def do_GET(self) -> None:
        self._send(MODELS)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._send(REPLY)

    def _send(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        pass


def rows(n: int) -> list[dict[str, Any]]:
    """Questions with a small picture each, a quarter of them answered by A."""
    import io

    from PIL import Image

    out = []
    for k in range(n):
        file = io.BytesIO()
        Image.new("RGB", (64, 64), ((k * 37) % 256, (k * 91) % 256, (k * 13) % 256)).save(file, "PNG")
        out.append(
            {
                "question": f"Which one, {k}?",
                "options": ["red", "green", "blue", "black"],
                "answer": str(k % 4),
                "image": {"bytes": file.getvalue(), "path": None},
            }
        )
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", type=int, default=int(os.environ.get("N", "5000")))
    parser.add_argument("--environment", type=Path, default=harness.ROOT / ".cache" / "harness")
    parser.add_argument("--alone", action="store_true", help="nunbit only")
    options = parser.parse_args()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Stub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as scratch:
        found = measured(
            options.n,
            Path(scratch),
            f"http://127.0.0.1:{server.server_port}/v1",
            None if options.alone else options.environment,
        )
    if os.environ.get("JSON"):
        print(json.dumps(found))
        return
    print(f"{found['items']} items, start-up included")
    print(f"nunbit {found['nunbit_s']:.1f} s (accuracy {found['nunbit_accuracy']:.2f})")
    if "lmms_s" in found:
        accuracy, ratio = found["lmms_accuracy"], found["ratio"]
        print(f"lmms-eval {found['lmms_s']:.1f} s (accuracy {accuracy:.2f}): {ratio:.1f} times as long")
    else:
        print(found["lmms"])


def measured(n: int, folder: Path, url: str, environment: Path | None) -> dict[str, Any]:
    """Seconds and accuracy of both sides, ours first."""
    data = rows(n)
    found: dict[str, Any] = {"items": n}
    builtin = None
    try:
        if environment:
            python = harness.environment(environment)
            builtin = harness.builtin(python, "ai2d/ai2d.yaml")
        else:
            found["lmms"] = "lmms-eval was left out"
    except harness.Missing as e:
        found["lmms"] = str(e)
    task = harness.lmms_task(folder, data, builtin or "none.yaml")
    began = time.perf_counter()
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "nunbit",
            "eval",
            "run",
            "ai2d-mask@lmms",
            "--data",
            str(folder / "data"),
            "--model",
            url,
            "--batch",
            "8",
            "-o",
            str(folder / "run"),
            "--json",
        ],
        capture_output=True,
        text=True,
    )
    found["nunbit_s"] = time.perf_counter() - began
    if done.returncode:
        raise RuntimeError(done.stderr[-500:])
    found["nunbit_accuracy"] = json.loads(done.stdout)["value"]
    if builtin:
        began = time.perf_counter()
        theirs = harness.run_lmms(python, folder, task, url, "stub", concurrent=8)
        found["lmms_s"] = time.perf_counter() - began
        found["lmms_accuracy"] = 100 * next(v for k, v in theirs.items() if k.startswith("exact_match,"))
        found["ratio"] = found["lmms_s"] / found["nunbit_s"]
    return found


if __name__ == "__main__":
    main()
