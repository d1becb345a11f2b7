"""Serving, side by side: our server (float32 and int8) and its peers on the same weights, one thread each.

    python -m benchmarks.serve [--model reference|tiny] [--clients 1,4,8,16] [--rounds 2] [--tokens 48] [--json]
                               [--llama-cpp PYTHON] [--vllm EXECUTABLE] [--only NAME,NAME]

Peers: a plain `generate` loop, `transformers serve`, llama.cpp's server in float32 and q8_0 (``--llama-cpp`` names a
Python that has xllamacpp and gguf, by default this one), and vLLM on the processor (``--vllm``, from an environment
of its own). A peer that cannot be started is listed as absent. Every client sends a picture of its own. Rounds are
interleaved (server A, server B, A, B ...) and medians are printed. CPU seconds a token stand beside wall time, which
says little on a busy machine. The reference model is a 12 x 384 ViT at 224 px (256 tokens) and a 12 x 512 Llama with
random weights. It has no end token, so every answer has the same length; every token is a word, so every one is
streamed.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from benchmarks.server_process import CHAT, NUNBIT, ONE_THREAD, Server, noise, turn

HERE = Path(__file__).resolve().parent
TINY = HERE.parent / "src/nunbit/models/weights/nunbit-tiny"
EXTRAS = shutil.ignore_patterns("perception.safetensors", "object_aware.*")
"""Files of perception and of the object-aware module. Only our server can use them, so no server gets them here."""
VOCABULARY = 8192
VLLM = {"VLLM_TARGET_DEVICE": "cpu", "VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_CPU_OMP_THREADS_BIND": "nobind"}


def reference_model(folder: Path) -> None:
    """The reference LLaVA shape with random weights."""
    import torch
    from transformers import CLIPVisionConfig, CLIPVisionModel, LlamaConfig, LlamaForCausalLM

    from nunbit.models.build import build_llava
    from nunbit.models.checkpoint import save
    from nunbit.models.processors import scaled_processor
    from nunbit.recipes.tiny.tokenizer import build_tokenizer

    torch.manual_seed(0)
    words = ["what", "is", "in", "the", "picture"]
    words += [f"w{i}" for i in range(VOCABULARY - len(build_tokenizer(words)))]
    tokenizer = build_tokenizer(words)
    size = dict(hidden_size=384, intermediate_size=1536, num_hidden_layers=12, num_attention_heads=6)
    vision = CLIPVisionModel(CLIPVisionConfig(image_size=224, patch_size=14, **size))
    size = dict(hidden_size=512, intermediate_size=1376, num_hidden_layers=12, num_attention_heads=8)
    text = LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), max_position_embeddings=2048, **size))
    model = build_llava(vision, text, tokenizer, image_size_px=224, patch_px=14)
    model.generation_config.eos_token_id = None
    model.config.text_config.eos_token_id = None
    save(model, scaled_processor(tokenizer, image_size_px=224, patch_px=14), folder)


@dataclass
class Stream:
    """One streamed answer: when it was sent, when pieces came, and how many tokens it had."""

    sent: float
    pieces: list[float] = field(default_factory=list)
    tokens: int = 0

    @property
    def ttft_s(self) -> float:
        return self.pieces[0] - self.sent

    @property
    def gaps_s(self) -> list[float]:
        return [b - a for a, b in zip(self.pieces, self.pieces[1:], strict=False)]


def ask(server: Server, model: str, uri: str, tokens: int, text: str = "What is in the picture?") -> Stream:
    """One question. Tokens are those the server counts."""
    body = {
        "model": model,
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": tokens,
        "temperature": 0,
        "messages": turn(text, uri),
    }
    with httpx.Client(timeout=600) as client:  # made before the clock runs: its certificates take 40 ms to read
        out = Stream(time.monotonic())
        with client.stream("POST", server.url + CHAT, json=body) as reply:
            reply.raise_for_status()
            for line in reply.iter_lines():
                event = json.loads(line[6:]) if line.startswith("data: {") else {}
                if event.get("choices") and event["choices"][0].get("delta", {}).get("content"):
                    out.pieces.append(time.monotonic())
                out.tokens = (event.get("usage") or {}).get("completion_tokens", out.tokens)
    if not out.pieces or not out.tokens:
        raise RuntimeError(f"{server.name}: an answer without words or without usage")
    return out


def load(server: Server, model: str, clients: int, tokens: int, seed: int) -> dict[str, float]:
    """So many clients at once, each with a picture of its own."""
    out: list[Stream] = []
    cpu, start = server.cpu_s(), time.monotonic()
    threads = [
        threading.Thread(target=lambda i=i: out.append(ask(server, model, noise(seed * 100 + i), tokens)))
        for i in range(clients)
    ]
    [t.start() for t in threads]
    [t.join() for t in threads]
    if len(out) < clients:
        raise RuntimeError(f"{server.name}: {clients - len(out)} of {clients} clients got no answer")
    wall, made = time.monotonic() - start, sum(s.tokens for s in out)
    first, gaps = [s.ttft_s for s in out], [g for s in out for g in s.gaps_s]
    return {
        "tokens_s": made / wall,
        "requests_s": clients / wall,
        "cpu_ms_token": 1000 * (server.cpu_s() - cpu) / made,
        "ttft_p50_ms": 1000 * statistics.median(first),
        "ttft_p95_ms": 1000 * float(np.quantile(first, 0.95)),
        "gap_p95_ms": 1000 * float(np.quantile(gaps, 0.95)) if gaps else 0.0,
    }


def second_question(server: Server, model: str, pictures: int = 5) -> float:
    """Time to the first token of another question about the same picture, as a share of the first's."""
    shares = []
    for seed in range(pictures):
        uri = noise(9000 + seed)
        first, second = ask(server, model, uri, 4), ask(server, model, uri, 4, "How many things are there, and which?")
        shares.append(second.ttft_s / first.ttft_s)
    return statistics.median(shares)


