"""What `llava15` and `llava_next` share: their config, their plan, and how their stages are run."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from nunbit.models.image_tokens import token_counter
from nunbit.models.prompt import PromptBuilder
from nunbit.recipes.base import BaseRecipe
from nunbit.recipes.sizes import check_connector, llava_sizes, text_config
from nunbit.training.adapters import add_lora, learn, open_base
from nunbit.training.checkpoints import newest, restore
from nunbit.training.config import Phase
from nunbit.training.distributed import Group
from nunbit.training.multimodal import ConversationTask, freeze, learning_parts
from nunbit.training.options import RunOptions
from nunbit.training.plan_memory import Machine
from nunbit.training.planning import PlanReport, lora_parameters, plan_phases
from nunbit.training.saving import save_base, save_trained, save_trained_adapter
from nunbit.training.stages import Data, begin, build_model, load_samples, train_phase


@dataclass(frozen=True, kw_only=True)
class LlavaRecipe(BaseRecipe):
    """A LLaVA: first the connector, then connector and language model.

    Attributes:
        connect, tune: the two stages.
    """

    connect: Phase = field(default_factory=Phase)
    tune: Phase = field(default_factory=Phase)
    stages: str = "connect,tune"

    def check(self) -> None:
        """As `BaseRecipe.check`; the connector is registered and has its options."""
        super().check()
        check_connector(self.model)

    def check_given(self, given: Mapping[str, str]) -> None:
        """As `BaseRecipe.check_given`; beside an adapter the encoder rests."""
        super().check_given(given)
        for name, phase in self.every_phase().items():
            if self.trains_adapter(phase) and phase.vision_lr:
                self._refuse(
                    given, [f"{name}.vision_lr"], "beside an adapter", "0: the base rests, its encoder included"
                )

    def trains_adapter(self, phase: Phase) -> bool:
        """Whether a stage trains an adapter instead of the language model."""
        return self.lora.rank > 0 and phase.language_lr > 0


@dataclass(frozen=True, kw_only=True)
class TiledLlavaRecipe(LlavaRecipe):
    """A LLaVA-NeXT, whose native type has the connector ``mlp``."""

    unused: ClassVar[tuple[str, ...]] = (*LlavaRecipe.unused, "model.connector", "model.connector_options")


def plan_llava(config: LlavaRecipe, flops: float, machine: Machine | None = None) -> PlanReport:
    """The plan of a LLaVA's stages; with ``debug`` of the small ones."""
    with tempfile.TemporaryDirectory() as folder:
        done = config.small(Path(folder)) if config.debug else config
        adapter = lora_parameters(text_config(done.model), done.lora.rank) if done.lora.rank else 0
        how: dict[str, Any] = {"lora": done.lora, "adapter": adapter, "machine": machine}
        return plan_phases(done.phases(), llava_sizes(done.model), flops, max_tokens=done.max_tokens, **how)


def run_llava(config: LlavaRecipe, folder: str | Path, options: RunOptions = RunOptions()) -> Path:
    """Train the stages in order, each in a folder of its own and from its last checkpoint.

    Returns:
        Where the model lies: ``model``, or ``adapter`` if the last stage trained one.
    """
    folder = Path(folder)
    config = config.ready(folder)
    phases = config.phases()
    group = begin(config, folder, options)
    model, processor = build_model(config.model, config.seed, stored_type=options.shard and group.size > 1)
    if "connect" not in phases:
        freeze(model, {"connector": 1.0})
        restore(folder / "connect", learning_parts(model))
    adapter = False
    for name, phase in phases.items():
        adapter = config.trains_adapter(phase)
        if adapter:
            model = _with_adapter(config, phases, model, processor, folder, group, options)
            learn(model, phase.learning_rates())
        else:
            freeze(model, phase.learning_rates())
        inner = model.get_base_model() if adapter else model
        builder = PromptBuilder.from_processor(processor, token_counter(inner.config))
        data = load_samples(phase, builder, config.max_tokens, inner.config, folder / name, group, options.say)
        if group.rank == 0:
            data.write(folder / name)
        train_phase(name, phase, _task(inner, processor, data, phase), config.seed, folder, options)
    return _save(model, processor, folder, group, adapter)


def _save(model: Any, processor: Any, folder: Path, group: Group, adapter: bool) -> Path:
    out = folder / ("adapter" if adapter else "model")
    (save_trained_adapter if adapter else save_trained)(model, processor, out, group)
    return out


def _task(model: Any, processor: Any, data: Data, phase: Phase) -> ConversationTask:
    return ConversationTask(
        model,
        processor.image_processor,
        data.samples,
        pad=processor.tokenizer.pad_token_id,
        group=phase.group,
        pack=phase.pack,
        accumulate=phase.mixing == "accumulate",
        processor=processor,
        **data.mixture(),
    )


def _with_adapter(
    config: LlavaRecipe,
    phases: Mapping[str, Phase],
    model: Any,
    processor: Any,
    folder: Path,
    group: Group,
    options: RunOptions,
) -> Any:
    """Save the adapter's base (unless it lies somewhere already), open it (in 4 bits if wanted) and put the adapter on
    it."""
    untouched = config.model.base and "connect" not in phases and newest(folder / "connect") is None
    base = Path(config.model.base) if untouched else folder / "base"
    save_base(model, processor, base, group)
    stored = options.shard and group.size > 1
    return add_lora(open_base(base, config.lora.bits, options.device, stored), config.lora)
