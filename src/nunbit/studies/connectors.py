"""Which connection module? The same frozen encoder, the same language model, data, steps and seeds, joined in different ways.

  linear, mlp              one token a feature (LLaVA, LLaVA-1.5)
  pixel_shuffle            one token for 2 x 2 features (InternVL)
  perceiver, qformer       as many learned tokens as pixel shuffle leaves (Flamingo's resampler, BLIP-2)
  gated-1, -2, -4          gated cross-attention before every first, second, fourth layer (Flamingo), on the features themselves: the resampler
                           is a variant of its own

Both ends are those of `nunbit-tiny`, trained; every connector begins at random, or silent. The language model learns at a smaller rate, or
not at all (``language_lr=0``). Each (variant, seed) is a file in the run's folder, so a killed study goes on where it was.

    nunbit eval connectors -o runs/connectors --steps 600 --seeds 3      # the full size
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import nn

from nunbit.connectors import build
from nunbit.data.packing import pack
from nunbit.errors import check_names
from nunbit.evaluation.tiny_world import WorldItem, items
from nunbit.files import EMBEDDED
from nunbit.models.chat import encode_text
from nunbit.models.compose import image_tokens, open_native
from nunbit.models.tokenizer import ASSISTANT, BOS, IMAGE, USER
from nunbit.perception.cells import features
from nunbit.recipes.tiny.encoder import to_pixels
from nunbit.recipes.tiny.language import answer_loss, question_ids, vars_of
from nunbit.studies.figures import format_figure, format_table, group_by, medians, over_seeds, study_page
from nunbit.studies.study import StudyRun, run_study
from nunbit.training.loop import Batch, Stage, train
from nunbit.world.samples import sample

NAME = "connectors"
TOKENS = 36
_BLOCKS: dict[str, Any] = {"heads": 6, "head_dim": 32, "latents": 0, "activation": "gelu"}
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "linear": ("linear", {}),
    "mlp": ("mlp", {}),
    "pixel_shuffle": ("pixel_shuffle", {"factor": 2}),
    "perceiver": ("perceiver", {"latents": TOKENS, "depth": 2, "heads": 6, "head_dim": 32, "max_frames": 0}),
    "qformer": ("qformer", {"queries": TOKENS, "width": 192, "depth": 2, "heads": 6, "cross_every": 1, "dropout": 0.0}),
    **{f"gated-{k}": ("gated_cross_attention", {**_BLOCKS, "every": k}) for k in (1, 2, 4)},
}
"""Connector and the fields of its config, by variant."""


@dataclass(frozen=True, kw_only=True)
class ConnectorsConfig:
    """The size of a study.

    Attributes:
        steps, batch, questions: optimiser steps, pictures a step, questions a picture, of every variant.
        lr, language_lr: peak rates of the connector and of the language model (0: frozen).
        eval_questions: test questions.
    """

    steps: int = 600
    batch: int = 16
    questions: int = 8
    seeds: int = 3
    eval_questions: int = 840
    lr: float = 1e-3
    language_lr: float = 3e-4
    variants: tuple[str, ...] = tuple(VARIANTS)
    base: Path = EMBEDDED


class Link(Protocol):
    """What the study needs of a connection, whether it acts in the sequence or in the layers.

    Attributes:
        module: what learns.
        tokens: rows of the sequence that a picture takes.
        seen: tokens of a picture that the decoder can look at.
    """

    module: nn.Module
    tokens: int
    seen: int

    def join(self, embeds: torch.Tensor, places: torch.Tensor, found: torch.Tensor) -> torch.Tensor:
        """Words ``(B, T, D)``, bool places of the picture's rows ``(B, T)`` and features ``(B, N, Dv)`` -> what the decoder reads."""
        ...


class InSequence:
    """A token connector: the picture's tokens stand in their places of the sequence."""

    def __init__(self, module: Any, n_features: int) -> None:
        self.module = module
        self.tokens = self.seen = module.tokens(n_features)

    def join(self, embeds: torch.Tensor, places: torch.Tensor, found: torch.Tensor) -> torch.Tensor:
        return embeds.masked_scatter(places.unsqueeze(-1), self.module(found).to(embeds.dtype))


