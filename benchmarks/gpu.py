"""One visit to a machine with a GPU and no network, of at most ten minutes: tokens a second of our engine beside vLLM
and transformers for a random LLaVA of 7 B parameters at 1, 8 and 32 clients, and the MFU of training it.

    python -m benchmarks.gpu                       all parts; figures on stdout, and in $OUT/gpu.jsonl if OUT is set
    python -m benchmarks.gpu --vllm PYTHON         vLLM from an environment of its own
    python -m benchmarks.gpu --rehearse            the same on this processor with a tiny model
    tools/gpu_visit.sh                             on a machine without a network: its packages, the CUDA tests and this

Each part is a process with a limit of its own (`LIMITS`), and each figure is printed as soon as it is there: a part
that fails, hangs or takes too long costs its own figures only. Every client has a picture of its own, which nobody
asked about before; answers have a fixed length.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SECONDS = 580
LIMITS = {"write": 150.0, "nunbit": 200.0, "transformers": 120.0, "train": 260.0, "vllm": 200.0}
"""Seconds of a part, at most: what is left of the whole ends it earlier."""
OFFLINE = {"HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}
QUESTION = "What is in the picture? Describe every object, its colour and its place."
STAGE = "stages=tune tune.warmup=0 tune.save_every=1000 tune.language_lr=1e-4 tune.connector_lr=1e-4 lora.rank=16"


@dataclass(frozen=True, slots=True)
class Shape:
    """What is measured.

    Attributes:
        text, vision: hidden width, inner width, layers and heads of the language model and of the encoder.
        side, patch: pixels of a picture and of a patch.
        clients: how many ask at once; tokens: of each answer.
        train: options of the recipe llava15.
    """

    device: str
    dtype: str
    text: tuple[int, int, int, int]
    vision: tuple[int, int, int, int]
    side: int
    patch: int
    clients: tuple[int, ...]
    tokens: int
    train: str


SEVEN_B = Shape("cuda", "bfloat16", (4096, 11008, 32, 32), (1024, 4096, 24, 16), 336, 14, (1, 8, 32), 64,
                f"{STAGE} tune.steps=6 tune.batch=8")  # fmt: skip
TINY = Shape("cpu", "float32", (64, 128, 2, 4), (48, 96, 2, 4), 56, 14, (1, 2), 4,
             f"{STAGE} tune.steps=2 tune.batch=2")  # fmt: skip


def sizes(values: tuple[int, int, int, int]) -> dict[str, int]:
    """Fields of a config of transformers."""
    return dict(
        zip(("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads"), values, strict=True)
    )


def write_model(shape: Shape, root: Path) -> None:
    """The random model and its processor, the question as ids, and conversations to train on."""
    import torch
    from transformers import CLIPVisionConfig, LlamaConfig

    from nunbit.messages import question
    from nunbit.models.build import build_llava
    from nunbit.models.checkpoint import save
    from nunbit.models.processors import llava_processor
    from nunbit.models.prompt import PromptBuilder
    from nunbit.recipes.debug_set import write_conversations
    from nunbit.recipes.tiny.tokenizer import build_tokenizer

    tokenizer = build_tokenizer(QUESTION.split())
    vision = CLIPVisionConfig(**sizes(shape.vision), image_size=shape.side, patch_size=shape.patch)
    text = LlamaConfig(**sizes(shape.text), vocab_size=32064, max_position_embeddings=4096)
    torch.manual_seed(0)
    torch.set_default_dtype(getattr(torch, shape.dtype))
    with torch.device(shape.device):
        model = build_llava(vision, text, tokenizer, image_size_px=shape.side, patch_px=shape.patch)
    torch.set_default_dtype(torch.float32)
    processor = llava_processor(tokenizer, vision, 1)
    save(model, processor, root / "model")
    rendered = PromptBuilder.from_processor(processor).build(question(QUESTION, [picture(shape, 0)]))
    (root / "prompt.json").write_text(json.dumps(rendered.ids.tolist()), encoding="utf-8")
    write_conversations(root, samples=16)


def picture(shape: Shape, seed: int) -> Any:
    """Noise that no other seed has."""
    import numpy as np
    from PIL import Image

    return Image.fromarray(np.random.default_rng(seed).integers(0, 255, (shape.side, shape.side, 3), dtype=np.uint8))


def timed(shape: Shape, name: str, answer: Callable[[Sequence[Any]], int], report: Callable[..., None]) -> None:
    """Tokens a second of ``answer``, which makes the answers for pictures and counts their tokens; the second of two
    passes counts."""
    seed = 0
    for clients in shape.clients:
        seconds = tokens = 0.0
        for _ in range(2):
            pictures = [picture(shape, seed := seed + 1) for _ in range(clients)]
            began = time.perf_counter()
            tokens = answer(pictures)
            seconds = time.perf_counter() - began
        report(part=name, clients=clients, tokens_per_s=round(tokens / seconds, 1), seconds=round(seconds, 2))


def nunbit(shape: Shape, root: Path, report: Callable[..., None]) -> None:
    """Our engine, with graphs and without."""
    from nunbit.assistant import Assistant
    from nunbit.engine.many import ask_all
    from nunbit.engine.options import CacheOptions
    from nunbit.engine.sampling import SamplingParams
    from nunbit.engine.scheduler import Engine
    from nunbit.engine.sizing import engine_sizes
    from nunbit.messages import question
    from nunbit.models.precision import Precision

    held = Assistant(root / "model", shape.device, precision=Precision(shape.dtype))

    def measure(graphs: bool) -> None:
        caches = CacheOptions(slots=max(shape.clients), length=1024, cuda_graphs=graphs)
        began = time.perf_counter()
        engine = Engine.from_loaded(held, **engine_sizes(held.model, caches, server=True))
        engine.runner.end_ids = set()
        report(part="nunbit start", graphs=graphs, seconds=round(time.perf_counter() - began, 2))

        def answer(pictures: Sequence[Any]) -> int:
            asked = (question(QUESTION, [p]) for p in pictures)
            return sum(len(o.tokens) for o in ask_all(engine, asked, SamplingParams(max_tokens=shape.tokens)))

        timed(shape, "nunbit" if graphs else "nunbit without graphs", answer, report)
        engine.close(5)

    measure(True)
    gc.collect()  # the first engine's caches and graphs leave the card to the second
    measure(False)


def transformers(shape: Shape, root: Path, report: Callable[..., None]) -> None:
    """`generate` on the whole batch at once: every prompt has the same length."""
    import torch

    from nunbit.media.bounds import processed
    from nunbit.models.checkpoint import open_model

    model, processor = open_model(root / "model", shape.device, shape.dtype)
    image, each = model.config.image_token_id, model.config.image_seq_length
    ids = [t for i in json.loads((root / "prompt.json").read_text()) for t in ([i] * each if i == image else [i])]

    @torch.inference_mode()
    def answer(pictures: Sequence[Any]) -> int:
        pixels = processed(processor.image_processor, pictures)["pixel_values"].to(model.device, model.dtype)
        rows = torch.tensor([ids] * len(pictures), device=model.device)
        made = model.generate(
            input_ids=rows, attention_mask=torch.ones_like(rows), pixel_values=pixels, do_sample=False,
            min_new_tokens=shape.tokens, max_new_tokens=shape.tokens,
        )  # fmt: skip
        return len(made) * (made.shape[1] - rows.shape[1])

    timed(shape, "transformers", answer, report)


def vllm(shape: Shape, root: Path, report: Callable[..., None]) -> None:
    """vLLM's own class of the type, with its defaults."""
    from vllm import LLM, SamplingParams

    llm = LLM(str(root / "model"), dtype=shape.dtype, max_model_len=1024, max_num_seqs=max(shape.clients),
              limit_mm_per_prompt={"image": 1})  # fmt: skip
    prompt = json.loads((root / "prompt.json").read_text())
    wish = SamplingParams(temperature=0, max_tokens=shape.tokens, ignore_eos=True)

    def answer(pictures: Sequence[Any]) -> int:
        asked: Any = [{"prompt_token_ids": prompt, "multi_modal_data": {"image": p}} for p in pictures]
        return sum(len(o.outputs[0].token_ids) for o in llm.generate(asked, wish, use_tqdm=False))

    timed(shape, "vllm", answer, report)


