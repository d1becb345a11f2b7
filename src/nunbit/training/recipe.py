"""What a recipe for conversations is: frozen dataclasses that the command line overrides by ``key=value``, dotted for inner ones."""

from __future__ import annotations

import difflib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any, TypeVar

from nunbit.errors import UserError, unknown_name
from nunbit.models.eyes import EyesChoice
from nunbit.training.loop import Stage


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelChoice:
    """What is put together.

    Attributes:
        llm, vision: folders or hub ids.
        base: a native LLaVA to go on from, instead of the two.
        layer: hidden state of the encoder that is shown to the language model.
        activation: between the connector's two layers.
    """

    llm: str = ""
    vision: str = ""
    base: str = ""
    layer: int = -2
    activation: str = "gelu"


@dataclass(frozen=True, kw_only=True, slots=True)
class Lora:
    """Low-rank adapters on the language model; rank 0 is none. ``bits=4`` holds the base in 4 bits (QLoRA, arXiv 2305.14314)."""

    rank: int = 0
    alpha: int = 256
    dropout: float = 0.05
    bits: int = 0
    name: str = "default"


@dataclass(frozen=True, kw_only=True, slots=True)
class Crayon:
    """Sizes of the crayon's branches; ``one_adapter`` gives both kinds of data to one adapter (the paper's ablation)."""

    rank: int = 256
    one_adapter: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Moai:
    """Sizes of compressor and mixers; ``maps``: the panoptic colour picture goes into the compressor too."""

    latents: int = 64
    depth: int = 4
    heads: int = 4
    rank: int = 64
    every: int = 8
    maps: bool = True


MIXING = ("draw", "accumulate")


