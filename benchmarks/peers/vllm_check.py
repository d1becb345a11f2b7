"""The embedded model in vLLM: are its answers those of `generate`?

    python -m benchmarks.peers.vllm_check EXECUTABLE    a vllm in an environment of its own

vLLM gets the LLaVA alone, without the files of perception and of the object-aware module, since it reads every file of
weights in a folder. Prints one JSON line; exits with 0 if all answers are equal.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from pathlib import Path

import httpx
from benchmarks.serve import EXTRAS, TINY, VLLM, commands
from benchmarks.server_process import CHAT, ONE_THREAD, Server
from tests.load.soak import CANARIES, TOKENS, known_answers


def main(executable: str) -> int:
    """Serve the model, send the canary questions, compare."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "model"
        shutil.copytree(TINY, folder, ignore=EXTRAS)
        known = known_answers(folder)
        server = Server(commands(folder, "", executable)["vLLM-CPU"], "vLLM", ONE_THREAD | VLLM)
        server.must_start()
        try:
            answers = [ask(server, str(folder), messages) for messages in CANARIES]
        finally:
            server.stop()
    same = sum(a == b for a, b in zip(answers, known, strict=True))
    print(json.dumps({"equal": same, "of": len(known)}))
    return int(same != len(known))


def ask(server: Server, model: str, messages: list[dict]) -> str:
    """The answer to one conversation."""
    body = {"model": model, "messages": messages, "max_tokens": TOKENS, "temperature": 0}
    reply = httpx.post(server.url + CHAT, json=body, timeout=300)
    return str(reply.json()["choices"][0]["message"]["content"]).strip()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
