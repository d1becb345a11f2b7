"""Training, side by side: our loop, transformers' Trainer and TRL's SFTTrainer on equal models, batches and seeds.

    python -m benchmarks.train                   50 steps of each for the loss curves, then interleaved rounds, medians
    QUICK=1 JSON=1 python -m benchmarks.train    one short round, one JSON line with ratio_to_best_peer

The task is LLaVA-1.5's second stage in float32: a frozen CLIP encoder, connector and Llama training, loss on answers
only, AdamW, cosine schedule. Every side sees the same micro-batches: two samples of like length, accumulated to a batch
of eight. Time and CPU seconds of a run are from the end of its first step to the end of its last. Losses that differ
between the sides mean that the comparison is void, and the exit code is 1. Needs the extra `peers` (TRL); without it
TRL is reported as missing.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.training_task import Setting, make

os.environ |= {"TRANSFORMERS_VERBOSITY": "error", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}

BATCH, MICRO, RATE = 8, 2, 2e-4
LARGEST_GAP = 1e-3
"""Of two sides' losses, relative: above it they did not train on the same."""
Run = tuple[list[float], float, float]
"""Losses, samples a second, CPU seconds a sample."""


def grouped(samples: list[Any]) -> list[int]:
    """The order of samples in which every side's micro-batches are ours: the longest of each batch first."""
    starts = range(0, len(samples), BATCH)
    batches = [range(s, min(s + BATCH, len(samples))) for s in starts]
    return [i for batch in batches for i in sorted(batch, key=lambda i: -samples[i].length)]


def now() -> tuple[float, float]:
    """Wall time, and the CPU time of this process with all its threads."""
    return time.perf_counter(), time.process_time()


def result(losses: list[float], first: tuple[float, float], last: tuple[float, float], steps: int) -> Run:
    """Figures from the ends of the first and the last step."""
    samples = BATCH * (steps - 1)
    return losses, samples / (last[0] - first[0]), (last[1] - first[1]) / samples


def ours(setting: Setting, steps: int, out: Path) -> Run:
    from nunbit.training.loop import Stage, train
    from nunbit.training.multimodal import ConversationTask
    from nunbit.training.options import RunOptions

    task = ConversationTask(
        setting.model(),
        setting.processor.image_processor,
        setting.samples,
        pad=setting.processor.tokenizer.pad_token_id,
        ordered=True,
    )
    stage = Stage(
        name="ours",
        steps=steps,
        batch=BATCH,
        lr=RATE,
        part_lr={"connector": RATE, "language": RATE},
        schedule="cosine",
        warmup=warm(steps),
        beta2=0.999,
        fused=True,
        weight_decay=0.0,
        micro_batch_size=MICRO,
        save_every=10**9,
    )
    ends: list[tuple[float, float]] = []
    real = task.batch

    def drawn(step: int, stage: Stage) -> Any:
        ends.append(now())  # a batch is drawn when the step before it has ended
        return real(step, stage)

    task.batch = drawn
    train(task, stage, out, RunOptions(say=lambda _: None))
    finished = now()
    losses = [json.loads(line)["loss"] for line in (out / "log.jsonl").read_text().splitlines()]
    return result(losses, ends[1], finished, steps)


def warm(steps: int) -> int:
    return math.ceil(steps * 0.03)


def clock() -> Any:
    from transformers import TrainerCallback

    class Clock(TrainerCallback):
        def __init__(self) -> None:
            self.ends: list[tuple[float, float]] = []
            self.losses: list[float] = []

        def on_step_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
            self.ends.append(now())

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **more: Any) -> None:
            if logs and "loss" in logs:
                self.losses.append(float(logs["loss"]))

    return Clock()


def arguments(steps: int, out: Path) -> dict[str, Any]:
    return dict(
        output_dir=str(out),
        max_steps=steps,
        per_device_train_batch_size=MICRO,
        gradient_accumulation_steps=BATCH // MICRO,
        learning_rate=RATE,
        lr_scheduler_type="cosine",
        warmup_steps=warm(steps),
        adam_beta2=0.999,
        weight_decay=0.0,
        max_grad_norm=1.0,
        logging_steps=1,
        save_strategy="no",
        report_to=[],
        remove_unused_columns=False,
        use_cpu=True,
        optim="adamw_torch_fused",
        disable_tqdm=True,
        bf16=False,
        gradient_checkpointing=False,
        dataloader_num_workers=0,
        seed=0,
    )


