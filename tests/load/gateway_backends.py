"""Our gateway before other people's servers, started as `benchmarks.serve` starts them.

    python -m tests.load.gateway_backends [--llama-cpp PYTHON] [--vllm EXECUTABLE] [--only NAME,NAME]

Every check of `tests.load.sdk_checks` is made at the server itself and through the gateway. What passes there must pass
here; what a server cannot do may fail in both. Then the server is killed in the middle of a stream, which must end in
one clear error. It ends with 1 where anything else happens.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path

import openai
from benchmarks.serve import commands, reference_model, started
from benchmarks.server_process import NUNBIT, Server
from tests.load.sdk_checks import chat, outcomes


def compare(backend: Server, gateway: Server, model: str) -> bool:
    """Print the checks of one server; whether none is lost on the way through the gateway."""
    direct, through = outcomes(backend.url + "/v1", model), outcomes(gateway.url + "/v1", model)
    lost = [n for n in direct if not direct[n] and through[n]]
    gained = [n for n in direct if direct[n] and not through[n]]
    both = sum(not why for why in direct.values()), sum(not why for why in through.values())
    print(
        f"{backend.name}: {both[0]} of {len(direct)} checks pass at the server, {both[1]} through the gateway",
        flush=True,
    )
    for name in lost:
        print(f"  lost: {name}: {through[name]}")
    for name in gained:
        print(f"  gained: {name}: {direct[name]}")
    for name in [n for n in direct if direct[n] and through[n]]:
        print(f"  in neither: {name}: {direct[name]} | {through[name]}")
    return not lost


def killed(backend: Server, gateway: Server, model: str) -> bool:
    """Kill the server in the middle of a stream; whether that is one clear error, and the next request another."""
    with openai.OpenAI(base_url=gateway.url + "/v1", api_key="none", max_retries=0, timeout=60) as client:
        stream = chat(client, model, stream=True, max_tokens=400)
        next(stream)
        end = threading.Thread(target=lambda: [os.kill(p, signal.SIGKILL) for p in reversed(backend.family())])
        end.start()
        said, seen = "", time.monotonic()
        try:
            for _ in stream:
                pass
        except openai.APIError as e:
            said = str(e)
        took = time.monotonic() - seen
        end.join()
        try:
            chat(client, model)
            after = "an answer"
        except openai.APIStatusError as e:
            after = f"{e.status_code} {e.body}"
    print(
        f"  killed in the middle: {said or 'no error'!r} after {took:.1f} s; the next request: {after[:160]}",
        flush=True,
    )
    return "middle of its answer" in said and after.startswith("502")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--llama-cpp", default=sys.executable, help="a Python with xllamacpp and gguf")
    parser.add_argument("--vllm", help="a vllm executable")
    parser.add_argument("--only", default="", help="names by commas; all if empty")
    options = parser.parse_args()
    work = Path(tempfile.mkdtemp())
    folder, good, tried = work / "model", True, 0
    try:
        reference_model(folder)  # without an end token: its streams are long enough to be cut
        wanted = commands(folder, options.llama_cpp, options.vllm)
        names = (
            options.only.split(",")
            if options.only
            else ["nunbit float32", "transformers serve", "llama.cpp f32", "vLLM-CPU"]
        )
        for name in [n for n in names if n in wanted]:
            running, absent = started({name: wanted[name]})
            for what, why in absent.items():
                print(f"{what}: not tried ({why})", flush=True)
            for backend in running:
                tried += 1
                good &= with_gateway(backend, str(folder))
    finally:
        shutil.rmtree(work, ignore_errors=True)
    print(f"{tried} servers tried, " + ("nothing was lost" if good else "something was lost"))
    return int(not good or not tried)


def listed_model(backend: Server, folder: str) -> str:
    """The name under which a server knows the model of a folder; the folder where it does not say."""
    with openai.OpenAI(base_url=backend.url + "/v1", api_key="none", max_retries=0) as client:
        try:
            listed = [m.id for m in client.models.list()]
        except openai.APIError:
            listed = []
    return listed[0] if listed and folder not in listed else folder


def with_gateway(backend: Server, folder: str) -> bool:
    """All that is tried with one running server."""
    gateway = None
    try:
        model = listed_model(backend, folder)
        chosen = (*NUNBIT, "--backend", backend.url + "/v1", "--backend-model", model, "--no-page")
        gateway = Server(chosen, "gateway")
        gateway.must_start()
        return compare(backend, gateway, model) & killed(backend, gateway, model)
    finally:
        if gateway is not None:
            gateway.stop()
        backend.stop(5)


if __name__ == "__main__":
    sys.exit(main())