def commands(folder: Path, llama_cpp: str, vllm: str | None) -> dict[str, list[str]]:
    """How each server is started."""
    ours = [*NUNBIT, "--model", str(folder), "--threads", "1", "--slots", "16"]
    peer, there = (
        [llama_cpp, str(HERE / "peers" / "llama_cpp.py"), str(folder), "{port}"],
        Path(sys.executable).parent / "transformers",
    )
    out = {
        "nunbit float32": ours,
        "nunbit int8": [*ours, "--int8"],
        "generate loop": [sys.executable, str(HERE / "peers" / "generate_server.py"), str(folder), "{port}"],
        "transformers serve": [str(there), "serve", str(folder), "--port", "{port}", "--dtype", "float32"],
        "llama.cpp f32": peer,
        "llama.cpp q8_0": [*peer, "--q8"],
    }
    if vllm:
        out["vLLM-CPU"] = [
            vllm,
            "serve",
            str(folder),
            "--port",
            "{port}",
            "--dtype",
            "float32",
            "--max-model-len",
            "1024",
            "--max-num-seqs",
            "16",
            "--enforce-eager",
            "--model-impl",
            "transformers",
        ]
    return out


def started(wanted: dict[str, list[str]]) -> tuple[list[Server], dict[str, str]]:
    """The servers that run, and why the others do not."""
    running, absent = [], {}
    for name, command in wanted.items():
        if not Path(command[0]).exists():
            absent[name] = f"no {command[0]}"
            continue
        server = Server(command, name, ONE_THREAD | (VLLM if name == "vLLM-CPU" else {}))
        if server.wait():
            running.append(server)
        else:
            absent[name] = server.last_line()
            server.stop(5)
    return running, absent


def measure(
    running: list[Server], model: str, clients: list[int], rounds: int, tokens: int
) -> dict[str, dict[str, float]]:
    """Medians over interleaved rounds."""
    report = {}
    for s in running:
        load(s, model, 1, 4, 77)  # warm
    for n in clients:
        rows: dict[str, list[dict[str, float]]] = {s.name: [] for s in running}
        for r in range(rounds):
            for s in running:
                rows[s.name].append(load(s, model, n, tokens, r * 50 + n))
        for name, runs in rows.items():
            report[f"{name}, {n} clients"] = {k: round(statistics.median(x[k] for x in runs), 2) for k in runs[0]}
    return report


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="reference", choices=("reference", "tiny"))
    parser.add_argument("--clients", default="1,4,8,16")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--tokens", type=int, default=48)
    parser.add_argument("--llama-cpp", default=sys.executable, help="a Python with xllamacpp and gguf")
    parser.add_argument("--vllm", help="a vllm executable")
    parser.add_argument("--only", default="", help="names by commas; all if empty")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    work = Path(tempfile.mkdtemp())
    folder, running = work / "model", []
    try:
        if options.model == "reference":
            reference_model(folder)
        else:
            shutil.copytree(TINY, folder, ignore=EXTRAS)
        wanted = commands(folder, options.llama_cpp, options.vllm)
        names = options.only.split(",") if options.only else list(wanted)
        running, absent = started({n: c for n, c in wanted.items() if n in names})
        report = measure(
            running, str(folder), [int(n) for n in options.clients.split(",")], options.rounds, options.tokens
        )
        second = {s.name: round(second_question(s, str(folder)), 3) for s in running}
    finally:
        [s.stop(10) for s in running]
        shutil.rmtree(work, ignore_errors=True)
    show(report, second, absent, as_json=options.json)


def show(report: dict[str, Any], second: dict[str, float], absent: dict[str, str], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"rows": report, "second_question_ttft_share": second, "absent": absent}))
        return
    for keys in list(report.values())[:1]:
        print("| server | " + " | ".join(keys) + " |\n|---|" + "---:|" * len(keys))
    for name, row in report.items():
        print(f"| {name} | " + " | ".join(f"{figure:g}" for figure in row.values()) + " |")
    for name, share in second.items():
        print(f"second question about the same picture, {name}: first token in {share:.0%} of the first's time")
    for name, why in absent.items():
        print(f"absent: {name} ({why})")


if __name__ == "__main__":
    main()
