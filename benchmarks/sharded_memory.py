"""Memory of each process when a model is sharded over 1, 2 and 4 of them (gloo, processors).

    make bench-shard                                   a random model of a billion parameters (24 GB)
    python -m benchmarks.sharded_memory --millions 200 --processes 1,4

A random LLaVA with its weights in bfloat16 on disk; all of it learns, in float32. Every figure is the peak of a
process's own memory (RssAnon: pages of the weights' file, which processes share, are not in it) over two optimiser
steps, less what it held before the model was opened.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.training.sharded_run import processes

EXACT = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536", "OMP_NUM_THREADS": "1"}
"""glibc gives freed blocks back at once, so that the figure is what is in use."""


def own_bytes() -> int:
    """Memory of this process that is no file's."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon"))


@contextmanager
def peak() -> Iterator[list[int]]:
    """The largest `own_bytes` of the block, taken every 10 ms."""
    found, done = [own_bytes()], threading.Event()

    def watch() -> None:
        while not done.is_set():
            found[0] = max(found[0], own_bytes())
            time.sleep(0.01)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield found
    finally:
        done.set()
        thread.join()


def write_base(root: Path, millions: int) -> Path:
    """A random LLaVA of about so many parameters, in bfloat16."""
    import torch

    from nunbit.models.build import build_model
    from nunbit.models.checkpoint import save
    from nunbit.recipes.debug_set import write_conversations, write_language, write_vision

    width, inner = (1024, 2816) if millions <= 400 else (2048, 5632)
    layers = max(2, round(millions * 1e6 / (4 * width**2 + 3 * width * inner)))
    sizes = {"hidden_size": width, "intermediate_size": inner, "num_hidden_layers": layers, "num_attention_heads": 16}
    write_language(root / "llm", "bfloat16", **sizes)
    write_vision(root / "vision")
    model, processor = build_model(root / "vision", root / "llm")
    save(model.to(torch.bfloat16), processor, root / "base")
    write_conversations(root, samples=8)
    return root


def measure(root: Path, out: Path) -> None:
    """In each process: two steps; writes what they took, and the size of the model."""
    import torch

    from nunbit.recipes import llava15
    from nunbit.training.options import RunOptions

    torch.set_num_threads(1)
    llava15.run.__globals__["_save"] = lambda *given: out  # what is measured is training
    text = f"model.base={root}/base data={root}/conversations.json stages=tune tune.steps=2 tune.batch=4"
    text += " tune.micro_batch_size=1 tune.language_lr=1e-5 tune.connector_lr=1e-5 tune.vision_lr=1e-5"
    text += " tune.save_every=1000"
    rank, before = os.environ.get("RANK", "0"), own_bytes()
    import nunbit.training.loop as loop

    loop.checkpoint = lambda *given: None  # type: ignore[assignment]  # nor a checkpoint
    with peak() as most:
        llava15.run(llava15.configure(text.split()), out, RunOptions(say=lambda _: None, shard=True))
    (out / f"memory-{rank}.json").write_text(json.dumps(most[0] - before))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--millions", type=int, default=1000, help="parameters")
    parser.add_argument("--processes", default="1,2,4", help="how many, by commas")
    given = parser.parse_args()
    if any(os.environ.get(k) != v for k, v in EXACT.items()):
        command = [sys.executable, "-m", "benchmarks.sharded_memory", *sys.argv[1:]]
        os.execve(sys.executable, command, os.environ | EXACT)
    with tempfile.TemporaryDirectory() as folder:
        root, first = Path(folder), 0.0
        processes(1, write_base, root, given.millions)
        held: Any = json.loads((root / "base" / "config.json").read_text())["text_config"]
        print(f"{held['num_hidden_layers']} layers of width {held['hidden_size']}")
        for count in map(int, given.processes.split(",")):
            out = root / f"run-{count}"
            processes(count, measure, root, out)
            figures = [json.loads((out / f"memory-{rank}.json").read_text()) / 1e6 for rank in range(count)]
            first = first or max(figures) * count
            each = ", ".join(f"{f:,.0f}" for f in figures)
            print(f"{count} processes: {each} MB each; 1/{count} of all is {first / count:,.0f}", flush=True)


if __name__ == "__main__":
    main()