def in_order(base: Any) -> Any:
    """The trainer without shuffling, so that all sides see the same batches."""
    from torch.utils.data import SequentialSampler
    from transformers import PrinterCallback

    class InOrder(base):
        def __init__(self, *args: Any, **more: Any) -> None:
            super().__init__(*args, **more)
            self.remove_callback(PrinterCallback)

        def _get_train_sampler(self, *args: Any, **more: Any) -> Any:
            return SequentialSampler(self.train_dataset)

    return InOrder


def hugging_face(setting: Setting, steps: int, out: Path) -> Run:
    """Hugging Face Trainer with a collator of tokenised samples: no template is rendered while it trains."""
    import numpy as np
    import torch
    from transformers import Trainer, TrainingArguments

    from nunbit.media.images import decode

    tokenizer = setting.processor.tokenizer

    def collate(rows: list[Any]) -> dict[str, Any]:
        width = max(r.length for r in rows)
        ids = torch.full((len(rows), width), tokenizer.pad_token_id)
        labels, mask = torch.full((len(rows), width), -100), torch.zeros(len(rows), width, dtype=torch.long)
        for i, r in enumerate(rows):
            ids[i, : r.length], mask[i, : r.length] = torch.from_numpy(r.expanded()[0].astype(np.int64)), 1
            labels[i, : r.length] = torch.from_numpy(r.labels().astype(np.int64))
        pixels = setting.processor.image_processor(
            images=[decode(p) for r in rows for p in r.media], return_tensors="pt"
        )
        return {"input_ids": ids, "labels": labels, "attention_mask": mask, "pixel_values": pixels["pixel_values"]}

    watch = clock()
    trainer = in_order(Trainer)(
        model=setting.model(),
        args=TrainingArguments(**arguments(steps, out)),
        data_collator=collate,
        train_dataset=setting.samples,
        callbacks=[watch],
    )
    trainer.train()
    return result(watch.losses, watch.ends[0], watch.ends[-1], steps)


def trl(setting: Setting, steps: int, out: Path) -> Run:
    """TRL's SFTTrainer as its guide for vision-language models shows it: prompt, completion, images."""
    from datasets import Dataset, Features, List, Value
    from datasets import Image as ImageColumn
    from trl import SFTConfig, SFTTrainer

    from nunbit.models.prompt import PromptBuilder

    builder = PromptBuilder.from_processor(setting.processor)
    rows: dict[str, list[Any]] = {"prompt": [], "completion": [], "images": []}
    for r in setting.records:
        turn = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": r["question"]}]}]
        prompt = setting.processor.apply_chat_template(turn, add_generation_prompt=True)
        rows["prompt"].append(prompt)
        rows["completion"].append(r["answer"] + builder.end)
        rows["images"].append([r["image"]])
    columns = Features({"prompt": Value("string"), "completion": Value("string"), "images": List(ImageColumn())})
    watch = clock()
    config = SFTConfig(
        **arguments(steps, out),
        max_length=None,
        completion_only_loss=True,
        dataset_kwargs={"skip_prepare_dataset": True},
    )
    trainer = in_order(SFTTrainer)(
        model=setting.model(),
        args=config,
        train_dataset=Dataset.from_dict(rows, features=columns),
        processing_class=setting.processor,
        callbacks=[watch],
    )
    trainer.train()
    return result(watch.losses, watch.ends[0], watch.ends[-1], steps)


