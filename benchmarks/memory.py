"""Peak memory of a training step against batch and length: our loop, transformers' Trainer and TRL's SFTTrainer.

    python -m benchmarks.memory --limit 3000    a table, the batch at which each side passes 3,000 MB, docs/memory.png
    QUICK=1 python -m benchmarks.memory         two batches of one length, no plot

Every figure is the peak resident memory of a process of its own that runs two optimiser steps (AdamW's moments exist
in the second one), less what the process held before the model was opened. Model and task are those of
`benchmarks.train`: a frozen encoder, with connector and Llama training in float32. All samples have one picture and one
length; half of their words are an answer. Our loop is shown twice: with the whole batch at once, as the others take it,
and in micro-batches of two, which give the same step. Needs the extras `peers` and `chart`.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

from benchmarks import train as bench_train
from benchmarks.training_task import Setting, make

ROOT = Path(__file__).parents[1]
SIDES = {
    "nunbit": bench_train.ours,
    "nunbit, micro-batches of 2": bench_train.ours,
    "transformers Trainer": bench_train.hugging_face,
    "TRL SFTTrainer": bench_train.trl,
}
Table = dict[tuple[str, int], dict[int, float]]
"""(side, length) -> batch -> megabytes."""


def samples_of(folder: Path, length: int, count: int) -> Setting:
    """Conversations of at most ``length`` tokens: one picture, a question and an answer of as many words."""
    from transformers import AutoConfig, AutoProcessor

    from nunbit.data.conversations import encode, read_conversations
    from nunbit.models.image_tokens import image_tokens
    from nunbit.models.prompt import PromptBuilder

    processor = AutoProcessor.from_pretrained(folder / "model")
    builder = PromptBuilder.from_processor(processor, image_tokens(AutoConfig.from_pretrained(folder / "model")))

    def write(words: int, many: int) -> tuple[list[Any], list[dict[str, Any]]]:
        records = [
            {"image": str(folder / "0.png"), "question": "What is" + " a" * words, "answer": "a" + " a" * words}
        ] * many
        talk = [
            {
                "id": str(i),
                "image": "0.png",
                "conversations": [
                    {"from": "human", "value": "<image>\n" + r["question"]},
                    {"from": "gpt", "value": r["answer"]},
                ],
            }
            for i, r in enumerate(records)
        ]
        (folder / "talk.json").write_text(json.dumps(talk))
        return encode(read_conversations(folder / "talk.json"), builder, max_tokens=10**6)[0], records

    none, one = write(0, 1)[0][0].length, write(1, 1)[0][0].length
    if length < one:
        raise SystemExit(f"a length of {length} tokens: the picture alone takes {none}")
    return Setting(folder, *write((length - none) // (one - none), count), processor)


def measure(side: str, folder: Path, batch: int, length: int) -> None:
    """In a process of its own: print the peak of two steps, in megabytes."""
    import torch  # noqa: F401  # all sides hold torch and transformers before the model: what counts is what comes then

    bench_train.BATCH, bench_train.MICRO = batch, 2 if "micro-batches" in side else batch
    setting = samples_of(folder, length, 2 * batch)
    before = _peak()
    SIDES[side](setting, 2, Path(tempfile.mkdtemp(dir=folder)))
    print(json.dumps({"megabytes": _peak() - before, "tokens": setting.samples[0].length}))


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


def collect(sides: list[str], folder: Path, batches: list[int], lengths: list[int]) -> Table:
    out: Table = defaultdict(dict)
    for length in lengths:
        for batch in batches:
            for side in sides:
                command = [
                    sys.executable,
                    "-m",
                    "benchmarks.memory",
                    "--one",
                    side,
                    "--folder",
                    str(folder),
                    "--batches",
                    str(batch),
                    "--lengths",
                    str(length),
                ]
                done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
                if done.returncode:
                    print(
                        f"{side}, batch {batch}, {length} tokens failed: {done.stderr.strip().splitlines()[-1][:150]}",
                        file=sys.stderr,
                    )
                    continue
                out[side, length][batch] = json.loads(done.stdout.splitlines()[-1])["megabytes"]
    return out


def per_sample(sizes: dict[int, float]) -> float:
    """Megabytes that one more sample costs: the slope between the smallest and the largest batch."""
    low, high = min(sizes), max(sizes)
    return (sizes[high] - sizes[low]) / max(1, high - low)


def passes(sizes: dict[int, float], limit: float) -> str:
    """The first measured batch above the limit; beyond all measured ones, where the slope says it will be."""
    above = [b for b in sorted(sizes) if sizes[b] > limit]
    if above:
        return f"{above[0]} (measured)"
    slope = per_sample(sizes)
    return f"{int(max(sizes) + (limit - sizes[max(sizes)]) / slope) + 1} (by the slope)" if slope > 0 else "none"


def report(table: Table, batches: list[int], limit: float) -> None:
    print(
        f"{'tokens':>7}  {'':22}"
        + "".join(f"{f'batch {b}':>10}" for b in batches)
        + f"{'a sample':>10}  passes {limit:.0f} MB at batch"
    )
    for (side, length), sizes in table.items():
        cells = "".join(f"{sizes[b]:10.0f}" if b in sizes else f"{'failed':>10}" for b in batches)
        print(f"{length:>7}  {side:22}{cells}{per_sample(sizes):>10.1f}  {passes(sizes, limit)}")


def plot(table: Table, limit: float, path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    lengths = sorted({length for _, length in table})
    figure, panels = plt.subplots(
        1, len(lengths), figsize=(4 * len(lengths), 3.6), sharey=True, squeeze=False, layout="constrained"
    )
    for panel, length in zip(panels[0], lengths, strict=True):
        for side in SIDES:
            sizes = table.get((side, length), {})
            panel.plot([*sizes], [*sizes.values()], marker="o", label=side)
        panel.axhline(limit, color="grey", linestyle=":", label="limit")
        panel.set(title=f"{length} tokens", xlabel="samples a step")
    panels[0][0].set_ylabel("peak MB above the bare process")
    panels[0][0].legend(fontsize=8, loc="upper left")
    figure.savefig(path, dpi=110)
    print(f"written to {path}")


def main() -> None:
    quick = bool(os.environ.get("QUICK"))
    parser = argparse.ArgumentParser()
    parser.add_argument("--batches", type=_numbers, default=[2, 4] if quick else [2, 4, 8, 16])
    parser.add_argument("--lengths", type=_numbers, default=[128] if quick else [128, 256, 512])
    parser.add_argument("--limit", type=float, default=3000.0, help="megabytes")
    parser.add_argument("--vocabulary", type=int, default=2_000 if quick else 32_000)
    parser.add_argument("--plot", type=Path, default=None if quick else ROOT / "docs" / "memory.png")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        measure(options.one, options.folder, options.batches[0], options.lengths[0])
        return
    sides = [s for s in SIDES if s != "TRL SFTTrainer" or importlib.util.find_spec("trl")]
    with tempfile.TemporaryDirectory() as where:
        make(Path(where), options.vocabulary, 2)
        table = collect(sides, Path(where), options.batches, options.lengths)
    report(table, options.batches, options.limit)
    if len(sides) < len(SIDES):
        print("TRL is not installed: pip install 'nunbit[peers]'")
    if options.plot:
        plot(table, options.limit, options.plot)


def _numbers(text: str) -> list[int]:
    return [int(t) for t in text.split(",")]


if __name__ == "__main__":
    main()
