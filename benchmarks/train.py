"""Training, side by side: our loop, transformers' Trainer and TRL's SFTTrainer on the same model, data, batches and seed.

    python -m benchmarks.train                   50 steps of each for the loss curves, then interleaved rounds, medians
    QUICK=1 JSON=1 python -m benchmarks.train    one short round, one JSON line with ratio_to_best_peer

The task is LLaVA-1.5's second stage in float32: a frozen CLIP encoder, connector and Llama training, loss on answers
only, AdamW, cosine schedule. Every side sees the samples in the same order. The time of a run is from the end of its
first step to the end of its last. Needs the extra `peers` (TRL); without it TRL is reported as missing.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import os
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ |= {"TRANSFORMERS_VERBOSITY": "error", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}

BATCH, MICRO, RATE = 8, 2, 2e-4


@dataclass
class Setting:
    """What all sides share; a model is made anew for each run from the same weights."""

    folder: Path
    samples: list[Any]
    records: list[dict[str, Any]]
    processor: Any

    def model(self) -> Any:
        from nunbit.models.checkpoint import open_model
        from nunbit.training.multimodal import freeze

        model = open_model(self.folder / "model")[0].float()
        freeze(model, {"connector": 1.0, "language": 1.0})
        return model.train()


def make(folder: Path, vocabulary: int, count: int) -> Setting:
    """A LLaVA of 3 M (vision) and 11 M + vocabulary parameters, random, and world pictures with one to sixteen questions in one turn:
    lengths are lognormal, as in instruction data."""
    import numpy as np
    import torch
    from transformers import CLIPVisionConfig, CLIPVisionModel, LlamaConfig, LlamaForCausalLM

    from nunbit.data.conversations import encode, read_conversations
    from nunbit.models.build import build_model
    from nunbit.models.checkpoint import save
    from nunbit.models.image_tokens import image_tokens
    from nunbit.models.prompt import Renderer
    from nunbit.recipes.tiny.tokenizer import build_tokenizer
    from nunbit.recipes.debug_set import to_image
    from nunbit.world.samples import sample

    torch.manual_seed(0)
    words = build_tokenizer(["What", "is", "in", "the", "picture", "there", "a", "How", "many"])
    LlamaForCausalLM(
        LlamaConfig(
            vocab_size=vocabulary,
            hidden_size=384,
            intermediate_size=1024,
            num_hidden_layers=6,
            num_attention_heads=6,
            max_position_embeddings=2048,
            bos_token_id=words.bos_token_id,
            eos_token_id=words.eos_token_id,
            pad_token_id=words.pad_token_id,
        )
    ).save_pretrained(folder / "llm")
    words.save_pretrained(folder / "llm")
    CLIPVisionModel(
        CLIPVisionConfig(
            hidden_size=256,
            intermediate_size=1024,
            num_hidden_layers=4,
            num_attention_heads=4,
            image_size=112,
            patch_size=14,
        )
    ).save_pretrained(folder / "vision")
    records, found = [], []
    for i in range(count):
        many = int(np.clip(round(np.exp(np.random.default_rng(i).normal(0.7, 0.9))), 1, 16))
        drawn = sample(i, seed=5, questions=many, korean=0.3)
        if not drawn.questions:
            continue
        to_image(drawn.picture.pixels).save(folder / f"{i}.png")
        question, answer = (" ".join(getattr(q, part) for q in drawn.questions) for part in ("question", "answer"))
        found.append(
            {
                "id": str(i),
                "image": f"{i}.png",
                "conversations": [{"from": "human", "value": f"<image>\n{question}"}, {"from": "gpt", "value": answer}],
            }
        )
        records.append({"image": str(folder / f"{i}.png"), "question": question, "answer": answer})
    (folder / "talk.json").write_text(json.dumps(found), encoding="utf-8")
    model, processor = build_model(folder / "vision", folder / "llm")
    save(model, processor, folder / "model")
    renderer = Renderer(processor.tokenizer, processor.chat_template)
    samples, _ = encode(read_conversations(folder / "talk.json"), renderer, image_tokens(model.config), max_tokens=2048)
    return Setting(folder, samples, records, processor)


def ours(setting: Setting, steps: int, out: Path) -> tuple[list[float], float]:
    from nunbit.training.loop import Stage, train
    from nunbit.training.multimodal import ConversationTask

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
    ends: list[float] = []
    real = task.batch

    def drawn(step: int, stage: Stage) -> Any:
        ends.append(time.perf_counter())  # a batch is drawn when the step before it has ended
        return real(step, stage)

    task.batch = drawn
    train(task, stage, out, say=lambda _: None)
    finished = time.perf_counter()
    losses = [json.loads(line)["loss"] for line in (out / "log.jsonl").read_text().splitlines()]
    return losses, BATCH * (steps - 1) / (finished - ends[1])


def warm(steps: int) -> int:
    return math.ceil(steps * 0.03)


def clock() -> Any:
    from transformers import TrainerCallback

    class Clock(TrainerCallback):
        def __init__(self) -> None:
            self.ends: list[float] = []
            self.losses: list[float] = []

        def on_step_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
            self.ends.append(time.perf_counter())

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **more: Any) -> None:
            if logs and "loss" in logs:
                self.losses.append(float(logs["loss"]))

    return Clock()


def arguments(steps: int, out: Path) -> dict[str, Any]:
    return dict(
        output_dir=str(out),
        max_steps=steps,
        per_device_train_batch_size=BATCH,
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


def hugging_face(setting: Setting, steps: int, out: Path) -> tuple[list[float], float]:
    """Hugging Face Trainer with a collator of tokenised samples: no template is rendered while it trains."""
    import numpy as np
    import torch
    from transformers import Trainer, TrainingArguments

    from nunbit.media.images import decode

    tokenizer = setting.processor.tokenizer
    count = int(setting.model().config.image_seq_length)
    image = tokenizer.convert_tokens_to_ids("<image>")

    def collate(rows: list[Any]) -> dict[str, Any]:
        full = [np.repeat(np.stack([r.ids, r.trainable]), np.where(r.ids == image, count, 1), axis=1) for r in rows]
        width = max(f.shape[1] for f in full)
        ids = torch.full((len(rows), width), tokenizer.pad_token_id)
        labels, mask = torch.full((len(rows), width), -100), torch.zeros(len(rows), width, dtype=torch.long)
        for i, f in enumerate(full):
            n = f.shape[1]
            ids[i, :n], mask[i, :n] = torch.from_numpy(f[0].astype(np.int64)), 1
            labels[i, :n] = torch.from_numpy(np.where(f[1] > 0, f[0], -100).astype(np.int64))
        pixels = setting.processor.image_processor(
            images=[decode(p) for r in rows for p in r.images], return_tensors="pt"
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
    return watch.losses, BATCH * (steps - 1) / (watch.ends[-1] - watch.ends[0])


def trl(setting: Setting, steps: int, out: Path) -> tuple[list[float], float]:
    """TRL's SFTTrainer as its guide for vision-language models shows it: prompt, completion, images."""
    from datasets import Dataset, Features, List, Value
    from datasets import Image as ImageColumn
    from trl import SFTConfig, SFTTrainer

    from nunbit.models.prompt import Renderer

    renderer = Renderer(setting.processor.tokenizer, setting.processor.chat_template)
    rows: dict[str, list[Any]] = {"prompt": [], "completion": [], "images": []}
    for r in setting.records:
        turn = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": r["question"]}]}]
        prompt = setting.processor.apply_chat_template(turn, add_generation_prompt=True)
        rows["prompt"].append(prompt)
        rows["completion"].append(r["answer"] + renderer.end)
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
    return watch.losses, BATCH * (steps - 1) / (watch.ends[-1] - watch.ends[0])


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
    given = parser.parse_args()
    import torch

    if given.threads:
        torch.set_num_threads(given.threads)
    sides = {"nunbit": ours, "transformers Trainer": hugging_face}
    if importlib.util.find_spec("trl"):
        sides["TRL SFTTrainer"] = trl
    with tempfile.TemporaryDirectory() as where:
        folder = Path(where)
        setting = make(folder, given.vocabulary, BATCH * max(given.curve, given.steps) + 40)
        curves = (
            {n: side(setting, given.curve, folder / f"curve-{n}")[0] for n, side in sides.items()}
            if given.curve
            else {}
        )
        speeds: dict[str, list[float]] = {n: [] for n in sides}
        first: dict[str, list[float]] = {}
        for r in range(given.rounds):
            order = list(sides)[:: 1 if r % 2 == 0 else -1]
            for n in order:
                losses, speed = sides[n](setting, given.steps, folder / f"{n}-{r}")
                speeds[n].append(speed)
                first.setdefault(n, losses)
    report(given, curves or first, speeds, as_json)


