"""What a recipe for conversations is: frozen dataclasses that the command line overrides by ``key=value``, dotted for inner ones."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, ClassVar, Self

from nunbit.errors import UserError, unknown_name
from nunbit.perception.build import PerceptionConfig
from nunbit.training.loop import Stage
from nunbit.training.settings import override


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelConfig:
    """What is put together.

    Attributes:
        llm, vision: folders or hub ids.
        base: a native LLaVA to go on from, instead of the two.
        layer: hidden state of the encoder that is shown to the language model.
        activation: between the connector's two layers.
        tiles: arrangements that a picture may be cut into, rows x columns, as ``1x2,2x2``; none: one square, as in LLaVA-1.5.
    """

    llm: str = ""
    vision: str = ""
    base: str = ""
    layer: int = -2
    activation: str = "gelu"
    tiles: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class LoraConfig:
    """Low-rank adapters on the language model; rank 0 is none. ``bits=4`` holds the base in 4 bits (QLoRA, arXiv 2305.14314)."""

    rank: int = 0
    alpha: int = 256
    dropout: float = 0.05
    bits: int = 0
    name: str = "default"


@dataclass(frozen=True, kw_only=True, slots=True)
class CrayonOptions:
    """Sizes of the crayon's branches; ``one_adapter`` gives both kinds of data to one adapter (the paper's ablation)."""

    rank: int = 256
    one_adapter: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class MoaiOptions:
    """Sizes of compressor and mixers; ``maps``: the panoptic colour picture goes into the compressor too."""

    latents: int = 64
    depth: int = 4
    heads: int = 4
    rank: int = 64
    every: int = 8
    maps: bool = True


MIXING = ("draw", "accumulate")


@dataclass(frozen=True, kw_only=True, slots=True)
class GatedOptions:
    """Sizes of Flamingo's resampler and gated blocks (`nunbit.connectors.gated_cross_attention`), a block every so many layers."""

    every: int = 4
    heads: int = 16
    head_dim: int = 128
    latents: int = 64
    resampler_depth: int = 6
    resampler_heads: int = 16
    resampler_head_dim: int = 96


