"""What a recipe would need, before anything starts: parameters by part, bytes, a rough time. No weight is read.

Bytes: weights and gradients in float32, AdamW's two moments in float32 for what learns; activations come on top. Time: 6 N T operations
for T tokens through N parameters that learn, 4 N T through frozen ones behind them (forward, and backward through them to the connector),
2 N T through a frozen encoder (`nunbit.training.flops`, which counts what a step really shows).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nunbit.data.grouping import steps_of
from nunbit.data.mixture import sources
from nunbit.training.flops import FORWARD, LEARNS, THROUGH
from nunbit.training.recipe import BaseRecipe, CrayonRecipe, FlamingoRecipe, ModelConfig, Phase


@dataclass(frozen=True, slots=True)
class StagePlan:
    """One stage: learning parameters by part, steps, bytes, operations, seconds."""

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


@dataclass(frozen=True, slots=True)
class Sizes:
    """Parameters by part; of a picture, the tokens in the language model's sequence, those that the connector writes, and the patches
    that the encoder looks at."""

    counts: dict[str, int]
    stream: int
    joined: int
    patches: int


def sizes(recipe: BaseRecipe) -> Sizes:
    """From the configurations alone. A picture that may be tiled counts with as many tiles as it can have."""
    return flamingo_sizes(recipe) if isinstance(recipe, FlamingoRecipe) else llava_sizes(recipe)


def configs(choice: ModelConfig) -> tuple[Any, Any, Any]:
    """(encoder's config, language model's with a row for every token, tokenizer) of two folders."""
    from transformers import AutoConfig

    from nunbit.models.assemble import load_tokenizer

    eyes, text = AutoConfig.from_pretrained(choice.vision), AutoConfig.from_pretrained(choice.llm)
    tokenizer = load_tokenizer(choice.llm)
    text.vocab_size = max(text.vocab_size, len(tokenizer))
    return getattr(eyes, "vision_config", eyes), text, tokenizer


def llava_sizes(recipe: BaseRecipe) -> Sizes:
    import torch
    from transformers import AutoConfig, AutoModelForImageTextToText

    from nunbit.models.assemble import llava_config, square
    from nunbit.models.compose import ANY_RESOLUTION
    from nunbit.models.object_aware.module import hang
    from nunbit.models.tiling import most_tiled
    from nunbit.training.multimodal import PARTS, part_of
    from nunbit.training.object_aware_stages import parts_of

    choice = recipe.model
    if choice.base:
        config = AutoConfig.from_pretrained(choice.base)
    else:
        eyes, text, tokenizer = configs(choice)
        side, patch = square(eyes)
        count = (side // patch) ** 2
        config = llava_config(eyes, text, tokenizer, choice.layer, choice.activation, 1, count, choice.tiles)
    side, patch = square(config.vision_config)
    tokens, tiles = most_tiled(config) if config.model_type == ANY_RESOLUTION else (int(config.image_seq_length), 1)
    with torch.device("meta"):
        model = AutoModelForImageTextToText.from_config(config)
        model.tie_weights()
    counts = dict.fromkeys(PARTS, 0)
    for name, p in model.named_parameters():
        counts[part_of(name)] += p.numel()
    with torch.device("meta"):
        parts = {name: hang(name, fields, model) for name, fields in parts_of(recipe).items()}
    counts |= {name: sum(p.numel() for p in part.parameters()) for name, part in parts.items()}
    return Sizes(counts, tokens, tokens, tiles * (side // patch) ** 2)


def flamingo_sizes(recipe: FlamingoRecipe) -> Sizes:
    from dataclasses import asdict

    import torch
    from transformers import AutoConfig, AutoModel, AutoModelForCausalLM

    from nunbit.connectors import build
    from nunbit.models.assemble import square
    from nunbit.models.flamingo import VISION, connector_fields, open_settings

    choice = recipe.model
    if choice.base:
        eyes, text = AutoConfig.from_pretrained(f"{choice.base}/{VISION}"), AutoConfig.from_pretrained(choice.base)
        fields = open_settings(choice.base).connector
    else:
        eyes, text, _ = configs(choice)
        fields = connector_fields(text, eyes, 0, asdict(recipe.flamingo))
    with torch.device("meta"):
        language = AutoModelForCausalLM.from_config(text)
        language.tie_weights()
        connector: Any = build("gated_cross_attention", **fields)
        parts = {"vision": AutoModel.from_config(eyes), "language": language, "resampler": connector.resampler,
                 "cross_attention": connector.blocks}  # fmt: skip
    side, patch = square(eyes)
    counts = {k: sum(p.numel() for p in m.parameters()) for k, m in parts.items()} | {"marker": text.hidden_size}
    return Sizes(counts, 1, fields["latents"], (side // patch) ** 2)


def amount(phase: Phase, image_tokens: int) -> tuple[int, int]:
    """(samples, tokens a sample): counted roughly from the file if there is one, else the published data's."""
    if not phase.data:
        return phase.published_samples, phase.published_tokens
    from nunbit.data.conversations import read_conversations

    found = [c for source in sources(phase.data) for c in read_conversations(source.file, phase.images or None)]
    letters = sum(len(m.text) for c in found for m in c.messages)
    return len(found), round((letters / 4 + image_tokens * sum(len(c.images) for c in found)) / len(found)) + 8


