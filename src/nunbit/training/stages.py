"""Running the stages of a `LlavaRecipe`: the model is put together once, each stage goes on from the one before."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nunbit.data.conversations import Encoded, encode, read_conversations
from nunbit.data.mixture import Source, sources
from nunbit.errors import UserError
from nunbit.files import write_text
from nunbit.models.compose import ANY_RESOLUTION, file_tokens, open_native, save, save_new
from nunbit.models.prompt import Renderer
from nunbit.training.checkpoints import newest, restore
from nunbit.training.distributed import Group, gathered, join
from nunbit.training.loop import train
from nunbit.training.multimodal import ConversationTask, SampleTask, freeze, learning_parts
from nunbit.training.recipe import BaseRecipe, LlavaRecipe, ModelConfig, Phase
from nunbit.training.settings import settings

if TYPE_CHECKING:
    from nunbit.training.object_aware import DualTask


def build_model(choice: ModelConfig, seed: int = 0) -> tuple[Any, Any]:
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


def begin(recipe: BaseRecipe, folder: Path, how: Mapping[str, Any]) -> Group:
    """Make the folder, write the recipe down, and join the other processes."""
    folder.mkdir(parents=True, exist_ok=True)
    group = join(how.get("device", "cpu"))
    if group.rank == 0:
        write_text(folder / "recipe.json", json.dumps(settings(recipe), indent=1))
    return group


@dataclass(slots=True)
class Data:
    """The samples of a phase, and of each of its files what a run's record tells."""

    samples: list[Encoded] = field(default_factory=list)
    files: list[dict[str, Any]] = field(default_factory=list)

    def add(
        self, source: Source, samples: Sequence[Encoded], dropped: Mapping[str, int], say: Callable[[str], None], what: str = "samples"
    ) -> None:
        """Take in what a file holds, and say it."""
        learnt, shown = sum(int(s.trainable.sum()) for s in samples), sum(s.length for s in samples)
        reasons = "".join(f"; {count} left out: {why}" for why, count in dropped.items())
        say(f"{source.file}: {len(samples)} {what}, {shown} tokens, {learnt} of them learnt{reasons}")
        self.samples += samples
        self.files.append({"file": source.file, "weight": source.weight, "samples": len(samples), "tokens": shown,
                           "learnt": learnt, "dropped": dict(dropped)})  # fmt: skip

    def mixture(self) -> dict[str, Any]:
        """Sizes by a short name of each file, and weights if they have some: what `ConversationTask` mixes by."""
        short = [Path(f["file"]).stem for f in self.files]
        names = [n if short.count(n) == 1 else f"{n}-{i}" for i, n in enumerate(short, 1)]
        weights = [f["weight"] for f in self.files]
        return {"sizes": {n: f["samples"] for n, f in zip(names, self.files, strict=True)}, "weights": weights if weights[0] else None}  # fmt: skip

    def write(self, folder: Path) -> None:
        """``data.json``: of each file the samples, their tokens, how many were left out and why."""
        folder.mkdir(parents=True, exist_ok=True)
        write_text(folder / "data.json", json.dumps(self.files, indent=1, ensure_ascii=False))


def load_samples(
    phase: Phase, processor: Any, tokens: int | Callable[[Path], int], max_tokens: int, say: Callable[[str], None] = print
) -> Data:
    """The phase's conversations as ids; says how many were left out and why.

    Args:
        tokens: how many a picture takes (`nunbit.models.compose.file_tokens`).
    """
    renderer = Renderer(processor.tokenizer, processor.chat_template, image_token=processor.image_token)
    out = Data()
    for source in sources(phase.data):
        conversations = read_conversations(source.file, phase.images or None)
        samples, dropped = encode(conversations, renderer, tokens, max_tokens=max_tokens, plain=phase.plain)
        out.add(source, samples, dropped, say)
    return out


def run_stages(
    recipe: LlavaRecipe, phases: Mapping[str, Phase], folder: Path, *, say: Callable[[str], None] = print, **how: Any
) -> Path:
    """Train the phases in order; returns where the model lies (an adapter's folder, if the last stage trained one)."""
    group = begin(recipe, folder, how)
    model, processor = build_model(recipe.model, recipe.seed)
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
        data = load_samples(phase, processor, file_tokens(inner.config), recipe.max_tokens, say)
        if group.rank == 0:
            data.write(folder / name)
        task = _task(inner, processor, data, phase)
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
    name: str, phase: Phase, task: SampleTask | DualTask, seed: int, folder: Path, say: Callable[[str], None], how: dict[str, Any]
) -> None:
    """Say what a phase does, and do it, in a folder of its own."""
    stage = phase.stage(name, task.steps(phase.batch, phase.epochs), seed)
    say(
        f"{name}: {describe(task)}; {stage.steps} steps of {stage.batch}, {100 * task.token_utilization(stage):.0f} % of their tokens real"
    )
    train(task, stage, folder / name, say=say, **how)


def _task(model: Any, processor: Any, data: Data, phase: Phase) -> ConversationTask:
    return ConversationTask(model, processor.image_processor, data.samples, pad=processor.tokenizer.pad_token_id, group=phase.group,
                            pack=phase.pack, accumulate=phase.mixing == "accumulate", processor=processor, **data.mixture())  # fmt: skip


def freeze_for(model: Any, phase: Phase, adapter: bool) -> None:
    if adapter:
        from nunbit.training.adapters import learn

        learn(model, phase.rates())
    else:
        freeze(model, phase.rates())


def describe(task: SampleTask | DualTask) -> str:
    """Learning parameters by part."""
    counts = {part: sum(p.numel() for p in m.parameters() if p.requires_grad) for part, m in task.modules().items()}
    return "learning " + ", ".join(f"{part} {n:,}" for part, n in counts.items())


def _with_adapter(recipe: LlavaRecipe, phases: Mapping[str, Phase], model: Any, processor: Any, folder: Path, group: Group) -> Any:  # fmt: skip
    """Save what the adapter rests on (unless it lies somewhere already), open it (in 4 bits if asked) and put the adapter on."""
    from nunbit.training.adapters import add_lora, open_base

    untouched = recipe.model.base and "connect" not in phases and newest(folder / "connect") is None
    base = Path(recipe.model.base) if untouched else folder / "base"
    if not base.exists() and group.rank == 0:
        save_new(model.requires_grad_(True).eval(), processor, base)
    group.wait()
    return add_lora(open_base(base, recipe.lora.bits), recipe.lora)
