"""What `collavo` and `moai` share: a trained LLaVA as base, conversations with their Scenes, and the plan of their
stages."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import torch

from nunbit.models.checkpoint import save_new
from nunbit.models.object_aware import ObjectAwareConfig, ObjectAwareModule, attach_connector, save_object_aware
from nunbit.perception.build import PerceptionConfig
from nunbit.recipes.base import BaseRecipe, no_model
from nunbit.recipes.sizes import llava_sizes, text_config
from nunbit.training.config import ModelConfig, Phase
from nunbit.training.distributed import Group, gathered
from nunbit.training.object_aware import ObjectAwareTask
from nunbit.training.options import RunOptions
from nunbit.training.plan_memory import Machine
from nunbit.training.planning import PlanReport, count, lora_parameters, plan_phases
from nunbit.training.saving import save_trained
from nunbit.training.stages import Data, begin, build_model

RUN_CACHE_MB = 256 * 1024
"""Of a run's own Scenes, at most: a million pictures' with their segments."""
NEW_MODEL = ("model.llm", "model.vision", "model.layer", "model.activation", "model.tiles", "model.connector*")
"""Settings of a new model: object-aware recipes start from a trained one."""


@dataclass(frozen=True, kw_only=True)
class ObjectAwareRecipe(BaseRecipe):
    """Layer connectors on a trained LLaVA, conditioned on the Scenes of ``perception``."""

    unused: ClassVar[tuple[str, ...]] = (*NEW_MODEL, "*.vision_lr", "*.connector_lr", "*.pack", "lora.name")

    perception: PerceptionConfig = field(default_factory=PerceptionConfig)

    def check(self) -> None:
        """As `BaseRecipe.check`; the model is a base, and perception has its parts."""
        if not self.debug and not self.model.base:
            raise no_model("model.base=DIR, a native LLaVA")
        if self.debug and not self.model.base:
            return
        super().check()

    def layer_connectors(self) -> dict[str, dict[str, Any]]:
        """Config fields of the layer connectors that the recipe trains, by name."""
        raise NotImplementedError

    def adapters(self) -> int:
        """How many adapters learn in a stage with a ``language_lr``."""
        return 0


def plan_object_aware(config: ObjectAwareRecipe, flops: float, machine: Machine | None = None) -> PlanReport:
    """The plan of the stages; with ``debug`` of the small ones."""
    with tempfile.TemporaryDirectory() as folder:
        done = config.small(Path(folder)) if config.debug else config
        sizes = llava_sizes(done.model)
        for name, values in done.layer_connectors().items():
            sizes.counts[name] = count(_meta_connector(name, values, done))
        adapter = done.adapters() * lora_parameters(text_config(done.model), done.lora.rank)
        how: dict[str, Any] = {"lora": done.lora, "adapter": adapter, "machine": machine}
        return plan_phases(done.phases(), sizes, flops, max_tokens=done.max_tokens, **how)


def _meta_connector(name: str, values: Mapping[str, Any], config: ObjectAwareRecipe) -> Any:
    """The connector on a decoder of the meta device: some of its parameters are made when it is attached."""
    from transformers import AutoModel

    text = text_config(config.model)
    with torch.device("meta"):
        decoder = AutoModel.from_config(text)
        model = SimpleNamespace(config=text, model=SimpleNamespace(language_model=decoder))
        return attach_connector(name, values, model)


def begin_on_base(config: ObjectAwareRecipe, folder: Path, options: RunOptions) -> tuple[Group, Path]:
    """As `begin`; also the folder of the base: the one that the config names, or a small random one of ``debug``, saved
    once."""
    group = begin(config, folder, options)
    base = Path(config.model.base) if config.model.base else folder / "base"
    if group.rank == 0 and not base.exists() and not config.model.base:
        save_new(*build_model(config.model, config.seed), base)
    group.wait()
    return group, base


def with_scene_cache(config: PerceptionConfig, folder: Path) -> PerceptionConfig:
    """The perception with a cache in the run's folder that holds a whole data set, unless it has one."""
    return config if config.cache else replace(config, cache=str(folder / "scenes"), cache_mb=RUN_CACHE_MB)


def frozen_base(base: Path, config: ObjectAwareConfig, seed: int, stored_type: bool = False) -> ObjectAwareModule:
    """The base, frozen, with fresh layer connectors on its decoder.

    Args:
        stored_type: as `build_model` says, for a model that is sharded.
    """
    model, processor = build_model(ModelConfig(base=str(base)), seed, stored_type)
    model.requires_grad_(False)
    return ObjectAwareModule(model, processor, config)


def scene_task(aware: ObjectAwareModule, data: Data, phase: Phase, sample_experts: bool = False) -> ObjectAwareTask:
    """The task of a stage.

    Args:
        sample_experts: MoAI's first step: one random expert a mixer and side in each forward pass.
    """
    processor = aware.processor
    return ObjectAwareTask(
        aware,
        processor.image_processor,
        data.samples,
        random_experts=sample_experts,
        pad=processor.tokenizer.pad_token_id,
        group=phase.group,
        accumulate=phase.mixing == "accumulate",
        **data.mixture(),
    )


def save_with_connectors(group: Group, aware: ObjectAwareModule, out: Path) -> Path:
    """Save the model and, beside it, its layer connectors; all processes call it."""
    save_trained(aware.model, aware.processor, out, group)
    states = gathered_connectors(aware, group)
    if group.rank == 0:
        save_object_aware(aware, out, states=states)
    group.wait()
    return out


def gathered_connectors(aware: ObjectAwareModule, group: Group) -> dict[str, Any]:
    """Tensors of the layer connectors, whole in the first process; all processes call it."""
    states = {name: m.state_dict() for name, m in aware.connectors.items()}
    return gathered(states, keep=group.rank == 0) if group.size > 1 else states
