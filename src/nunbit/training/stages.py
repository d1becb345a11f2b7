"""Running the stages of a `Recipe`: the model is put together once, each stage goes on from the one before."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from nunbit.data.conversations import Encoded, encode, read_conversations
from nunbit.errors import UserError
from nunbit.models.compose import ANY_RESOLUTION, file_tokens, open_native, save, save_new
from nunbit.models.templates import Renderer
from nunbit.training.distributed import Group, gathered, join
from nunbit.training.loop import restore, train
from nunbit.training.multimodal import ConversationTask, SampleTask, freeze, learning_parts
from nunbit.training.recipe import ModelChoice, Phase, Recipe, Run
from nunbit.training.settings import settings


def put_together(choice: ModelChoice, seed: int = 0) -> tuple[Any, Any]:
    """Model and processor of a recipe."""
    import torch

    from nunbit.models.assemble import assemble

    torch.manual_seed(seed)
    if choice.base:
        model, processor = open_native(choice.base)
        wanted = ANY_RESOLUTION if choice.tiles else "llava"
        if model.config.model_type != wanted:
            raise UserError(f"'{choice.base}' is of type {model.config.model_type}", allowed=wanted)
        return model.float(), processor
    return assemble(choice.vision, choice.llm, layer=choice.layer, activation=choice.activation, tiles=choice.tiles)


def begin(recipe: Run, folder: Path, how: Mapping[str, Any]) -> Group:
    """Make the folder, write the recipe down, and join the other processes."""
    folder.mkdir(parents=True, exist_ok=True)
    group = join(how.get("device", "cpu"))
    if group.rank == 0:
        (folder / "recipe.json").write_text(json.dumps(settings(recipe), indent=1))
    return group


def load_samples(
    phase: Phase, processor: Any, tokens: int | Callable[[Path], int], max_tokens: int, say: Callable[[str], None] = print
) -> list[Encoded]:
    """The phase's conversations as ids; says how many were left out and why.

    Args:
        tokens: how many a picture takes (`nunbit.models.compose.file_tokens`).
    """
    conversations = read_conversations(phase.data, phase.images or None)
    renderer = Renderer(processor.tokenizer, processor.chat_template, image_token=processor.image_token)
    samples, dropped = encode(conversations, renderer, tokens, max_tokens=max_tokens, plain=phase.plain)
    learnt, shown = sum(int(s.trainable.sum()) for s in samples), sum(s.length for s in samples)
    reasons = "".join(f"; {count} left out: {why}" for why, count in dropped.items())
    say(f"{phase.data}: {len(samples)} samples, {shown} tokens, {learnt} of them learnt{reasons}")
    return samples


def run_stages(
    recipe: Recipe, phases: Mapping[str, Phase], folder: Path, *, say: Callable[[str], None] = print, **how: Any
) -> Path:
    """Train the phases in order; returns where the model lies (an adapter's folder, if the last stage trained one)."""
    group = begin(recipe, folder, how)
    model, processor = put_together(recipe.model, recipe.seed)
    if "connect" not in phases:
        freeze(model, {"connector": 1.0})
        restore(folder / "connect", learning_parts(model))
    adapter = False
    for name, phase in phases.items():
        adapter = recipe.lora.rank > 0 and phase.language_lr > 0
        if adapter:
            model = _with_adapter(recipe, phases, model, processor, folder, group)
        freeze_for(model, phase, adapter)
        inner = model.get_base_model() if adapter else model
        samples = load_samples(phase, processor, file_tokens(inner.config), recipe.max_tokens, say)
        task = ConversationTask(
            inner,
            processor.image_processor,
            samples,
            pad=processor.tokenizer.pad_token_id,
            group=phase.group,
            pack=phase.pack,
        )
        learn_phase(name, phase, task, recipe.seed, folder, say, how)
    state = gathered(model.state_dict()) if group.size > 1 else None
    if group.rank == 0:
        if adapter:
            from nunbit.training.adapters import save_adapter

            save_adapter(model if state else model.cpu(), processor, folder / "adapter", state)
        else:
            model.requires_grad_(True).eval()
            save(model if state else model.cpu(), processor, folder / "model", state)
    group.wait()
    return folder / ("adapter" if adapter else "model")


def learn_phase(
    name: str, phase: Phase, task: SampleTask, seed: int, folder: Path, say: Callable[[str], None], how: dict[str, Any]
) -> None:
    """Say what a phase does, and do it, in a folder of its own."""
    stage = phase.stage(name, task.steps(phase.batch, phase.epochs), seed)
    say(
        f"{name}: {describe(task)}; {stage.steps} steps of {stage.batch}, {100 * task.fill(stage):.0f} % of their tokens real"
    )
    train(task, stage, folder / name, say=say, **how)


def freeze_for(model: Any, phase: Phase, adapter: bool) -> None:
    if adapter:
        from nunbit.training.adapters import learn

        learn(model, phase.rates())
    else:
        freeze(model, phase.rates())


def describe(task: SampleTask) -> str:
    """Learning parameters by part."""
    counts = {part: sum(p.numel() for p in m.parameters()) for part, m in task.modules().items()}
    return "learning " + ", ".join(f"{part} {n:,}" for part, n in counts.items())


def _with_adapter(recipe: Recipe, phases: Mapping[str, Phase], model: Any, processor: Any, folder: Path, group: Group) -> Any:  # fmt: skip
    """Save what the adapter rests on (unless it lies somewhere already), open it (in 4 bits if asked) and put the adapter on."""
    from nunbit.training.adapters import add_lora, open_base

    untouched = recipe.model.base and "connect" not in phases and not (folder / "connect" / "last.pt").exists()
    base = Path(recipe.model.base) if untouched else folder / "base"
    if not base.exists() and group.rank == 0:
        save_new(model.requires_grad_(True).eval(), processor, base)
    group.wait()
    return add_lora(open_base(base, recipe.lora.bits), recipe.lora)