def report(given: Any, curves: dict[str, list[float]], speeds: dict[str, list[float]], as_json: bool) -> None:
    peers = [n for n in speeds if n != "nunbit"]
    middle = {n: statistics.median(s) for n, s in speeds.items()}
    ratio = statistics.median(a / max(b) for a, *b in zip(speeds["nunbit"], *(speeds[p] for p in peers), strict=True))
    gaps = {p: max(abs(a - b) / abs(b) for a, b in zip(curves["nunbit"], curves[p], strict=True)) for p in peers}
    out = {
        "samples_per_second": {n: round(v, 2) for n, v in middle.items()},
        "ratio_to_best_peer": round(ratio, 3),
        "largest_relative_loss_gap": gaps,
        "steps_compared": len(curves["nunbit"]),
        "rounds": given.rounds,
        "batch": BATCH,
        "vocabulary": given.vocabulary,
        "missing": [] if len(peers) == 2 else ["trl"],
    }
    if as_json:
        print(json.dumps(out))
        return
    for n, v in middle.items():
        print(
            f"{n:22}{v:8.2f} samples/s   loss {curves[n][0]:.4f} -> {curves[n][-1]:.4f}"
            + ("" if n == "nunbit" else f"   largest relative gap to ours {gaps[n]:.1e}")
        )
    print(
        f"nunbit / best peer: {ratio:.2f}x (median of {given.rounds} paired runs, batch {BATCH}, vocabulary {given.vocabulary})"
    )
    if out["missing"]:
        print("TRL is not installed: pip install 'nunbit[peers]'")


if __name__ == "__main__":
    main()
