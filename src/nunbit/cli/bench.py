"""``nunbit bench``: how long a question waits for its first token."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nunbit.media import decode

WARM_UP_RUNS, ANSWER_TOKENS = 2, 24
GPT_4O_VOICE_MS = 232
"""GPT-4o's shortest response time to *voice*, as OpenAI published it (May 2024). OpenAI gives no such figure for
pictures."""


def measure_first_token(
    model: str | None,
    device: str,
    threads: int,
    runs: int,
    picture: Path | None = None,
    *,
    int8: bool = False,
    dtype: str = "auto",
) -> dict[str, Any]:
    """Measure the time to the first token, what of it perception takes, and how fast the answer follows.

    Each run has its own picture, so that no cache can help: random pixels, or the one that is named, turned around its
    left edge by another number of columns. The time covers everything but decoding the file: preprocessing,
    perception, the encoder and the prompt's pass.

    Args:
        model: folder or hub id; None for the default model.
        device: where it runs.
        threads: processor threads.
        runs: pictures that count, after `WARM_UP_RUNS` that do not.
        picture: shown at 640x480 in place of random pixels.
        int8: 8-bit linear layers.
        dtype: of the weights, one of `nunbit.models.precision.DTYPES`.
    """
    import torch

    from nunbit.assistant import Assistant
    from nunbit.models.precision import Precision
    from nunbit.training.tracking import memory_bytes

    torch.set_num_threads(threads)
    assistant = Assistant(model, device, precision=Precision(dtype, int8))
    rows = [_asked(assistant, shown) for shown in _pictures(picture, WARM_UP_RUNS + runs)][WARM_UP_RUNS:]
    firsts, perceiving, rates = zip(*rows, strict=True)
    return {
        "model": assistant.name + (" in int8" if int8 else f" in {dtype}" if dtype != "auto" else ""),
        "picture": "640x480",
        "threads": threads,
        "runs": runs,
        "median_ms": statistics.median(firsts),
        "max_ms": max(firsts),
        "perception_ms": statistics.median(perceiving),
        "tokens_per_s": statistics.median(rates),
        "peak_mb": round(memory_bytes() / 2**20),
    }


def _pictures(picture: Path | None, count: int) -> Iterator[Any]:
    """Pictures of 640x480, each another one."""
    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(0)
    still = None if picture is None else np.asarray(decode(picture).resize((640, 480)))
    for i in range(count):
        pixels = rng.integers(0, 256, (480, 640, 3), dtype=np.uint8) if still is None else np.roll(still, 7 * i, 1)
        yield Image.fromarray(pixels)


def _asked(assistant: Any, shown: Any) -> tuple[float, float, float]:
    """Milliseconds to the first token, those of perception among them, and tokens a second after it."""
    from nunbit.messages import question

    began = time.perf_counter()
    if assistant.aware is not None and assistant.aware.uses_scenes:
        assistant.aware.perceive([shown])  # kept, so that asking does not do it again
    perception_ms = 1000 * (time.perf_counter() - began)
    answer = assistant.ask(question("What is in the picture?", [shown]), max_new_tokens=ANSWER_TOKENS)
    after_s = (answer.total_ms - answer.ttft_ms) / 1000
    rate = (answer.tokens - 1) / after_s if after_s > 0 else float("nan")
    return perception_ms + answer.ttft_ms, perception_ms, rate


def as_text(result: dict[str, Any]) -> str:
    """The measurement in three lines."""
    rest = result["median_ms"] - result["perception_ms"]
    return (
        f"first token of {result['model']}, {result['picture']} picture, {result['threads']} threads: "
        f"median {result['median_ms']:.0f} ms, slowest {result['max_ms']:.0f} ms of {result['runs']} "
        f"(for comparison: GPT-4o answers voice in {GPT_4O_VOICE_MS} ms at best)\n"
        f"of it perception {result['perception_ms']:.0f} ms, encoder and prompt {rest:.0f} ms\n"
        f"then {result['tokens_per_s']:.0f} tokens/s; peak memory of the process {result['peak_mb']} MB"
    )
