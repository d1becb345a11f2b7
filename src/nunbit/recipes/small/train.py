"""The training task of `nunbit-small`: packed rows, adapters, loss at the answers only.

Letters: T tokens of all rows, D width.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from nunbit.models.small import TEMPLATE
from nunbit.models.syllables import add_syllables, grow_table
from nunbit.recipes.small import held_out
from nunbit.recipes.small.data import ExampleMaker, embedded_perception
from nunbit.recipes.small.decoder import Decoder
from nunbit.recipes.small.pool import PagePool, Pool, WorldPool
from nunbit.recipes.small.pool_filling import prepare
from nunbit.recipes.small.rehearsal import chats
from nunbit.recipes.small.release import start_connector, write_model
from nunbit.recipes.small.rows import KEYS, Encoder, Row, padded, row
from nunbit.training.loop import train
from nunbit.training.options import Evaluate, RunOptions
from nunbit.training.stage import Batch, Stage

BASE = "smollm2-135m-instruct"
"""Name of the part that `nunbit models get` fetches."""


class SmallTask:
    """Learns to answer from the words about a picture. A step's rows are a function of its number and the stage's
    seed.

    Args:
        bfloat16: compute in bfloat16 on a processor as well.
    """

    def __init__(self, decoder: Decoder, encoder: Encoder, maker: ExampleMaker, *, bfloat16: bool = False) -> None:
        self.decoder, self.encoder, self.maker, self.bfloat16 = decoder, encoder, maker, bfloat16
        self.pad = int(encoder.tokenizer.pad_token_id)

    def modules(self) -> dict[str, nn.Module]:
        """The parts that learn, by name."""
        return self.decoder.learning()

    def prepare(self, device: str, shard: bool = False) -> None:
        """Move the decoder to the device; on CUDA it computes in bfloat16, on a processor where it is asked for."""
        self.decoder.to(device)
        if device == "cuda" or self.bfloat16:
            self.decoder.to_bfloat16()

    def batch(self, step: int, stage: Stage) -> Batch:
        """``stage.batch`` rows end to end; ``lengths`` says where each ends."""
        return self.joined([self.row(step * stage.batch + i, stage.seed) for i in range(stage.batch)])

    @staticmethod
    def joined(rows: Sequence[Row]) -> Batch:
        """Rows end to end, with their lengths."""
        flat = {k: torch.cat([getattr(r, k) for r in rows]) for k in KEYS}
        return flat | {"lengths": torch.tensor([len(r.ids) for r in rows])}

    def row(self, number: int, seed: int) -> Row:
        """Row ``number`` of the mixture as ids."""
        example = self.maker.example(number, seed)
        return row(self.encoder, example.words, example.conversations)

    def micro_batches(self, batch: Batch, stage: Stage) -> Iterator[Batch]:
        """``stage.micro_batch_size`` rows at a time (one, if 0), of like length, the adapters merged once."""
        self.decoder.merge()
        total = batch["weights"].sum()
        flat = [batch[k].split(batch["lengths"].tolist()) for k in KEYS]
        rows = [Row(*parts) for parts in zip(*flat, strict=True)]
        order = sorted(range(len(rows)), key=lambda i: len(rows[i].ids))
        many = max(1, stage.micro_batch_size)
        for start in range(0, len(rows), many):
            places = order[start : start + many]
            part = [rows[i] for i in places]
            one = padded(part, self.pad) if len(part) > 1 else part[0]
            yield {k: getattr(one, k) for k in KEYS} | {
                "share": 1 / total,
                "rows": torch.tensor(len(part)),
                "places": torch.tensor(places),
            }

    def embed(self, batch: Batch) -> torch.Tensor:
        """``(T)`` ids -> ``(T, D)``."""
        return self.decoder.embed(batch["ids"])

    def loss(self, batch: Batch) -> tuple[torch.Tensor, dict[str, float]]:
        """Weighted cross-entropy at the labelled positions of ids ``(T)``, with accuracy and the number of tokens."""
        one = Row(*(batch[k] for k in KEYS))
        hidden = self.decoder.hidden(self.embed(batch), one.positions, one.mask(int(batch["rows"])))
        at = one.labels >= 0
        logits = self.decoder.logits(hidden[at]).float()
        each = F.cross_entropy(logits, one.labels[at], reduction="none")
        hits = (logits.detach().argmax(-1) == one.labels[at]).float()
        share = batch["share"]
        return (each * one.weights[at]).sum() * share, {
            "accuracy": float((hits * one.weights[at]).sum() * share),
            "tokens": float((one.document >= 0).sum()),
        }


def evaluation(questions: int, decoder: Decoder, encoder: Encoder, maker: ExampleMaker) -> Evaluate:
    """What evaluates during training: tiny-world in true and estimated Scenes, imagined photographs and papers."""
    sets = {
        "true": held_out.tiny_world(questions),
        "estimated": held_out.tiny_world(questions, maker=maker),
        "other": held_out.imagined_questions(questions, maker),
    }
    rows = {name: held_out.rows_of(asked, encoder) for name, asked in sets.items()}

    def evaluate(*_: Any) -> dict[str, float]:
        found = {k: v for name, part in rows.items() for k, v in held_out.examine(decoder, part, name).items()}
        return {f"eval/{name}": found[f"{name}/all"] for name in rows} | found

    return evaluate


def train_scene_text(config: Any, folder: Path, stage: Stage, options: RunOptions) -> None:
    """Train the stage in the run's folder and write the model, with a connector that has not learnt yet."""
    base = base_folder(config, options)
    decoder, tokenizer = open_base(base, config.rank)
    maker = open_maker(config, base, folder, options)
    task = SmallTask(decoder, Encoder(tokenizer), maker, bfloat16=config.bfloat16)
    if options.evaluate is None and not config.debug:
        evaluate = evaluation(config.questions, decoder, task.encoder, maker)
        options = replace(options, evaluate=evaluate, evaluate_every=config.evaluate_every)
    train(task, stage, folder / stage.name, options)
    write_model(decoder, start_connector(decoder, task.encoder), base, stage.steps, folder)


def base_folder(config: Any, options: RunOptions) -> Path:
    """Where the base language model is; it is fetched if the config names none."""
    from nunbit.models import hub

    return Path(config.base) if config.base else hub.get(BASE, options.say)


def open_maker(config: Any, base: Path, folder: Path, options: RunOptions) -> ExampleMaker:
    """The mixture of a run: with the conversations and the pictures that lie in its folder, made where they are
    missing."""
    if not config.debug:
        counts = {"page": config.pages, "pool": config.composites, "world": config.world_pictures}
        prepare(base, folder, counts, config.replies, options.say)
    pool, world_pool, pages = Pool(folder / "pool"), WorldPool(folder / "pool"), PagePool(folder / "pool")
    return ExampleMaker(embedded_perception(), chats(folder), pool or None, world_pool or None, pages or None)


def open_base(folder: str | Path, rank: int = 32) -> tuple[Decoder, Any]:
    """The decoder with fresh adapters and the tokenizer, from the base model's folder."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = TEMPLATE
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    add_syllables(tokenizer)
    new = grow_table(model, len(tokenizer))
    torch.manual_seed(0)
    return Decoder(model, new, rank), tokenizer
