"""What a run would need, before anything starts: parameters by part, bytes, a rough time. No weight is read.

Bytes: weights and gradients in float32, AdamW's two moments in float32 for what learns; activations come on top, and
are counted for named cards (`nunbit.training.plan_memory`). Time:
6 N T operations for T tokens through N parameters that learn, 4 N T through frozen ones behind them (forward, and
backward through them to the connector), 2 N T through a frozen encoder (`nunbit.training.flops`, which counts what a
step really shows).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch

from nunbit.data.grouping import steps_of
from nunbit.data.mixture import sources
from nunbit.models.free_memory import as_text
from nunbit.training.config import LoraConfig, Phase
from nunbit.training.flops import FORWARD, LEARNS, THROUGH
from nunbit.training.plan_memory import Load, Machine, MemoryPlan, count_activations, layer_parameters, plan_memory


@dataclass(frozen=True, slots=True)
class StagePlan:
    """One stage.

    Attributes:
        name: of the stage.
        learns: learning parameters by part.
        steps, samples, tokens: optimiser steps, samples of the data, tokens a sample.
        weight_bytes, gradient_bytes, optimiser_bytes: held while the stage runs; activations come on top.
        operations, seconds: of the whole stage.
        memory: of each card, where the plan is for some.
    """

    name: str
    learns: dict[str, int]
    steps: int
    samples: int
    tokens: int
    weight_bytes: int
    gradient_bytes: int
    optimiser_bytes: int
    operations: float
    seconds: float
    memory: MemoryPlan | None = None

    def as_text(self, parts: Mapping[str, int]) -> list[str]:
        """The stage in lines; ``parts`` are the whole model's parameters."""
        learning = ", ".join(f"{part} {n:,}" for part, n in self.learns.items()) or "nothing"
        frozen = ", ".join(part for part in parts if part not in self.learns) or "nothing"
        total = self.weight_bytes + self.gradient_bytes + self.optimiser_bytes
        return [
            f"stage {self.name}",
            f"  learns      {learning}",
            f"  frozen      {frozen}",
            f"  data        {self.samples:,} samples of about {self.tokens:,} tokens, {self.steps:,} steps",
            f"  bytes       weights {as_text(self.weight_bytes)}, gradients {as_text(self.gradient_bytes)}, optimiser "
            f"{as_text(self.optimiser_bytes)}: {as_text(total)} and activations",
            f"  time        {self.operations:.2e} operations, about {_time(self.seconds)}",
            *(self.memory.as_text() if self.memory else []),
        ]


