"""Flamingo: any vision encoder and any language model, both frozen; a resampler and gated cross-attention between them
learn.

  mixture   pictures among words: every word attends to the last picture before it, through gates that are closed at
            first

Source: arXiv 2204.14198, with its sizes and its optimiser: ``flamingo.every`` is 1 in Flamingo-3B, 4 in 9B, 7 in 80B;
AdamW, a rate of 1e-4 that stays after 1 % of the steps, weight decay 0.1 on the blocks and none on the resampler. Where
we differ: conversations as data (with ``p_next=0.5`` words may attend to the next picture, which the paper does to web
pages); any encoder's patches; the batch is ours, theirs depends on the data set. ``published_samples`` is
OpenFlamingo's interleaved data (arXiv 2308.01390).

    nunbit train flamingo model.llm=DIR model.vision=DIR data=talk.json images=DIR flamingo.every=4
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import torch

from nunbit.errors import UserError
from nunbit.models.build import GATED, build_model
from nunbit.models.checkpoint import open_model
from nunbit.models.composed import is_gated
from nunbit.models.flamingo import is_flamingo_folder, open_flamingo_folder
from nunbit.models.prompt import PromptBuilder
from nunbit.recipes.base import BaseRecipe
from nunbit.recipes.flamingo.sizes import flamingo_sizes
from nunbit.recipes.flamingo.task import FlamingoTask
from nunbit.training.config import ModelConfig, Phase
from nunbit.training.options import RunOptions
from nunbit.training.plan_memory import Machine
from nunbit.training.planning import PlanReport, plan_phases
from nunbit.training.saving import save_trained
from nunbit.training.stages import begin, load_samples, train_phase

SUMMARY = "Flamingo on any encoder and language model, both frozen: resampler and gated cross-attention"
PAPER = "arXiv 2204.14198"

MIXTURE = Phase(
    connector_lr=1e-4,
    batch=128,
    warmup=0.01,
    schedule="flat",
    weight_decay=0.1,
    published_samples=60_000_000,
    published_tokens=256,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class GatedOptions:
    """Sizes of Flamingo's resampler and gated blocks (`nunbit.connectors.gated_cross_attention`).

    Attributes:
        every: a gated block before every so many decoder layers.
        heads, head_dim: of the blocks' attention.
        latents: tokens that the resampler writes for a picture.
        resampler_depth, resampler_heads, resampler_head_dim: of the resampler.
    """

    every: int = 4
    heads: int = 16
    head_dim: int = 128
    latents: int = 64
    resampler_depth: int = 6
    resampler_heads: int = 16
    resampler_head_dim: int = 96


@dataclass(frozen=True, kw_only=True)
class FlamingoRecipe(BaseRecipe):
    """Encoder and language model stay frozen, so that adapters and their learning rates do nothing.

    Attributes:
        flamingo: sizes of a new model.
        p_next: how often the words of a sample attend to the next picture instead of the last one. Source: Flamingo,
            app. A.
        mixture: the one stage.
    """

    pictures: ClassVar[int] = 2
    unused: ClassVar[tuple[str, ...]] = (
        *BaseRecipe.unused,
        "lora.*",
        "*.vision_lr",
        "*.language_lr",
        "*.pack",
        "model.activation",
        "model.tiles",
        "model.connector*",
    )

    flamingo: GatedOptions = field(default_factory=GatedOptions)
    p_next: float = 0.0
    mixture: Phase = field(default_factory=Phase)
    stages: str = "mixture"

    def check(self) -> None:
        """As `BaseRecipe.check`; ``p_next`` is a share."""
        super().check()
        if not 0 <= self.p_next <= 1:
            raise UserError(f"p_next={self.p_next}", allowed="0 to 1")

    def check_given(self, given: Mapping[str, str]) -> None:
        """As `BaseRecipe.check_given`; a base has sizes of its own."""
        super().check_given(given)
        if self.model.base:
            sizes = [key for key in given if key.startswith("flamingo.")]
            self._refuse(given, sizes, "with model.base", "sizes of a new model")

    def small(self, folder: Path) -> Self:
        """As `BaseRecipe.small`, with a small resampler and small blocks."""
        least = {"every": 1, "heads": 2, "head_dim": 8, "latents": 4, "resampler_depth": 1, "resampler_heads": 2}
        return replace(super().small(folder), flamingo=replace(self.flamingo, **least, resampler_head_dim=8))


def defaults() -> FlamingoRecipe:
    """As published for 9B."""
    model = ModelConfig(layer=-1)
    return FlamingoRecipe(model=model, flamingo=GatedOptions(every=4), mixture=MIXTURE, max_tokens=2048)


def configure(changes: Sequence[str]) -> FlamingoRecipe:
    """The config with ``key=value`` applied."""
    return defaults().changed(changes)


def stages(config: FlamingoRecipe) -> Mapping[str, Phase]:
    """The stages that are run, in order."""
    return config.phases()


def plan(config: FlamingoRecipe, flops: float, machine: Machine | None = None) -> PlanReport:
    """The plan of the stages; with ``debug`` of the small ones."""
    with tempfile.TemporaryDirectory() as folder:
        done = config.small(Path(folder)) if config.debug else config
        sizes = flamingo_sizes(done.model, asdict(done.flamingo))
        return plan_phases(done.phases(), sizes, flops, machine=machine, max_tokens=done.max_tokens)


def run(config: FlamingoRecipe, folder: str | Path, options: RunOptions = RunOptions()) -> Path:
    """Train, from the last checkpoint if there is one; the model is saved under ``model``."""
    folder = Path(folder)
    config = config.ready(folder)
    group = begin(config, folder, options)
    model, processor = build_flamingo(config)
    for name, phase in config.phases().items():
        builder = PromptBuilder.from_processor(processor)
        data = load_samples(phase, builder, config.max_tokens, model.config, folder / name, group, options.say)
        if group.rank == 0:
            data.write(folder / name)
        task = FlamingoTask(
            model,
            processor,
            data.samples,
            p_next=config.p_next,
            group=phase.group,
            accumulate=phase.mixing == "accumulate",
            **data.mixture(),
        )
        train_phase(name, phase, task, config.seed, folder, options)
    save_trained(model, processor, folder / "model", group)
    return folder / "model"


def build_flamingo(config: FlamingoRecipe) -> tuple[Any, Any]:
    """Model and processor: the base that the config names, or a new one from its two parts.

    Raises:
        UserError: a base without gated cross-attention.
    """
    model = config.model
    torch.manual_seed(config.seed)
    if not model.base:
        sizes = asdict(config.flamingo)
        return build_model(model.vision, model.llm, connector=GATED, options=sizes, layer=model.layer)
    if is_flamingo_folder(model.base):
        return open_flamingo_folder(model.base)
    opened, processor = open_model(model.base)
    if not is_gated(opened):
        allowed = "a folder that this recipe wrote, or model.llm and model.vision"
        raise UserError(f"'{model.base}' is no Flamingo", allowed=allowed)
    return opened, processor
