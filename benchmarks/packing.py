"""What grouping and packing gain: conversations with lognormal lengths, forward and backward, side by side in one run.

    python -m benchmarks.packing                     three interleaved rounds, medians
    python -m benchmarks.packing --rounds 1 --json

"longest" pads every batch to its longest sample, "grouped" batches samples of similar length, and "packed" lets the
samples of a batch share rows, each under its own block of the attention mask. Prints samples a second and the share of
tokens that are no padding.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from typing import Any

from benchmarks.training_task import save_parts

os.environ |= {"TRANSFORMERS_VERBOSITY": "error", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}

SAMPLES, BATCH, ROW_TOKENS = 128, 16, 1024
BATCHINGS: dict[str, dict[str, Any]] = {
    "longest": {"group": False},
    "grouped": {"group": True},
    "packed": {"group": False, "pack": ROW_TOKENS},
}


def make(device: str) -> tuple[Any, Any, list[Any]]:
    """A small LLaVA, and samples of 20 to ``ROW_TOKENS`` tokens, three in four with a picture."""
    import tempfile
    from pathlib import Path

    import numpy as np
    import torch
    from PIL import Image

    from nunbit.models.build import build_model
    from nunbit.models.image_tokens import image_tokens
    from nunbit.models.prompt import Prompt
    from nunbit.training.multimodal import freeze

    torch.manual_seed(0)
    rng, folder = np.random.default_rng(0), Path(tempfile.mkdtemp())
    save_parts(folder, vision=dict(hidden_size=192, intermediate_size=768, num_attention_heads=6))
    model, processor = build_model(folder / "vision", folder / "llm")
    freeze(model, {"connector": 1.0, "language": 1.0})
    picture = folder / "picture.png"
    Image.fromarray(rng.integers(0, 255, (112, 112, 3), dtype=np.uint8)).save(picture)
    samples = []
    for i in range(SAMPLES):
        words = int(np.clip(rng.lognormal(4.6, 0.9), 20, ROW_TOKENS - 80))
        ids = rng.integers(300, len(processor.tokenizer), words).astype(np.int32)
        loss_mask = np.arange(words) >= words // 2
        shown = (picture,) if i % 4 else ()
        if shown:
            ids[1] = model.config.image_token_id
        repeats = np.ones(words, np.int32)
        if shown:
            repeats[1] = image_tokens(model.config)
        samples.append(Prompt(ids, loss_mask, repeats, shown, str(i)))
    return model.to(device), processor, samples


def one_pass(task: Any, stage: Any, device: str) -> float:
    """Seconds of forward and backward through every batch of a pass."""
    import torch

    began = time.perf_counter()
    for step in range(task.steps(stage.batch)):
        for piece in task.micro_batches(task.batch(step, stage), stage):
            on_device = {k: v.to(device) for k, v in piece.items()}
            with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
                loss, _ = task.loss(on_device)
            loss.backward()
        task.model.zero_grad()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - began


def main() -> None:
    ask = argparse.ArgumentParser()
    ask.add_argument("--rounds", type=int, default=3)
    ask.add_argument("--device", default="cpu")
    ask.add_argument("--json", action="store_true")
    options = ask.parse_args()
    from nunbit.training.loop import Stage
    from nunbit.training.multimodal import ConversationTask

    model, processor, samples = make(options.device)
    stage = Stage(name="bench", steps=1, batch=BATCH, lr=1e-4)
    tasks = {
        k: ConversationTask(model, processor.image_processor, samples, pad=0, **how) for k, how in BATCHINGS.items()
    }
    one_pass(tasks["grouped"], stage, options.device)  # warm
    seconds: dict[str, list[float]] = {k: [] for k in tasks}
    for _ in range(options.rounds):
        for name, task in tasks.items():
            seconds[name].append(one_pass(task, stage, options.device))
    rows = {
        name: {
            "samples_per_second": round(SAMPLES / statistics.median(s), 2),
            "real_tokens": round(tasks[name].token_utilization(stage), 3),
            "ratio_to_longest": round(statistics.median(a / b for a, b in zip(seconds["longest"], s, strict=True)), 2),
        }
        for name, s in seconds.items()
    }
    if options.json:
        print(json.dumps(rows))
        return
    print(f"{SAMPLES} samples, batches of {BATCH}, on {options.device}; medians of {options.rounds}")
    for name, r in rows.items():
        speed = f"{r['samples_per_second']:8.2f} samples/s  x{r['ratio_to_longest']:.2f}"
        print(f"{name:10}{speed}  {100 * r['real_tokens']:.0f} % real tokens")


if __name__ == "__main__":
    main()
