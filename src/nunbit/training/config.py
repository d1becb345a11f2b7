"""Settings that recipes for conversations share: the model, its adapters, and one stage. The command line overrides
them by ``key=value``."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from nunbit.errors import UserError, unknown_name
from nunbit.training.stage import SCHEDULES, Stage

MIXING = ("draw", "accumulate")
LAYER_CONNECTORS = ("crayon", "moai")
CROSS_ATTENTION_PARTS = ("resampler", "cross_attention", "marker")
"""Parts of a Flamingo, which learn at the connector's rate."""
LAST_ADAM_BETA = 0.999


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelConfig:
    """Which model is built or opened.

    Attributes:
        llm, vision: folders or hub ids of the two parts of a new model.
        base: a native LLaVA to start from, instead of the two parts.
        layer: the encoder's hidden state whose features go to the connector.
        activation: between the two layers of the connector ``mlp``.
        tiles: arrangements of tiles a picture may be cut into, rows x columns, as ``1x2,2x2``; none: one square, as in
            LLaVA-1.5.
        connector: name of the connection module (`nunbit.connectors`); ``mlp`` is LLaVA-1.5's.
        connector_options: its own settings by commas, as ``latents=32,depth=2``.
    """

    llm: str = ""
    vision: str = ""
    base: str = ""
    layer: int = -2
    activation: str = "gelu"
    tiles: str = ""
    connector: str = "mlp"
    connector_options: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class LoraConfig:
    """Low-rank adapters on the language model (LoRA, arXiv 2106.09685).

    Attributes:
        rank: of the two matrices; 0 trains no adapter.
        alpha: the adapter's output is scaled by alpha / rank.
        dropout: before the adapter, in training.
        bits: 4 holds the base in 4 bits (QLoRA, arXiv 2305.14314); 0 as it is.
        name: of the adapter in its folder.
    """

    rank: int = 0
    alpha: int = 256
    dropout: float = 0.05
    bits: int = 0
    name: str = "default"


@dataclass(frozen=True, kw_only=True, slots=True)
class Phase:
    """One stage as a recipe states it. A learning rate of 0 freezes the part.

    Attributes:
        data, images: conversations, and the folder of their pictures; the recipe's own if empty. Several files are
            separated by commas, with their weights unless each sample is to be shown once: ``a.json:0.7,b.json:0.3``.
        mixing: what weights of files are: "draw", their shares of the samples; "accumulate", those of their losses,
            every step showing each file an equal part of the batch (Flamingo, arXiv 2204.14198, sec. 2.4).
        plain: no chat template: picture, then caption.
        vision_lr, language_lr: learning rates of the encoder and of the language model (or of its adapters).
        connector_lr: learning rate between encoder and language model, also of Flamingo's resampler and gated blocks.
        layer_connector_lr: learning rate of the layer connectors (crayon, moai).
        batch: samples an optimiser step.
        micro_batch_size: samples a forward pass; 0 for as many as fit in the memory that is free.
        epochs: passes over the samples; steps: optimiser steps, which count instead if above 0.
        warmup: share of the steps; schedule: "cosine" falls to zero after it, "flat" stays.
        weight_decay: of matrices; clip: largest norm of the gradient.
        group: batches of samples of like length.
        pack: tokens a row that samples of a batch share, for graphics cards; 0 gives each sample a row.
        save_every: steps between checkpoints.
        checkpoints: "whole", "shards" or "auto", see `nunbit.training.checkpoints`.
        published_samples, published_tokens: size of the paper's data, which ``--plan`` counts where no file is named.

    Raises:
        UserError: a number out of range, or an unknown schedule or way of mixing.
    """

    data: str = ""
    images: str = ""
    mixing: str = "draw"
    plain: bool = False
    vision_lr: float = 0.0
    connector_lr: float = 0.0
    language_lr: float = 0.0
    layer_connector_lr: float = 0.0
    batch: int = 128
    micro_batch_size: int = 0
    epochs: float = 1.0
    steps: int = 0
    warmup: float = 0.03
    schedule: str = "cosine"
    weight_decay: float = 0.0
    clip: float = 1.0
    group: bool = True
    pack: int = 0
    save_every: int = 200
    checkpoints: str = "auto"
    published_samples: int = 0
    published_tokens: int = 0

    def __post_init__(self) -> None:
        for name in ("batch", "save_every"):
            if getattr(self, name) < 1:
                raise UserError(f"{name}={getattr(self, name)}", allowed="1 or more")
        if not 0 <= self.warmup <= 1:
            raise UserError(f"warmup={self.warmup}", allowed="0 to 1, a share of the steps")
        if self.schedule not in SCHEDULES:
            raise unknown_name("schedule", self.schedule, SCHEDULES)
        if self.mixing not in MIXING:
            raise unknown_name("way of mixing", self.mixing, MIXING)

    def learning_rates(self) -> dict[str, float]:
        """Peak learning rates of a LLaVA's parts."""
        return {"vision": self.vision_lr, "connector": self.connector_lr, "language": self.language_lr}

    def all_learning_rates(self) -> dict[str, float]:
        """Peak learning rates of a LLaVA's parts, of layer connectors and of a Flamingo's parts."""
        layer = dict.fromkeys(LAYER_CONNECTORS, self.layer_connector_lr)
        return self.learning_rates() | layer | dict.fromkeys(CROSS_ATTENTION_PARTS, self.connector_lr)

    def stage(self, name: str, steps: int, seed: int) -> Stage:
        """The loop's settings: AdamW as in Hugging Face's Trainer, which the published recipes used.

        Args:
            steps: in all, where the phase itself names none.
        """
        steps, rates = self.steps or steps, self.all_learning_rates()
        return Stage(
            name=name,
            steps=steps,
            batch=self.batch,
            micro_batch_size=self.micro_batch_size,
            lr=max(rates.values()),
            part_lr=rates,
            part_decay={"resampler": 0.0},
            schedule=self.schedule,
            decay=0.0,
            warmup=math.ceil(steps * self.warmup),
            beta2=LAST_ADAM_BETA,
            fused=True,
            weight_decay=self.weight_decay,
            clip=self.clip,
            seed=seed,
            save_every=self.save_every,
            checkpoints=self.checkpoints,
        )


def connector_options(text: str) -> dict[str, Any]:
    """``latents=32,depth=2`` as a mapping; numbers, true and false are read as such.

    Raises:
        UserError: a part that is no key=value, or a key twice.
    """
    out: dict[str, Any] = {}
    for key, value in _pairs(text):
        if key in out:
            raise UserError(f"the connector option '{key}' twice", allowed="each once")
        out[key] = _value(value)
    return out


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    for part in filter(None, (p.strip() for p in text.split(","))):
        key, mark, value = part.partition("=")
        if not (mark and key.strip() and value.strip()):
            raise UserError(
                f"the connector option '{part}'",
                allowed="key=value, separated by commas",
                todo="write for example: model.connector_options=latents=32,depth=2",
            )
        yield key.strip(), value.strip()


def _value(text: str) -> int | float | str | bool:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