def train(shape: Shape, root: Path, report: Callable[..., None]) -> None:
    """MFU of LoRA on the whole model, by the recipe llava15; without the first step, which allocates."""
    from nunbit.recipes import llava15
    from nunbit.training.options import RunOptions

    text = f"model.base={root}/model data={root}/conversations.json images={root} {shape.train}"
    llava15.run(llava15.configure(text.split()), root / "run", RunOptions(device=shape.device, say=lambda _: None))
    rows = [json.loads(line) for line in (root / "run" / "tune" / "log.jsonl").read_text().splitlines()][1:]
    report(part="train", steps=len(rows), **{k: [r[k] for r in rows if k in r] for k in ("mfu", "seconds", "loss")})


PARTS: dict[str, Callable[[Shape, Path, Callable[..., None]], None]] = {
    "nunbit": nunbit,
    "transformers": transformers,
    "train": train,
    "vllm": vllm,
}


def say(**figures: Any) -> None:
    """A line of figures, now."""
    print(json.dumps(figures), flush=True)


def run_parts(parts: Sequence[str], root: Path, given: argparse.Namespace, until: float) -> bool:
    """Each part in a process, with what is left of the time; whether all ended well."""
    well = True
    out = Path(os.environ["OUT"]) / "gpu.jsonl" if os.environ.get("OUT") else root / "gpu.jsonl"
    for part in parts:
        python = given.vllm if part == "vllm" and given.vllm else sys.executable
        command = [python, "-W", "ignore", "-m", "benchmarks.gpu", "--part", part, "--root", str(root)]
        command += ["--rehearse"] if given.rehearse else []
        began = time.monotonic()
        with open(out, "ab") as file:
            at = file.tell()
            try:
                left = max(1.0, min(until - began, LIMITS.get(part, SECONDS)))
                how: dict[str, Any] = {"stdout": file, "stderr": subprocess.PIPE, "env": os.environ | OFFLINE}
                code: Any = subprocess.run(command, timeout=left, check=False, **how)
                ended = "" if code.returncode == 0 else code.stderr.decode(errors="replace")[-400:]
            except subprocess.TimeoutExpired:
                ended = f"stopped: the time is over ({left:.0f} s)"
        print(out.read_bytes()[at:].decode(), end="", flush=True)
        say(part=part, took_s=round(time.monotonic() - began, 1), **({"failed": ended} if ended else {}))
        well = well and not ended
    return well


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rehearse", action="store_true", help="a tiny model on this processor")
    parser.add_argument("--vllm", default="", help="python of an environment with vLLM; this one if not given")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of all parts together")
    parser.add_argument("--parts", default=",".join(["write", *PARTS]), help="which, by commas")
    parser.add_argument("--part", default="", help=argparse.SUPPRESS)
    parser.add_argument("--root", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    shape, until = TINY if given.rehearse else SEVEN_B, time.monotonic() + given.seconds
    if given.part == "write":
        write_model(shape, given.root)
    elif given.part:
        PARTS[given.part](shape, given.root, say)
    else:
        with tempfile.TemporaryDirectory() as folder:
            sys.exit(not run_parts(given.parts.split(","), Path(folder), given, until))


if __name__ == "__main__":
    main()
