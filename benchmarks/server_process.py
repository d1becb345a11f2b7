"""What the serving benchmarks and load tests share: a server in a process of its own, and the requests they make.

The server is measured from outside: memory and CPU time come from the system, bytes held by caches from ``/metrics``.
"""

from __future__ import annotations

import base64
import io
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from PIL import Image

CACHES = ("prefix", "feature", "slot", "scene", "response")
CHAT = "/v1/chat/completions"
NUNBIT = (sys.executable, "-m", "nunbit", "serve", "--port", "{port}")
ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}


class Server:
    """A server on a free port.

    Args:
        command: how it is started; ``{port}`` in an argument becomes the port.
        env: set beside the environment of this process.
    """

    def __init__(self, command: Sequence[str], name: str = "nunbit", env: dict[str, str] | None = None) -> None:
        with socket.create_server(("127.0.0.1", 0)) as s:
            self.port = int(s.getsockname()[1])
        self.name, self.url = name, f"http://127.0.0.1:{self.port}"
        self.log = tempfile.TemporaryFile()  # noqa: SIM115 (lives as long as the process)
        arguments = [part.replace("{port}", str(self.port)) for part in command]
        self.process = subprocess.Popen(arguments, env=os.environ | (env or {}), stdout=self.log, stderr=self.log)

    def wait(self, seconds: float = 600) -> bool:
        """Wait until ``/health`` answers 200; false when the process ended or the time is over."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and self.process.poll() is None:
            try:
                if httpx.get(self.url + "/health", timeout=2).status_code == 200:
                    return True
            except httpx.HTTPError:
                pass
            time.sleep(0.2)
        return False

    def must_start(self) -> None:
        """`wait`, or exit with the last line that the server wrote."""
        if not self.wait():
            self.stop(5)
            raise SystemExit(f"{self.name} did not start: {self.last_line()}")

    def last_line(self) -> str:
        """The last line it wrote."""
        self.log.seek(0)
        return (self.log.read().decode(errors="replace").strip().splitlines() or ["nothing"])[-1][:200]

    def family(self) -> list[int]:
        """Its process and all that descend from it."""
        parents = {}
        for entry in Path("/proc").glob("[0-9]*/stat"):
            try:
                parents[int(entry.parent.name)] = int(entry.read_text().rsplit(")", 1)[1].split()[1])
            except OSError:  # it ended meanwhile
                continue
        family = [self.process.pid]
        for member in family:
            family += [pid for pid, parent in parents.items() if parent == member]
        return family

    def cpu_s(self) -> float:
        """CPU seconds so far, its children's included."""
        total = 0
        for pid in self.family():
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            total += int(fields[11]) + int(fields[12])
        return total / os.sysconf("SC_CLK_TCK")

    def memory_mb(self) -> float:
        """Resident memory."""
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20

    def figure(self, name: str) -> float:
        """One of the server's own figures (/metrics)."""
        found = re.search(rf"^{name} (\S+)", httpx.get(self.url + "/metrics", timeout=60).text, re.MULTILINE)
        return float(found[1]) if found else 0.0

    def cached_mb(self) -> float:
        """What its caches hold: they are bounded, and fill as new pictures and longer prompts come."""
        return sum(self.figure(f"nunbit_{name}_cache_bytes") for name in CACHES) / 2**20

    def outside(self) -> set[str]:
        """Remote addresses of its TCP connections that did not come in at its own port."""
        own = set()
        for entry in Path(f"/proc/{self.process.pid}/fd").iterdir():
            try:
                own.add(os.readlink(entry).removeprefix("socket:[").removesuffix("]"))
            except OSError:
                continue
        rows = [
            line.split() for kind in ("tcp", "tcp6") for line in Path("/proc/net", kind).read_text().splitlines()[1:]
        ]
        return {r[2] for r in rows if r[9] in own and int(r[1].rsplit(":", 1)[1], 16) != self.port}

    def stop(self, seconds: float = 40) -> bool:
        """Ask it to end (SIGTERM) and wait; false when it had crashed or had to be killed.

        uvicorn exits by that signal once everything is answered.
        """
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(seconds) in (0, -signal.SIGTERM)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return False


def uri(data: bytes, kind: str = "png") -> str:
    return f"data:image/{kind};base64," + base64.b64encode(data).decode()


def png(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def plain(side: int = 64, colour: tuple[int, int, int] = (200, 40, 40)) -> str:
    """A picture of one colour, as a data: URI."""
    return uri(png(Image.new("RGB", (side, side), colour)))


def noise(seed: int, side: int = 224) -> str:
    """A picture that nothing else equals, as a data: URI."""
    return uri(png(Image.fromarray(np.random.default_rng(seed).integers(0, 255, (side, side, 3), dtype=np.uint8))))


def turn(text: Any, *uris: Any) -> list[dict[str, Any]]:
    """A conversation of one question about pictures."""
    images = [{"type": "image_url", "image_url": {"url": u}} for u in uris]
    return [{"role": "user", "content": [*images, {"type": "text", "text": text}]}]