@dataclass(frozen=True, kw_only=True, slots=True)
class Phase:
    """One stage. A rate of 0 freezes the part.

    Attributes:
        data, images: the conversations, and the folder of their pictures; the recipe's own if empty. Several files are separated by commas,
            with their weights if they are not to be shown once each: ``a.json:0.7,b.json:0.3``.
        mixing: what weights of files are: "draw", their shares of the samples; "accumulate", those of their losses, every step showing
            each file an equal part of the batch (Flamingo, arXiv 2204.14198, sec. 2.4).
        plain: no chat template: picture, then caption.
        connector_lr: rate of what joins encoder and language model, of Flamingo's resampler and gated blocks too.
        layer_connector_lr: rate of the layer connectors (crayon, moai).
        batch: samples an optimiser step; micro_batch_size: samples a forward pass, 0 for all.
        warmup: share of the steps; schedule: "cosine" falls to zero after it, "flat" stays.
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
        if self.schedule not in ("cosine", "flat"):
            raise unknown_name("schedule", self.schedule, ("cosine", "flat"))
        if self.mixing not in MIXING:
            raise unknown_name("way of mixing", self.mixing, MIXING)

    def rates(self) -> dict[str, float]:
        """Of the parts of a LLaVA."""
        return {"vision": self.vision_lr, "connector": self.connector_lr, "language": self.language_lr}

    def all_rates(self) -> dict[str, float]:
        """And of the layer connectors beside it."""
        layer = dict.fromkeys(("crayon", "moai"), self.layer_connector_lr)
        return self.rates() | layer | dict.fromkeys(("resampler", "cross_attention", "marker"), self.connector_lr)

    def stage(self, name: str, steps: int, seed: int) -> Stage:
        """The loop's view: AdamW as in Hugging Face's Trainer, which the published recipes used."""
        steps = self.steps or steps
        return Stage(
            name=name, steps=steps, batch=self.batch, micro_batch_size=self.micro_batch_size, lr=max(self.all_rates().values()), part_lr=self.all_rates(),
            part_decay={"resampler": 0.0}, schedule=self.schedule, decay=0.0, warmup=math.ceil(steps * self.warmup), beta2=0.999, fused=True, weight_decay=self.weight_decay,
            clip=self.clip, seed=seed, save_every=self.save_every, checkpoints=self.checkpoints,
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class BaseRecipe:
    """What every recipe for conversations is: settings, stages (its fields of type `Phase`), and what must be there before they run.

    Attributes:
        stages: which of the phases are run, by name, separated by commas.
        max_tokens: longer samples are left out and counted.
        eval, eval_every: benchmarks that the model is asked every so many steps, ``tiny-world:60,pope=FILE:200``
            (`nunbit.recipes.evaluation`); 0 asks none.
        debug: a generated data set and small random models where none are named, two steps a stage.
    """

    pictures: ClassVar[int] = 1
    """In a conversation of the debug set."""

    model: ModelConfig = field(default_factory=ModelConfig)
    lora: LoraConfig = field(default_factory=LoraConfig)
    stages: str = ""
    data: str = ""
    images: str = ""
    max_tokens: int = 2048
    eval: str = ""
    eval_every: int = 0
    seed: int = 0
    debug: bool = False

    def changed(self, changes: Sequence[str]) -> Self:
        """With ``key=value`` applied, and checked as far as it can be without opening a file."""
        done = override(self, changes)
        done.phases()
        done.check()
        return done

    def check(self) -> None:
        """Raise a UserError unless a model is named, once."""
        model = self.model
        if model.base and (model.llm or model.vision):
            raise UserError("model.base and model.llm or model.vision", allowed="one or the other")
        if not self.debug and not model.base and not (model.llm and model.vision):
            raise _no_model("model.llm=DIR and model.vision=DIR, or model.base=DIR")

    def phases(self) -> dict[str, Phase]:
        """The phases that are run, in order, each with its data."""
        out: dict[str, Phase] = {}
        known = self._every_phase()
        for name in filter(None, self.stages.split(",")):
            if name not in known:
                raise unknown_name("stage", name, known)
            phase = known[name]
            out[name] = replace(phase, data=phase.data or self.data, images=phase.images or self.images)
        if not out:
            raise UserError("no stage is named", allowed=", ".join(known), todo=f"write for example: stages={[*known][0]}")
        return out

    def ready(self, folder: Path) -> Self:
        """What is run in the folder: every stage has data, and with ``debug`` everything is small.

        Each process of a launcher draws its own debug set: nobody reads what another is writing.
        """
        done = self.small(folder / ("debug" + os.environ.get("RANK", ""))) if self.debug else self
        for name, phase in done.phases().items():
            if not phase.data:
                raise UserError(
                    f"no data for the stage '{name}'", allowed=f"data=FILE or {name}.data=FILE", todo="name a file"
                )
        return done

    def small(self, folder: Path) -> Self:
        """Two steps of two samples a stage, on what is generated into the folder where nothing is named."""
        from nunbit.training.debug_set import fill_in

        few: dict[str, Any] = {name: replace(phase, steps=2, batch=2) for name, phase in self._every_phase().items()}
        return replace(fill_in(self, folder), **few)

    def _every_phase(self) -> dict[str, Phase]:
        return {f.name: v for f in fields(self) if isinstance(v := getattr(self, f.name), Phase)}


@dataclass(frozen=True, kw_only=True)
class LlavaRecipe(BaseRecipe):
    """A LLaVA: first the connector, then connector and language model."""

    connect: Phase = field(default_factory=Phase)
    tune: Phase = field(default_factory=Phase)
    stages: str = "connect,tune"


@dataclass(frozen=True, kw_only=True)
class ObjectAwareRecipe(BaseRecipe):
    """On a LLaVA that is there, which is told what ``eyes`` see."""

    perception: PerceptionConfig = field(default_factory=PerceptionConfig)

    def check(self) -> None:
        if not self.debug and not self.model.base:
            raise _no_model("model.base=DIR, a native LLaVA")


@dataclass(frozen=True, kw_only=True)
class CrayonRecipe(ObjectAwareRecipe):
    """CoLLaVO: crayon prompt tuning, then crayon instruction tuning with two adapters."""

    crayon: CrayonOptions = field(default_factory=CrayonOptions)
    prompt: Phase = field(default_factory=Phase)
    instruct: Phase = field(default_factory=Phase)
    stages: str = "prompt,instruct"

    def small(self, folder: Path) -> Self:
        lora = replace(self.lora, rank=min(8, self.lora.rank))
        return replace(super().small(folder), crayon=replace(self.crayon, rank=8), lora=lora)


@dataclass(frozen=True, kw_only=True)
class MoAIRecipe(ObjectAwareRecipe):
    """MoAI: random experts, then soft gates."""

    moai: MoaiOptions = field(default_factory=MoaiOptions)
    experts: Phase = field(default_factory=Phase)
    gates: Phase = field(default_factory=Phase)
    stages: str = "experts,gates"

    def small(self, folder: Path) -> Self:
        return replace(super().small(folder), moai=replace(self.moai, latents=8, depth=1, rank=8, every=1))


@dataclass(frozen=True, kw_only=True)
class FlamingoRecipe(BaseRecipe):
    """A resampler and gated cross-attention between a frozen encoder and a frozen language model, on interleaved pictures and words.

    Attributes:
        p_next: how often the words of a sample see the next picture instead of the last one. Source: Flamingo, arXiv 2204.14198, app. A.
    """

    pictures: ClassVar[int] = 2

    flamingo: GatedOptions = field(default_factory=GatedOptions)
    p_next: float = 0.0
    mixture: Phase = field(default_factory=Phase)
    stages: str = "mixture"

    def check(self) -> None:
        super().check()
        if self.lora.rank or self.mixture.language_lr or self.mixture.vision_lr:
            raise UserError("an adapter or a rate for the language model or the encoder", allowed="mixture.connector_lr alone",
                            todo="leave them out: both stay frozen")  # fmt: skip
        if self.mixture.pack or self.model.tiles:
            raise UserError("pack or model.tiles", allowed="neither: a row is one conversation, a picture one square")
        if not 0 <= self.p_next <= 1:
            raise UserError(f"p_next={self.p_next}", allowed="0 to 1")

    def small(self, folder: Path) -> Self:
        least = {"every": 1, "heads": 2, "head_dim": 8, "latents": 4, "resampler_depth": 1, "resampler_heads": 2}
        return replace(super().small(folder), flamingo=replace(self.flamingo, **least, resampler_head_dim=8))


def _no_model(allowed: str) -> UserError:
    return UserError("no model is named", allowed=allowed, todo="or write debug=true")
