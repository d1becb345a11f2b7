"""Serving, side by side: our server (float32 and int8), `transformers serve` and a plain generate loop, on the same weights, one thread each.

    python scripts/bench_serve.py [--model reference|tiny] [--clients 1,4,8] [--rounds 2] [--tokens 48] [--json]

Every client sends its own picture. Rounds are interleaved (server A, server B, A, B ...), medians are printed. CPU seconds a token stand
beside wall time, since wall time on a busy machine says little. The reference shape: a 12 x 384 ViT at 224 px (256 tokens) and a 12 x 512
Llama, random weights, no end token, so that every answer has the same length.
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from PIL import Image

HERE = Path(__file__).resolve().parents[1]


def reference_model(folder: Path) -> None:
    """The reference LLaVA shape with random weights."""
    import torch
    from transformers import CLIPVisionConfig, CLIPVisionModel, LlamaConfig, LlamaForCausalLM

    from nunbit.models.compose import compose_llava, make_processor, save
    from nunbit.models.tokenizer import build_tokenizer

    torch.manual_seed(0)
    tokenizer = build_tokenizer(["what", "is", "in", "the", "picture"], ["cat"])
    vision = CLIPVisionModel(CLIPVisionConfig(hidden_size=384, intermediate_size=1536, num_hidden_layers=12, num_attention_heads=6,
                                              image_size=224, patch_size=14))  # fmt: skip
    text = LlamaForCausalLM(LlamaConfig(vocab_size=8192, hidden_size=512, intermediate_size=1376, num_hidden_layers=12,
                                        num_attention_heads=8, max_position_embeddings=2048))  # fmt: skip
    model = compose_llava(vision, text, tokenizer, image_size_px=224, patch_px=14)
    model.generation_config.eos_token_id = None
    model.config.text_config.eos_token_id = None
    save(model, make_processor(tokenizer, image_size_px=224, patch_px=14), folder)


class Server:
    """A server process with one thread, and its CPU time."""

    def __init__(self, name: str, command: list[str], port: int) -> None:
        self.name, self.url = name, f"http://127.0.0.1:{port}"
        env = os.environ | {
            "OMP_NUM_THREADS": "1",
            "MKL_NUM_THREADS": "1",
            "HF_HUB_OFFLINE": "1",
            "TOKENIZERS_PARALLELISM": "false",
        }
        self.log = tempfile.TemporaryFile()  # noqa: SIM115 (lives as long as the process)
        self.process = subprocess.Popen(command, env=env, stdout=self.log, stderr=self.log)

    def wait(self, seconds: float = 120) -> bool:
        until = time.monotonic() + seconds
        while time.monotonic() < until and self.process.poll() is None:
            try:
                if httpx.get(self.url + "/health", timeout=2).status_code == 200:
                    return True
            except httpx.HTTPError:
                time.sleep(0.3)
        return False

    def cpu_s(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()


def picture(seed: int, side: int = 224) -> str:
    out = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (side, side, 3), dtype=np.uint8)).save(out, "PNG")
    return "data:image/png;base64," + base64.b64encode(out.getvalue()).decode()


def ask(url: str, model: str, uri: str, tokens: int, out: list[list[float]]) -> None:
    """One streamed question; the times at which pieces came, the start first."""
    body = {"model": model, "stream": True, "max_tokens": tokens, "temperature": 0,
            "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": uri}},
                                                      {"type": "text", "text": "What is in the picture?"}]}]}  # fmt: skip
    times = [time.monotonic()]
    with httpx.stream("POST", url + "/v1/chat/completions", json=body, timeout=600) as reply:
        reply.raise_for_status()
        for line in reply.iter_lines():
            if line.startswith("data: {") and json.loads(line[6:]).get("choices"):
                delta = json.loads(line[6:])["choices"][0].get("delta", {})
                if delta.get("content"):
                    times.append(time.monotonic())
    times.append(time.monotonic())
    out.append(times)


def load(server: Server, model: str, clients: int, tokens: int, seed: int) -> dict[str, float]:
    out: list[list[float]] = []
    cpu, start = server.cpu_s(), time.monotonic()
    threads = [
        threading.Thread(target=ask, args=(server.url, model, picture(seed * 100 + i), tokens, out))
        for i in range(clients)
    ]
    [t.start() for t in threads]
    [t.join() for t in threads]
    wall, made = time.monotonic() - start, clients * tokens
    first = [t[1] - t[0] for t in out if len(t) > 1]
    gaps = [b - a for t in out for a, b in zip(t[1:], t[2:], strict=False)]
    return {"tokens_s": made / wall, "requests_s": clients / wall, "cpu_ms_token": 1000 * (server.cpu_s() - cpu) / made,
            "ttft_p50_ms": 1000 * statistics.median(first), "ttft_p95_ms": 1000 * float(np.quantile(first, 0.95)),
            "gap_p95_ms": 1000 * float(np.quantile(gaps, 0.95)) if gaps else 0.0}  # fmt: skip


def second_question(server: Server, model: str) -> float:
    """Time to first token of a second question about a picture, as a share of the first's."""
    shares = []
    for seed in range(5):
        out: list[list[float]] = []
        for _ in range(2):
            ask(server.url, model, picture(9000 + seed), 4, out)
        shares.append((out[1][1] - out[1][0]) / (out[0][1] - out[0][0]))
    return statistics.median(shares)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as s:
        return int(s.getsockname()[1])


