"""bench: how long until the first token."""

from __future__ import annotations

import statistics
from typing import Any


def first_token(model: str | None, device: str, threads: int, runs: int) -> dict[str, Any]:
    """Median over runs, each on a picture of its own so that nothing can be cached; decoding the file is not in it, all else is."""
    import numpy as np
    import torch
    from PIL import Image

    from nunbit.messages import question
    from nunbit.models.assistant import Assistant

    torch.set_num_threads(threads)
    assistant = Assistant(model, device)
    rng = np.random.default_rng(0)
    times = []
    for i in range(runs + 2):
        picture = Image.fromarray(rng.integers(0, 256, (480, 640, 3), dtype=np.uint8))
        answer = assistant.ask(question("What is in the picture?", [picture]), max_new_tokens=1)
        if i >= 2:  # two to warm up
            times.append(answer.ttft_ms)
    return {"model": assistant.name, "picture": "640x480", "threads": threads, "runs": runs,
            "median_ms": statistics.median(times), "max_ms": max(times)}  # fmt: skip