@dataclass(frozen=True, slots=True)
class PlanReport:
    """A recipe's plan.

    Attributes:
        parameters: of the model, by part.
        image_tokens: tokens of a picture in the language model's sequence.
        stages: in order.
        flops: operations a second that the times assume.
    """

    parameters: dict[str, int]
    image_tokens: int
    stages: list[StagePlan]
    flops: float

    def as_text(self) -> str:
        """A table of the parts, and each stage."""
        lines = [f"{'part':16}{'parameters':>16}"]
        lines += [f"{part:16}{n:>16,}" for part, n in self.parameters.items()]
        lines += ["", f"{self.image_tokens:,} tokens a picture in the sequence; {self.flops:.1e} operations a second"]
        for stage in self.stages:
            lines += ["", *stage.as_text(self.parameters)]
        return "\n".join(lines)

    def as_data(self) -> dict[str, Any]:
        """The plan as JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Sizes:
    """Size of a model, from configs alone.

    Attributes:
        counts: parameters by part.
        stream: tokens of a picture in the language model's sequence.
        joined: tokens that the connector writes for a picture.
        patches: patches of a picture that the encoder reads.
        text: config of the language model.
    """

    counts: dict[str, int]
    stream: int
    joined: int
    patches: int
    text: Any = None


def plan_phases(
    phases: Mapping[str, Phase],
    sizes: Sizes,
    flops: float,
    *,
    lora: LoraConfig = LoraConfig(),
    adapter: int = 0,
    machine: Machine | None = None,
    max_tokens: int = 0,
) -> PlanReport:
    """The plan of a recipe for conversations.

    Args:
        lora: adapters; a stage with a ``language_lr`` trains them instead of the language model.
        adapter: parameters of all adapters together.
        machine: count the memory of each of its cards, too.
        max_tokens: of the longest sample.
    """
    stages = [_plan_phase(name, phase, sizes, flops, lora, adapter) for name, phase in phases.items()]
    if machine:
        every = zip(stages, phases.values(), strict=True)
        stages = [replace(s, memory=_memory(machine, s, phase, sizes, lora, max_tokens)) for s, phase in every]
    return PlanReport(sizes.counts, sizes.stream, stages, flops)


def _plan_phase(name: str, phase: Phase, sizes: Sizes, flops: float, lora: LoraConfig, adapter: int) -> StagePlan:
    counts = sizes.counts
    with_adapter = lora.rank > 0 and phase.language_lr > 0
    learns = {part: counts[part] for part, rate in phase.all_learning_rates().items() if rate > 0 and part in counts}
    if with_adapter:
        learns["language"] = adapter
        learns.pop("vision", None)  # the base rests, its encoder included
    samples, per_sample = amount(phase, sizes.stream)
    steps = phase.steps or max(1, round(steps_of(samples, phase.batch) * phase.epochs))
    shown = steps * phase.batch
    language = counts["language"] * (LEARNS if "language" in learns and not with_adapter else THROUGH)
    language += counts.get("cross_attention", 0) * LEARNS
    vision = counts["vision"] * (LEARNS if "vision" in learns else FORWARD)
    joined = (counts.get("connector", 0) + counts.get("resampler", 0)) * LEARNS
    operations = float(shown) * (language * per_sample + vision * sizes.patches + joined * sizes.joined)
    saved = 3.5 * counts["language"] if with_adapter and lora.bits == 4 else 0.0
    weights = int(4 * sum(counts.values()) - saved) + (4 * adapter if with_adapter else 0)
    learning = sum(learns.values())
    return StagePlan(
        name, learns, steps, samples, per_sample, weights, 4 * learning, 8 * learning, operations, operations / flops
    )


def _memory(
    machine: Machine, stage: StagePlan, phase: Phase, sizes: Sizes, lora: LoraConfig, max_tokens: int
) -> MemoryPlan:
    """Of the longest sample, all of whose words are learnt."""
    answers = max(1, max_tokens - sizes.stream)
    dtype = torch.bfloat16 if machine.gpus else torch.float32
    language = "language" in stage.learns
    activations = count_activations(sizes.text, max_tokens, answers, language=language, lora=lora, dtype=dtype)
    layers, layer = layer_parameters(sizes.text)
    adapter = language and lora.rank > 0
    total = sum(sizes.counts.values()) + (stage.learns["language"] if adapter else 0)
    quantised = sizes.counts["language"] if adapter and lora.bits == 4 else 0
    load = Load(total, sum(stage.learns.values()), max(0, total - layers * layer), layer, quantised)
    rows = phase.micro_batch_size or -(-phase.batch // max(1, machine.gpus))
    return plan_memory(machine, load, activations, rows)


def amount(phase: Phase, image_tokens: int) -> tuple[int, int]:
    """(samples, tokens a sample): counted roughly from the file if there is one, else the published data's."""
    if not phase.data:
        return phase.published_samples, phase.published_tokens
    from nunbit.data.conversations import read_conversations

    found = [c for source in sources(phase.data) for c in read_conversations(source.file, phase.images or None)]
    letters = sum(len(m.text) for c in found for m in c.messages)
    return len(found), round((letters / 4 + image_tokens * sum(len(c.images) for c in found)) / len(found)) + 8


def lora_parameters(text_config: Any, rank: int) -> int:
    """Parameters of the low-rank pairs on all linear layers of a language model of this config."""
    from transformers import AutoModel

    if not rank:
        return 0
    with torch.device("meta"):
        model = AutoModel.from_config(text_config)
    return sum(rank * sum(m.weight.shape) for m in model.modules() if isinstance(m, torch.nn.Linear))


def count(module: Any) -> int:
    """Parameters of a module, each once."""
    return sum(p.numel() for p in module.parameters())


def _time(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
