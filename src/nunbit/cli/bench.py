"""``nunbit bench``: how long a question waits for its first token."""

from __future__ import annotations

import statistics
from typing import Any

WARM_UP_RUNS = 2
GPT_4O_VOICE_MS = 232
"""GPT-4o's shortest response time to *voice*, as OpenAI published it (May 2024). OpenAI gives no such figure for
pictures."""


def measure_first_token(model: str | None, device: str, threads: int, runs: int) -> dict[str, Any]:
    """Measure the time to the first token. Each run has its own random picture, so that no cache can help.

    The time covers everything but decoding the file: preprocessing, perception, the encoder and the prompt's pass.

    Args:
        model: folder or hub id; None for the embedded model.
        device: where it runs.
        threads: processor threads.
        runs: pictures that count, after `WARM_UP_RUNS` that do not.
    """
    import numpy as np
    import torch
    from PIL import Image

    from nunbit.assistant import Assistant
    from nunbit.messages import question

    torch.set_num_threads(threads)
    assistant = Assistant(model, device)
    rng = np.random.default_rng(0)
    times = []
    for i in range(WARM_UP_RUNS + runs):
        picture = Image.fromarray(rng.integers(0, 256, (480, 640, 3), dtype=np.uint8))
        answer = assistant.ask(question("What is in the picture?", [picture]), max_new_tokens=1)
        if i >= WARM_UP_RUNS:
            times.append(answer.ttft_ms)
    return {
        "model": assistant.name,
        "picture": "640x480",
        "threads": threads,
        "runs": runs,
        "median_ms": statistics.median(times),
        "max_ms": max(times),
    }


def as_text(result: dict[str, Any]) -> str:
    """The measurement in one line."""
    return (
        f"first token, {result['picture']} picture, {result['threads']} threads: median {result['median_ms']:.0f} ms, "
        f"slowest {result['max_ms']:.0f} ms of {result['runs']} "
        f"(for comparison: GPT-4o answers voice in {GPT_4O_VOICE_MS} ms at best)"
    )