def main() -> None:
    quick, as_json = bool(os.environ.get("QUICK")), bool(os.environ.get("JSON"))
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=3 if quick else 12, help="of each timed run")
    parser.add_argument("--rounds", type=int, default=1 if quick else 3)
    parser.add_argument("--curve", type=int, default=0 if quick else 50, help="steps of the loss curves, 0 for none")
    parser.add_argument(
        "--vocabulary", type=int, default=32_000, help="Llama 2's; Llama 3 and Qwen have four times as many"
    )
    parser.add_argument("--threads", type=int, default=0)
    options = parser.parse_args()
    import torch

    if options.threads:
        torch.set_num_threads(options.threads)
    sides = {"nunbit": ours, "transformers Trainer": hugging_face}
    if importlib.util.find_spec("trl"):
        sides["TRL SFTTrainer"] = trl
    with tempfile.TemporaryDirectory() as where:
        folder = Path(where)
        setting = make(folder, options.vocabulary, BATCH * max(options.curve, options.steps) + 40)
        order = grouped(setting.samples)
        setting.samples = [setting.samples[i] for i in order]
        setting.records = [setting.records[i] for i in order]
        curves = (
            {n: side(setting, options.curve, folder / f"curve-{n}")[0] for n, side in sides.items()}
            if options.curve
            else {}
        )
        speeds: dict[str, list[float]] = {n: [] for n in sides}
        cpu: dict[str, list[float]] = {n: [] for n in sides}
        first: dict[str, list[float]] = {}
        for r in range(options.rounds):
            order = list(sides)[:: 1 if r % 2 == 0 else -1]
            for n in order:
                losses, speed, cost = sides[n](setting, options.steps, folder / f"{n}-{r}")
                speeds[n].append(speed)
                cpu[n].append(cost)
                first.setdefault(n, losses)
    sys.exit(report(options, curves or first, speeds, cpu, as_json))


def largest_gap(ours: list[float], theirs: list[float]) -> float:
    """The largest relative difference of two curves; infinite where one has no figure."""
    each = [abs(a - b) / abs(b) for a, b in zip(ours, theirs, strict=True)]
    return max((gap if math.isfinite(gap) else math.inf for gap in each), default=math.inf)


def report(
    options: Any,
    curves: dict[str, list[float]],
    speeds: dict[str, list[float]],
    cpu: dict[str, list[float]],
    as_json: bool,
) -> int:
    """Print the figures; 1 where the losses say that the sides did not train on the same."""
    peers = [n for n in speeds if n != "nunbit"]
    middle = {n: statistics.median(s) for n, s in speeds.items()}
    ratio = statistics.median(a / max(b) for a, *b in zip(speeds["nunbit"], *(speeds[p] for p in peers), strict=True))
    gaps = {p: largest_gap(curves["nunbit"], curves[p]) for p in peers}
    costs = {n: statistics.median(c) for n, c in cpu.items()}
    saved = statistics.median(min(b) / a for a, *b in zip(cpu["nunbit"], *(cpu[p] for p in peers), strict=True))
    void = not gaps or not max(gaps.values()) <= LARGEST_GAP
    out = {
        "cpu_seconds_per_sample": {n: round(v, 4) for n, v in costs.items()},
        "cpu_ratio_to_best_peer": round(saved, 3),
        "micro_batch": MICRO,
        "comparable": not void,
        "samples_per_second": {n: round(v, 2) for n, v in middle.items()},
        "ratio_to_best_peer": round(ratio, 3),
        "largest_relative_loss_gap": gaps,
        "steps_compared": len(curves["nunbit"]),
        "rounds": options.rounds,
        "batch": BATCH,
        "vocabulary": options.vocabulary,
        "missing": [] if len(peers) == 2 else ["trl"],
    }
    if as_json:
        print(json.dumps(out))
        return int(void)
    for n, v in middle.items():
        print(
            f"{n:22}{v:8.2f} samples/s {costs[n]:8.3f} CPU s/sample   loss {curves[n][0]:.4f} -> {curves[n][-1]:.4f}"
            + ("" if n == "nunbit" else f"   largest relative gap to ours {gaps[n]:.1e}")
        )
    runs = f"median of {options.rounds} paired runs, batch {BATCH}, vocabulary {options.vocabulary}"
    print(f"nunbit / best peer: {ratio:.2f}x by wall time, {saved:.2f}x by CPU time ({runs}, micro-batches of {MICRO})")
    if out["missing"]:
        print("TRL is not installed: pip install 'nunbit[peers]'")
    if void:
        print(f"the losses differ by more than {LARGEST_GAP}: the sides did not train on the same")
    return int(void)


if __name__ == "__main__":
    main()