def make_plan(recipe: BaseRecipe, phases: Mapping[str, Phase], flops: float) -> tuple[dict[str, int], list[StagePlan]]:
    """Parameters by part, and the plan of each stage."""
    found = sizes(recipe)
    return found.counts, [_stage(recipe, name, phase, found, flops) for name, phase in phases.items()]


def _stage(recipe: BaseRecipe, name: str, phase: Phase, found: Sizes, flops: float) -> StagePlan:
    counts = found.counts
    lora = recipe.lora.rank > 0 and phase.language_lr > 0
    learns = {part: counts[part] for part, rate in phase.all_rates().items() if rate > 0 and part in counts}
    if lora:
        dual = isinstance(recipe, CrayonRecipe) and not recipe.crayon.one_adapter
        learns["language"] = lora_parameters(recipe) * (2 if dual else 1)
    samples, per_sample = amount(phase, found.stream)
    steps = phase.steps or max(1, round(steps_of(samples, phase.batch) * phase.epochs))
    shown = steps * phase.batch
    words = counts["language"] * (LEARNS if phase.language_lr > 0 and not lora else THROUGH) * float(shown * per_sample)
    words += counts.get("cross_attention", 0) * LEARNS * float(shown * per_sample)
    seen = counts["vision"] * (LEARNS if phase.vision_lr > 0 else FORWARD) * float(shown * found.patches)
    joined = (counts.get("connector", 0) + counts.get("resampler", 0)) * LEARNS * float(shown * found.joined)
    learning, operations = sum(learns.values()), words + seen + joined
    held = 4 * sum(counts.values()) - (3.5 * counts["language"] if lora and recipe.lora.bits == 4 else 0)
    return StagePlan(name, learns, steps, samples, per_sample, int(held) + (4 * learns["language"] if lora else 0), 4 * learning,
                     8 * learning, operations, operations / flops)  # fmt: skip


def lora_parameters(recipe: BaseRecipe) -> int:
    """Parameters of the low-rank pairs on the language model's linear layers."""
    import torch
    from transformers import AutoConfig, AutoModel

    choice = recipe.model
    config = AutoConfig.from_pretrained(choice.base or choice.llm)
    with torch.device("meta"):
        model = AutoModel.from_config(getattr(config, "text_config", config))
    return sum(recipe.lora.rank * sum(m.weight.shape) for m in model.modules() if isinstance(m, torch.nn.Linear))


def as_text(counts: Mapping[str, int], plans: list[StagePlan], flops: float) -> str:
    lines = [f"{'part':12}{'parameters':>16}"]
    lines += [f"{part:12}{n:>16,}" for part, n in counts.items()]
    for p in plans:
        learning = ", ".join(f"{part} {n:,}" for part, n in p.learns.items())
        frozen = ", ".join(part for part in counts if part not in p.learns) or "nothing"
        total = p.weight_bytes + p.gradient_bytes + p.optimiser_bytes
        lines += [
            "", f"stage {p.name}", f"  learns      {learning}", f"  frozen      {frozen}",
            f"  data        {p.samples:,} samples of about {p.tokens:,} tokens, {p.steps:,} steps",
            f"  bytes       weights {_bytes(p.weight_bytes)}, gradients {_bytes(p.gradient_bytes)}, optimiser "
            f"{_bytes(p.optimiser_bytes)}: {_bytes(total)} and activations",
            f"  time        {p.operations:.2e} operations, about {_time(p.seconds)} at {flops:.1e} a second",
        ]  # fmt: skip
    return "\n".join(lines)


def _bytes(n: float) -> str:
    for unit in ("B", "KiB", "MiB", "GiB"):
        if n < 1024 or unit == "GiB":
            break
        n /= 1024
    return f"{n:.1f} {unit}"


def _time(seconds: float) -> str:
    return (
        f"{seconds:.0f} s"
        if seconds < 120
        else f"{seconds / 60:.0f} min"
        if seconds < 7200
        else f"{seconds / 3600:.1f} h"
    )


def as_data(counts: Mapping[str, int], plans: list[StagePlan]) -> dict[str, Any]:
    from dataclasses import asdict

    return {"parameters": dict(counts), "stages": [asdict(p) for p in plans]}
