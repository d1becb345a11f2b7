"""Connection modules compared: the same frozen encoder, language model, data, steps and seeds, joined by different
connectors.

  linear, mlp              one token a feature (LLaVA, LLaVA-1.5)
  pixel_shuffle            one token for 2 x 2 features (InternVL)
  perceiver, qformer       as many learned tokens as pixel shuffle leaves (Flamingo's resampler, BLIP-2)
  gated-1, -2, -4          gated cross-attention before every first, second, fourth layer (Flamingo), on the features
                           themselves: the resampler is a variant of its own

Both ends are those of `nunbit-tiny`, trained; connectors start from random weights, gated ones with closed gates. The
language model learns at a smaller rate, or not at all (``language_lr=0``). Each (variant, seed) is a file in the run's
folder, so a killed study resumes where it stopped.

    nunbit eval connectors -o runs/connectors --steps 600 --seeds 3      # the full size

Letters: B rows, T tokens, H and W sides of a picture.
"""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers import AutoModelForCausalLM

from nunbit.assistant import Assistant
from nunbit.data.packing import pack
from nunbit.encoders.vision import feature_shape, image_side_px
from nunbit.errors import check_names
from nunbit.evaluation.tiny_world import WorldItem, items
from nunbit.files import EMBEDDED
from nunbit.messages import question
from nunbit.models.build import join_composed
from nunbit.models.checkpoint import open_model
from nunbit.models.composed import ComposedModel, embed
from nunbit.recipes.tiny.encoder import to_pixels
from nunbit.recipes.tiny.questions import answer_loss, as_batch, question_ids
from nunbit.recipes.tiny.tokenizer import BOS, IMAGE, USER
from nunbit.studies.figures import format_figure, format_table, group_by, medians, over_seeds, study_page
from nunbit.studies.study import StudyRun, run_study
from nunbit.training.loop import train
from nunbit.training.options import RunOptions
from nunbit.training.stage import Batch, Stage
from nunbit.world.samples import sample

NAME = "connectors"
TOKENS = 36
_GATED: dict[str, Any] = {"heads": 6, "head_dim": 32, "latents": 0, "activation": "gelu"}
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "linear": ("linear", {}),
    "mlp": ("mlp", {}),
    "pixel_shuffle": ("pixel_shuffle", {"factor": 2}),
    "perceiver": ("perceiver", {"latents": TOKENS, "depth": 2, "heads": 6, "head_dim": 32, "max_frames": 0}),
    "qformer": ("qformer", {"queries": TOKENS, "width": 192, "depth": 2, "heads": 6, "cross_every": 1, "dropout": 0.0}),
    **{f"gated-{k}": ("gated_cross_attention", {**_GATED, "every": k}) for k in (1, 2, 4)},
}
"""Connector and the fields of its config, by variant."""
SAMPLES_SEED, ITEMS_SEED = 700, 3000
COSTS = ("parameters", "tokens", "seen", "first_token_ms", "pictures_per_s")


