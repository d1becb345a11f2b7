"""MoAI on a trained LLaVA: the output of four vision models is compressed to latents, and mixed into every k-th layer
of its decoder.

  experts   compressor and experts learn, one random expert a mixer and side in each pass
  gates     compressor, experts and the gates that weigh them learn

Source: arXiv 2403.07508, sec. 3.3; its settings, where they are known. Where we differ: any LLaVA, any perception, any
batch size (padding changes nothing), a mixer that never attends to later words.

    nunbit train moai model.base=DIR data=mix.json images=DIR perception.panoptic=DIR perception.detector=DIR
    perception.queries=dog,cat
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Self

from nunbit.models.object_aware import ObjectAwareConfig
from nunbit.recipes import object_aware as shared
from nunbit.recipes.scene_data import read_with_scenes
from nunbit.training.checkpoints import restore
from nunbit.training.config import Phase
from nunbit.training.options import RunOptions
from nunbit.training.stages import train_phase

SUMMARY = "MoAI on a LLaVA: compressor and mixer over the output of perception"
PAPER = "arXiv 2403.07508"

EXPERTS = Phase(
    layer_connector_lr=1e-4, batch=30, warmup=0.0, clip=10.0, published_samples=665_298, published_tokens=1700
)
GATES = replace(EXPERTS)


@dataclass(frozen=True, kw_only=True, slots=True)
class MoaiOptions:
    """Sizes of compressor and mixers.

    Attributes:
        latents, depth, heads: of the compressor.
        rank: of the experts' low-rank attention.
        every: a mixer every so many decoder layers.
        maps: the compressor also reads the panoptic colour picture.
    """

    latents: int = 64
    depth: int = 4
    heads: int = 4
    rank: int = 64
    every: int = 8
    maps: bool = True


@dataclass(frozen=True, kw_only=True)
class MoAIRecipe(shared.ObjectAwareRecipe):
    """MoAI: random experts, then soft gates. The language model stays frozen, so that adapters and its learning rate do
    nothing."""

    unused: ClassVar[tuple[str, ...]] = (*shared.ObjectAwareRecipe.unused, "lora.*", "*.language_lr")

    moai: MoaiOptions = field(default_factory=MoaiOptions)
    experts: Phase = field(default_factory=Phase)
    gates: Phase = field(default_factory=Phase)
    stages: str = "experts,gates"

    def layer_connectors(self) -> dict[str, dict[str, Any]]:
        """Compressor and mixers."""
        m = self.moai
        return {"moai": {"latents": m.latents, "depth": m.depth, "heads": m.heads, "rank": m.rank, "every": m.every}}

    def small(self, folder: Path) -> Self:
        """As `BaseRecipe.small`, with a small compressor and a mixer in every layer."""
        return replace(super().small(folder), moai=replace(self.moai, latents=8, depth=1, rank=8, every=1))


def defaults() -> MoAIRecipe:
    """As published."""
    return MoAIRecipe(experts=EXPERTS, gates=GATES, max_tokens=4096)


def configure(changes: Sequence[str]) -> MoAIRecipe:
    """The config with ``key=value`` applied."""
    return defaults().changed(changes)


def stages(config: MoAIRecipe) -> Mapping[str, Phase]:
    """The stages that are run, in order."""
    return config.phases()


plan = shared.plan_object_aware


def run(config: MoAIRecipe, folder: str | Path, options: RunOptions = RunOptions()) -> Path:
    """Run the stages, each from its last checkpoint; the model with its compressor and mixers is saved under
    ``model``."""
    folder = Path(folder)
    config = config.ready(folder)
    group, base = shared.begin_on_base(config, folder, options)
    conditioned = ObjectAwareConfig(
        connectors=config.layer_connectors(),
        maps=config.moai.maps,
        perception=shared.with_scene_cache(config.perception, folder),
    )
    aware = shared.frozen_base(base, conditioned, config.seed, options.shard and group.size > 1)
    mixers: Any = aware.connectors["moai"]
    phases = config.phases()
    if "experts" not in phases:
        restore(folder / "experts", aware.modules())
    for step, name in enumerate(("experts", "gates"), 1):
        if name not in phases:
            continue
        phase = phases[name]
        mixers.train_step(step)
        _, data = read_with_scenes(phase, aware, config, folder / name, options)
        task = shared.scene_task(aware, data, phase, sample_experts=step == 1)
        train_phase(name, phase, task, config.seed, folder, options)
    return shared.save_with_connectors(group, aware, folder / "model")
