"""Every connector through the whole product: trained by the command, asked by the command, served and asked over HTTP.

    python -m tests.load.connectors [--connectors qformer,perceiver] [--out FOLDER]

Small random models on a generated data set (``debug=true``), so the answers mean nothing; what is shown is that the
folder that `nunbit train llava15 model.connector=NAME` writes answers from `nunbit ask` and `nunbit serve`, equally.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import httpx
from benchmarks.server_process import CHAT, NUNBIT, ONE_THREAD, Server, png, uri
from PIL import Image

from nunbit.models.build import connector_names

QUESTION = "What is in the picture?"


def main() -> None:
    """Train, ask and serve each connector; exit with 1 if any differs."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--connectors", default=",".join(connector_names()), help="names, separated by commas")
    parser.add_argument("--out", type=Path, default=None, help="where the models are kept")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        out = options.out or Path(scratch)
        out.mkdir(parents=True, exist_ok=True)
        picture = out / "picture.png"
        Image.new("RGB", (90, 60), (200, 40, 40)).save(picture)
        wrong = [name for name in options.connectors.split(",") if not shown(name, out, picture)]
    print("all connectors answer alike" if not wrong else f"wrong: {', '.join(wrong)}")
    sys.exit(bool(wrong))


def shown(name: str, out: Path, picture: Path) -> bool:
    """Whether the command and the server give the same answer from the folder that training wrote."""
    folder = out / name
    nunbit("train", "llava15", "debug=true", f"model.connector={name}", "-o", str(folder))
    asked = nunbit("ask", str(picture), QUESTION, "--model", str(folder / "model"), "--max-new-tokens", "8", "--json")
    answer = json.loads(asked)["answer"]
    server = Server([*NUNBIT, "--model", str(folder / "model"), "--no-page"], env=ONE_THREAD)
    server.must_start()
    try:
        image = {"type": "image_url", "image_url": {"url": uri(png(Image.open(picture)))}}
        content = [image, {"type": "text", "text": QUESTION}]
        body = {"max_tokens": 8, "temperature": 0, "messages": [{"role": "user", "content": content}]}
        replies = [httpx.post(server.url + CHAT, json=body, timeout=120) for _ in range(2)]
    finally:
        server.stop(20)
    served = [r.json()["choices"][0]["message"]["content"].strip() for r in replies if r.status_code == 200]
    print(f"{name:24} ask {answer!r:40} serve {served}")
    return served == [answer, answer]


def nunbit(*words: str) -> str:
    """Run the command; its standard output.

    Raises:
        SystemExit: the command failed; with its last line.
    """
    done = subprocess.run(
        [sys.executable, "-m", "nunbit", *words], capture_output=True, text=True, env=os.environ | ONE_THREAD
    )
    if done.returncode:
        raise SystemExit(f"nunbit {' '.join(words[:3])}: {(done.stderr.strip().splitlines() or ['failed'])[-1]}")
    return done.stdout


if __name__ == "__main__":
    main()