class InLayers:
    """Gated cross-attention: one mark in the sequence, and whatever stands after it looks at the picture inside the layers."""

    def __init__(self, module: Any, n_features: int, decoder: nn.Module) -> None:
        self.module, self.tokens, self.seen = module, 1, n_features
        module.attach(decoder)

    def join(self, embeds: torch.Tensor, places: torch.Tensor, found: torch.Tensor) -> torch.Tensor:
        self.module.set_context(self.module.media_tokens(found.unsqueeze(1)), index=places.long().cumsum(-1))
        return embeds


def make(variant: str, model: Any) -> Link:
    """The variant's connection between the two ends of a native LLaVA."""
    name, fields = VARIANTS[variant]
    text, count = model.config.get_text_config(), image_tokens(model.config)
    widths = {"vision_width": model.config.vision_config.hidden_size, "text_width": text.hidden_size}
    if name == "gated_cross_attention":
        return InLayers(build(name, **widths, **fields, layers=text.num_hidden_layers), count, model.model.language_model)
    return InSequence(build(name, **widths, **fields), count)


class Joined:
    """An encoder and a language model with one link between them: a task to train, and something to ask."""

    def __init__(self, model: Any, processor: Any, link: Link, questions: int, learns: bool) -> None:
        self.model, self.processor, self.link, self.questions, self.learns = model, processor, link, questions, learns
        self.tokenizer = processor.tokenizer
        self.ids = {t: self.tokenizer.convert_tokens_to_ids(t) for t in (BOS, USER, IMAGE, ASSISTANT)}
        model.requires_grad_(False)
        model.model.language_model.requires_grad_(learns)

    def modules(self) -> dict[str, nn.Module]:
        return {"connector": self.link.module} | ({"language": self.model.model.language_model} if self.learns else {})

    def prefix(self) -> list[int]:
        """What stands before every question."""
        return [self.ids[BOS], self.ids[USER], *[self.ids[IMAGE]] * self.link.tokens]

    def batch(self, step: int, stage: Stage) -> Batch:
        drawn = [sample(step * stage.batch + i, seed=700 + stage.seed, questions=self.questions, even=True) for i in range(stage.batch)]
        prefix = self.prefix()
        packed = pack([prefix] * len(drawn), [range(len(prefix))] * len(drawn), len(prefix), question_ids(drawn, self.tokenizer),
                      self.tokenizer.pad_token_id)  # fmt: skip
        return vars_of(packed) | {"pixels": to_pixels([s.picture.pixels for s in drawn])}

    def loss(self, batch: Batch) -> tuple[torch.Tensor, dict[str, float]]:
        return answer_loss(self.model, self.read(batch["ids"], batch["pixels"]), batch)

    def read(self, ids: torch.Tensor, pixels: torch.Tensor) -> torch.Tensor:
        """Ids ``(B, T)`` and one picture a row ``(B, 3, H, W)`` -> what the decoder reads ``(B, T, D)``."""
        with torch.no_grad():
            found = features(self.model.model.vision_tower, pixels)
        return self.link.join(self.model.get_input_embeddings()(ids), ids == self.ids[IMAGE], found)

    @torch.inference_mode()
    def ask(self, pictures: Sequence[np.ndarray], questions: Sequence[str], most: int = 48) -> list[str]:
        """Answers to one question a picture, greedily."""
        rows = [[*self.prefix(), *encode_text(q, self.tokenizer), self.ids[ASSISTANT]] for q in questions]
        wide = max(map(len, rows))
        pad = self.tokenizer.pad_token_id
        ids = torch.tensor([[pad] * (wide - len(r)) + r for r in rows])
        pixels = self.processor.image_processor(list(pictures), return_tensors="pt")["pixel_values"]
        made = self.model.generate(inputs_embeds=self.read(ids, pixels), attention_mask=(ids != pad).long(), max_new_tokens=most,
                                   do_sample=False)  # fmt: skip
        return self.processor.batch_decode(made, skip_special_tokens=True)