@dataclass(frozen=True, kw_only=True)
class ConnectorsConfig:
    """The size of the study.

    Attributes:
        steps, batch, questions: of every variant: optimiser steps, pictures a step, training questions a picture at
            most.
        seeds: runs of every variant.
        eval_questions: test questions.
        lr, language_lr: peak learning rates of the connector and of the language model (0: frozen).
        variants: names of `VARIANTS`.
        base: folder of the LLaVA that both ends are taken from.
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


def compose(variant: str, llava: Any, processor: Any) -> tuple[ComposedModel, Any]:
    """The two ends of a native LLaVA (the modules themselves, not copies) joined by the variant's fresh connector.

    Args:
        llava, processor: the model and its processor.

    Returns:
        The model, and a processor that gives every picture as many tokens as the connector does.
    """
    connector, options = VARIANTS[variant]
    config = llava.config.get_text_config()
    with torch.device("meta"):
        text = AutoModelForCausalLM.from_config(config)
    setattr(text, text.base_model_prefix, llava.model.language_model)
    text.set_output_embeddings(llava.lm_head)
    encoder, layer = llava.model.vision_tower, llava.config.vision_feature_layer
    shape = feature_shape(encoder, layer, image_side_px(encoder.config))
    model = join_composed(encoder, text, processor.tokenizer, connector, options, layer, shape)
    model.generation_config = copy.deepcopy(llava.generation_config)
    own = copy.copy(processor)  # its one patch is the whole picture, so the number of additional tokens is free
    own.patch_size, own.vision_feature_select_strategy = image_side_px(encoder.config), "full"
    own.num_additional_image_tokens = model.config.image_seq_length - 1
    return model.eval(), own


class WorldQuestionsTask:
    """Training a composed model on questions about pictures of the procedural world, drawn as training goes.

    Args:
        model, processor: from `compose`.
        questions: training questions a picture, at most.
        language: the language model learns too.
    """

    def __init__(self, model: ComposedModel, processor: Any, questions: int, language: bool) -> None:
        self.model, self.questions, self.language, self.tokenizer = model, questions, language, processor.tokenizer
        ids = {t: self.tokenizer.convert_tokens_to_ids(t) for t in (BOS, USER, IMAGE)}
        self.prefix = [ids[BOS], ids[USER], *[ids[IMAGE]] * model.config.image_seq_length]
        model.requires_grad_(False)
        model.connector.requires_grad_(True)
        model.model.language_model.requires_grad_(language)

    def modules(self) -> dict[str, nn.Module]:
        """The learning parts."""
        parts: dict[str, nn.Module] = {"connector": self.model.connector}
        return parts | ({"language": self.model.model.language_model} if self.language else {})

    def batch(self, step: int, stage: Stage) -> Batch:
        """The pictures of a step with all their questions packed behind them, ids ``(B, T)`` and pixels ``(B, 3, H,
        W)``.
        """
        numbers = range(step * stage.batch, (step + 1) * stage.batch)
        drawn = [sample(n, seed=SAMPLES_SEED + stage.seed, questions=self.questions, even=True) for n in numbers]
        places = [range(len(self.prefix))] * len(drawn)
        questions = question_ids(drawn, self.tokenizer)
        packed = pack([self.prefix] * len(drawn), places, len(self.prefix), questions, self.tokenizer.pad_token_id)
        return as_batch(packed) | {"pixels": to_pixels([s.picture.pixels for s in drawn])}

    def loss(self, batch: Batch) -> tuple[torch.Tensor, dict[str, float]]:
        """Cross entropy of the answers, a scalar, with figures to log."""
        if self.model.gated:
            self.model.set_image_context(batch["ids"], batch["pixels"])
        embeds = embed(self.model, batch["ids"], self.model.image_tokens(batch["pixels"]))
        return answer_loss(self.model, embeds, batch)


def run(config: ConnectorsConfig, folder: Path, say: Callable[[str], None] = print, jobs: int = 1) -> dict[str, Any]:
    """Train and measure what is not in the folder yet; writes ``connectors.json`` and ``connectors.html``.

    Raises:
        UserError: an unknown variant, or see `run_study`.
    """
    check_names("variant", config.variants, VARIANTS)
    runs = [
        StudyRun(f"{variant}-{seed}", f"{variant}, seed {seed}", partial(measure, config, variant, seed, folder))
        for variant in config.variants
        for seed in range(config.seeds)
    ]
    return run_study(NAME, config, folder, runs, summarise=summary, page=page, say=say, jobs=jobs)


def measure(config: ConnectorsConfig, variant: str, seed: int, folder: Path) -> dict[str, Any]:
    """Train one variant with one seed and ask it the test questions."""
    torch.manual_seed(seed)
    llava, processor = open_model(config.base)
    model, processor = compose(variant, llava.float(), processor)
    task = WorldQuestionsTask(model, processor, config.questions, config.language_lr > 0)
    stage = Stage(
        name=variant,
        steps=config.steps,
        batch=config.batch,
        lr=config.lr,
        part_lr={"language": config.language_lr},
        warmup=min(20, config.steps),
        decay=0.5,
        seed=seed,
        save_every=50,
    )
    scratch = folder / f"{variant}-{seed}"
    train(task, stage, scratch, RunOptions(say=lambda _: None))
    model.eval()
    seconds = [json.loads(line)["seconds"] for line in (scratch / "log.jsonl").read_text().splitlines()]
    shutil.rmtree(scratch)
    assistant = Assistant.from_loaded(model, processor)
    test = items(ITEMS_SEED + config.eval_questions, config.eval_questions)
    answers = assistant.ask_many([question(t.qa.question, [t.pixels]) for t in test])
    return {
        "variant": variant,
        "seed": seed,
        "right": [t.right(a) for t, a in zip(test, answers, strict=True)],
        "pictures": [t.picture for t in test],
        "splits": [t.split for t in test],
        "kinds": [t.qa.kind for t in test],
        "tokens": model.config.image_seq_length,
        "seen": int(np.prod(model.config.vision_grid)) if model.gated else model.config.image_seq_length,
        "parameters": sum(p.numel() for p in model.connector.parameters()),
        "pictures_per_s": config.batch / float(np.median(seconds)),
        "first_token_ms": first_token_ms(assistant, test[:12]),
    }


def first_token_ms(assistant: Assistant, test: Sequence[WorldItem]) -> float:
    """Median milliseconds from pixels to the first token, one picture at a time."""
    asked = [question(t.qa.question, [t.pixels]) for t in test]
    return float(np.median([assistant.ask(q, max_new_tokens=1).ttft_ms for q in asked]))


def summary(records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """For each variant: the mean over seeds with its interval over pictures, the unseen style, the gain over the
    first variant, the costs.
    """
    first, groups = records[0]["variant"], group_by(records, "variant")
    rows = [
        {"variant": v, **over_seeds(runs, groups[first,] if v != first else ()), **medians(runs, *COSTS)}
        for (v,), runs in groups.items()
    ]
    return {"rows": rows, "first": first}


def as_text(result: Mapping[str, Any]) -> str:
    """The table for a terminal."""
    heads = ("connector", "seeds", "right, %", "unseen style", f"gain over {result['first']}", "parameters", "tokens")
    rows = [
        (
            r["variant"],
            str(r["seeds"]),
            *(format_figure(r[k]) for k in ("all", "unseen", "gain")),
            f"{r['parameters']:,.0f}",
            f"{r['tokens']:.0f}",
            f"{r['seen']:.0f}",
            f"{r['first_token_ms']:.1f} ms",
            f"{r['pictures_per_s']:.1f} pictures/s",
        )
        for r in result["rows"]
    ]
    return format_table((*heads, "attended to", "first token", "training"), rows)


def page(result: Mapping[str, Any]) -> str:
    """Table and bars as an HTML page, the unseen style beside all."""
    rows = result["rows"]
    unseen = {r["variant"]: r["unseen"] for r in rows if r["unseen"]}
    groups = {"all": {r["variant"]: r["all"] for r in rows}, "unseen style": unseen}
    return study_page("Connection modules", as_text(result), groups)