def servers(folder: Path, peers: bool) -> list[Server]:
    ours = [sys.executable, "-m", "nunbit", "serve", "--model", str(folder), "--threads", "1", "--slots", "16"]
    out = []
    for name, extra in (("nunbit float32", []), ("nunbit int8", ["--int8"])):
        port = free_port()
        out.append(Server(name, [*ours, *extra, "--port", str(port)], port))
    tool = Path(sys.executable).parent / "transformers"
    if peers and tool.exists():
        port = free_port()
        out.append(
            Server(
                "transformers serve", [str(tool), "serve", str(folder), "--port", str(port), "--dtype", "float32"], port
            )
        )
    ready = [s for s in out if s.wait()]
    for s in out:
        if s not in ready:
            s.log.seek(0)
            said = s.log.read().decode(errors="replace").strip().splitlines()[-1:] or ["no output"]
            print(f"note: {s.name} did not start: {said[0][:160]}", file=sys.stderr)
    return ready


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="reference", choices=("reference", "tiny"))
    parser.add_argument("--clients", default="1,4,8")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--tokens", type=int, default=48)
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--json", action="store_true")
    wish = parser.parse_args()
    work = Path(tempfile.mkdtemp())
    folder = work / "model"
    if wish.model == "reference":
        reference_model(folder)
    else:
        shutil.copytree(HERE / "src/nunbit/models/weights/nunbit-tiny", folder)
    running, report = servers(folder, not wish.no_peers), {}
    try:
        for s in running:
            load(s, str(folder), 1, 4, 77)  # warm
        for clients in map(int, wish.clients.split(",")):
            rows: dict[str, list[dict[str, float]]] = {s.name: [] for s in running}
            for r in range(wish.rounds):
                for s in running:
                    rows[s.name].append(load(s, str(folder), clients, wish.tokens, r * 50 + clients))
            for name, runs in rows.items():
                report[f"{name}, {clients} clients"] = {
                    k: round(statistics.median(x[k] for x in runs), 2) for k in runs[0]
                }
        second = {s.name: round(second_question(s, str(folder)), 3) for s in running if s.name.startswith("nunbit")}
    finally:
        [s.stop() for s in running]
        shutil.rmtree(work, ignore_errors=True)
    show(report, second, as_json=wish.json)


def show(report: dict[str, Any], second: dict[str, float], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"rows": report, "second_question_ttft_share": second}))
        return
    keys = list(next(iter(report.values())))
    print("| server | " + " | ".join(keys) + " |\n|---|" + "---:|" * len(keys))
    for name, row in report.items():
        print(f"| {name} | " + " | ".join(f"{row[k]:g}" for k in keys) + " |")
    for name, share in second.items():
        print(f"second question about the same picture, {name}: first token in {share:.0%} of the first's time")


if __name__ == "__main__":
    main()