@dataclass(frozen=True, kw_only=True, slots=True)
class Phase:
    """One stage. A rate of 0 freezes the part.

    Attributes:
        data, images: the conversations, and the folder of their pictures; the recipe's own if empty. Several files are separated by commas,
            with their weights if they are not to be shown once each: ``a.json:0.7,b.json:0.3``.
        mixing: what weights of files are: "draw", their shares of the samples; "accumulate", those of their losses, every step showing
            each file an equal part of the batch (Flamingo, arXiv 2204.14198, sec. 2.4).
        plain: no chat template: picture, then caption.
        aware_lr: rate of the layer connectors (crayon, moai).
        batch: samples an optimiser step; micro: samples a forward pass, 0 for all.
        warmup: share of the steps.
        checkpoints: "whole", "shards" or "auto", see `nunbit.training.checkpoints`.
        group: batches of samples of like length; pack: tokens a row that a batch's samples share, for graphics cards; 0 does not.
    """

    data: str = ""
    images: str = ""
    mixing: str = "draw"
    plain: bool = False
    vision_lr: float = 0.0
    connector_lr: float = 0.0
    language_lr: float = 0.0
    aware_lr: float = 0.0
    batch: int = 128
    micro: int = 0
    epochs: float = 1.0
    steps: int = 0
    warmup: float = 0.03
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
        if self.mixing not in MIXING:
            raise unknown_name("way of mixing", self.mixing, MIXING)

    def rates(self) -> dict[str, float]:
        """Of the parts of a LLaVA."""
        return {"vision": self.vision_lr, "connector": self.connector_lr, "language": self.language_lr}

    def all_rates(self) -> dict[str, float]:
        """And of the layer connectors beside it."""
        return self.rates() | dict.fromkeys(("crayon", "moai"), self.aware_lr)

    def stage(self, name: str, steps: int, seed: int) -> Stage:
        """The loop's view: AdamW as in Hugging Face's Trainer, which the published recipes used."""
        steps = self.steps or steps
        return Stage(
            name=name, steps=steps, batch=self.batch, micro=self.micro, lr=max(self.all_rates().values()), part_lr=self.all_rates(),
            schedule="cosine", warmup=math.ceil(steps * self.warmup), beta2=0.999, fused=True, weight_decay=self.weight_decay,
            clip=self.clip, seed=seed, save_every=self.save_every, checkpoints=self.checkpoints,
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Run:
    """What every recipe for conversations has; its stages are the fields of type `Phase`.

    Attributes:
        stages: which of the phases are run, by name, separated by commas.
        max_tokens: longer samples are left out and counted.
        eval, eval_every: benchmarks that the model is asked every so many steps, ``tiny-world:60,pope=FILE:200``
            (`nunbit.recipes.exam`); 0 asks none.
        debug: a generated data set and small random models where none are named, two steps a stage.
    """

    model: ModelChoice = field(default_factory=ModelChoice)
    lora: Lora = field(default_factory=Lora)
    stages: str = ""
    data: str = ""
    images: str = ""
    max_tokens: int = 2048
    eval: str = ""
    eval_every: int = 0
    seed: int = 0
    debug: bool = False

    def phases(self) -> dict[str, Phase]:
        """The phases that are run, in order, each with its data."""
        out: dict[str, Phase] = {}
        known = [f.name for f in fields(self) if isinstance(getattr(self, f.name), Phase)]
        for name in filter(None, self.stages.split(",")):
            if name not in known:
                raise unknown_name("stage", name, known)
            phase: Phase = getattr(self, name)
            out[name] = replace(phase, data=phase.data or self.data, images=phase.images or self.images)
        if not out:
            raise UserError("no stage is named", allowed=", ".join(known), todo="write for example: stages=" + known[0])
        return out


@dataclass(frozen=True, kw_only=True)
class Recipe(Run):
    """A LLaVA: first the connector, then connector and language model."""

    connect: Phase = field(default_factory=Phase)
    tune: Phase = field(default_factory=Phase)
    stages: str = "connect,tune"


@dataclass(frozen=True, kw_only=True)
class CrayonRecipe(Run):
    """CoLLaVO on a LLaVA that is there: crayon prompt tuning, then crayon instruction tuning with two adapters."""

    crayon: Crayon = field(default_factory=Crayon)
    eyes: EyesChoice = field(default_factory=EyesChoice)
    prompt: Phase = field(default_factory=Phase)
    instruct: Phase = field(default_factory=Phase)
    stages: str = "prompt,instruct"


@dataclass(frozen=True, kw_only=True)
class MoAIRecipe(Run):
    """MoAI on a LLaVA that is there: random experts, then soft gates."""

    moai: Moai = field(default_factory=Moai)
    eyes: EyesChoice = field(default_factory=EyesChoice)
    experts: Phase = field(default_factory=Phase)
    gates: Phase = field(default_factory=Phase)
    stages: str = "experts,gates"


R = TypeVar("R")


def override(recipe: R, changes: Sequence[str]) -> R:
    """A copy with ``key=value`` applied; keys of inner dataclasses are dotted.

    Raises:
        UserError: not key=value, an unknown key (the nearest is named), or a value of the wrong type.
    """
    for change in changes:
        key, mark, value = change.partition("=")
        if not mark:
            raise UserError(f"'{change}'", allowed="key=value", todo="write for example: tune.batch=64")
        known = settings(recipe)
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
            raise UserError(f"unknown setting '{key}'", allowed=", ".join(known), todo=f"did you mean '{near[0]}'?" if near else "name one of these")  # fmt: skip
        recipe = _set(recipe, key.split("."), _read(key, value, known[key]))
    return recipe


def settings(recipe: Any, before: str = "") -> dict[str, Any]:
    """Every key that may be overridden, with its value."""
    out: dict[str, Any] = {}
    for f in fields(recipe):
        value = getattr(recipe, f.name)
        out |= settings(value, f"{before}{f.name}.") if is_dataclass(value) else {before + f.name: value}
    return out


def _set(recipe: Any, path: Sequence[str], value: Any) -> Any:
    head, *rest = path
    return replace(recipe, **{head: _set(getattr(recipe, head), rest, value) if rest else value})


def _read(key: str, value: str, now: Any) -> Any:
    if isinstance(now, bool):
        if value.lower() not in ("true", "false"):
            raise UserError(f"{key}={value}", allowed="true, false")
        return value.lower() == "true"
    try:
        found = type(now)(value)
    except ValueError:
        raise UserError(f"{key}={value}", allowed=f"a number ({type(now).__name__})") from None
    if isinstance(found, (int, float)) and (not math.isfinite(found) or (found < 0 and key != "model.layer")):
        raise UserError(f"{key}={value}", allowed="0 or more")
    return found