def run(plan: ConnectorsConfig, folder: Path, say: Callable[[str], None] = print, jobs: int = 1) -> dict[str, Any]:
    """Train and measure whatever is not in the folder yet; writes ``connectors.json`` and ``connectors.html``."""
    check_names("variant", plan.variants, VARIANTS)
    todo = [StudyRun(f"{variant}-{seed}", f"{variant}, seed {seed}", partial(one, plan, variant, seed, folder))
            for variant in plan.variants for seed in range(plan.seeds)]  # fmt: skip
    return run_study(NAME, plan, folder, todo, summarise=summary, page=page, say=say, jobs=jobs)


def one(plan: ConnectorsConfig, variant: str, seed: int, folder: Path) -> dict[str, Any]:
    """Train one variant with one seed and ask it the test questions."""
    torch.manual_seed(seed)
    model, processor = open_native(plan.base)
    joined = Joined(model.float(), processor, make(variant, model), plan.questions, plan.language_lr > 0)
    stage = Stage(name=variant, steps=plan.steps, batch=plan.batch, lr=plan.lr, part_lr={"language": plan.language_lr}, warmup=min(20, plan.steps),
                  decay=0.5, seed=seed, save_every=50)  # fmt: skip
    scratch = folder / f"{variant}-{seed}"
    train(joined, stage, scratch, say=lambda _: None)
    for part in (model, joined.link.module):
        part.eval()
    seconds = [json.loads(line)["seconds"] for line in (scratch / "log.jsonl").read_text().splitlines()]
    asked = items(3000 + plan.eval_questions, plan.eval_questions)
    answers: list[str] = []
    for i in range(0, len(asked), 16):
        part = asked[i : i + 16]
        answers += joined.ask([t.pixels for t in part], [t.qa.question for t in part])
    shutil.rmtree(scratch)
    return {
        "variant": variant, "seed": seed, "right": [t.right(a) for t, a in zip(asked, answers, strict=True)], "pictures": [t.picture for t in asked],
        "splits": [t.split for t in asked], "kinds": [t.qa.kind for t in asked], "tokens": joined.link.tokens, "seen": joined.link.seen,
        "parameters": sum(p.numel() for p in joined.link.module.parameters()), "pictures_per_s": plan.batch / float(np.median(seconds)),
        "first_token_ms": first_token(joined, asked[:12]),
    }  # fmt: skip


def first_token(joined: Joined, asked: Sequence[WorldItem]) -> float:
    """Median milliseconds from pixels to the first token, one picture at a time."""
    times = []
    for t in asked:
        began = time.perf_counter()
        joined.ask([t.pixels], [t.qa.question], most=1)
        times.append(1000 * (time.perf_counter() - began))
    return float(np.median(times))


def summary(found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Per variant: the mean over seeds with its interval over pictures, the unseen style apart, the gain over the first variant, the costs."""
    first, variants = found[0]["variant"], group_by(found, "variant")
    costs = ("parameters", "tokens", "seen", "first_token_ms", "pictures_per_s")
    rows = [{"variant": variant, **over_seeds(runs, variants[first,] if variant != first else ()), **medians(runs, *costs)} for (variant,), runs in variants.items()]
    return {"rows": rows, "first": first}


def as_text(result: Mapping[str, Any]) -> str:
    """The table for a terminal."""
    heads = ("connector", "seeds", "right, %", "unseen style", f"gain over {result['first']}", "parameters", "tokens", "looked at", "first token", "trains")
    rows = [(r["variant"], str(r["seeds"]), format_figure(r["all"]), format_figure(r["unseen"]), format_figure(r["gain"]), f"{r['parameters']:,.0f}",
             f"{r['tokens']:.0f}", f"{r['seen']:.0f}", f"{r['first_token_ms']:.1f} ms", f"{r['pictures_per_s']:.1f} pictures/s")
            for r in result["rows"]]  # fmt: skip
    return format_table(heads, rows)


def page(result: Mapping[str, Any]) -> str:
    """Table and bars, the unseen style beside all."""
    rows = result["rows"]
    groups = {"all": {r["variant"]: r["all"] for r in rows}, "unseen style": {r["variant"]: r["unseen"] for r in rows if r["unseen"]}}
    return study_page("Connection modules", as_text(result), groups)
