"""Running the object-aware recipes on a LLaVA that is there: `collavo` (crayon prompt tuning, crayon instruction tuning with two
adapters) and `moai` (random experts, soft gates). Both write a native LLaVA with the object-aware parts beside it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from nunbit.data.conversations import Conversation, Encoded, encode, read_conversations
from nunbit.data.crayon_instructions import instruction
from nunbit.data.mixture import sources
from nunbit.errors import UserError
from nunbit.media.images import decode
from nunbit.messages import Message, Part
from nunbit.models.compose import image_tokens, save, save_new
from nunbit.models.object_aware.module import ObjectAwareConfig, ObjectAwareModule, class_count
from nunbit.models.prompt import Renderer
from nunbit.perception.build import PerceptionConfig, class_names
from nunbit.scene import Scene
from nunbit.training.checkpoints import restore
from nunbit.training.distributed import Group
from nunbit.training.object_aware import DualTask, ObjectAwareTask
from nunbit.training.recipe import BaseRecipe, CrayonRecipe, LoraConfig, MoAIRecipe, Phase
from nunbit.training.stages import Data, begin, build_model, learn_phase

ADAPTERS = ("image", "words")
"""Which learns from crayon instructions, and which from questions and answers."""
Say = Callable[[str], None]


def run_crayon(recipe: CrayonRecipe, folder: Path, *, say: Say = print, **how: Any) -> Path:
    """Train; returns where the merged model lies."""
    group, base = _begin(recipe, folder, how)
    classes = class_names(recipe.perception)
    config = ObjectAwareConfig(
        connectors=parts_of(recipe), classes=classes, words="objects", eyes=_cached(recipe.perception, folder)
    )
    phases = recipe.phases()
    names = ADAPTERS[1:] if recipe.crayon.one_adapter else ADAPTERS
    if "prompt" in phases:
        model, processor = build_model(replace(recipe.model, base=str(base)), recipe.seed)
        model.requires_grad_(False)
        aware = ObjectAwareModule(model, processor, config)
        told, _ = _read(phases["prompt"], aware, recipe, folder / "prompt", say)
        learn_phase("prompt", phases["prompt"], _task(aware, told, phases["prompt"]), recipe.seed, folder, say, how)
    if "instruct" not in phases:
        _finish(group, aware, folder / "model")
        return folder / "model"
    phase = phases["instruct"]
    model, processor = with_adapters(base, recipe.lora, names, phase)
    aware = ObjectAwareModule(model.get_base_model(), processor, config)
    restore(folder / "prompt", aware.modules())
    told, asked = _read(phase, aware, recipe, folder / "instruct", say)
    if recipe.crayon.one_adapter:
        both = Data([*told.samples, *asked.samples], [*told.files, *asked.files])
        task: ObjectAwareTask | DualTask = _task(aware, both, phase)
    else:
        task = DualTask({"image": _task(aware, told, phase), "words": _task(aware, asked, phase)})
    learn_phase("instruct", phase, task, recipe.seed, folder, say, how)
    if group.rank == 0:
        model.cpu().save_pretrained(folder / "adapter")
        _merge(base, folder / "adapter", names, aware, folder / "model")
    group.wait()
    return folder / "model"


def run_moai(recipe: MoAIRecipe, folder: Path, *, say: Say = print, **how: Any) -> Path:
    """Train; returns where the model lies."""
    group, base = _begin(recipe, folder, how)
    model, processor = build_model(replace(recipe.model, base=str(base)), recipe.seed)
    model.requires_grad_(False)
    config = ObjectAwareConfig(connectors=parts_of(recipe), maps=recipe.moai.maps, eyes=_cached(recipe.perception, folder))
    aware = ObjectAwareModule(model, processor, config)
    moai: Any = aware.connectors["moai"]
    phases = recipe.phases()
    if "experts" not in phases:
        restore(folder / "experts", aware.modules())
    for step, name in enumerate(("experts", "gates"), 1):
        if name not in phases:
            continue
        moai.train_step(step)
        _, data = _read(phases[name], aware, recipe, folder / name, say)
        task = _task(aware, data, phases[name], draws=step == 1)
        learn_phase(name, phases[name], task, recipe.seed, folder, say, how)
    _finish(group, aware, folder / "model")
    return folder / "model"


def parts_of(recipe: BaseRecipe) -> dict[str, dict[str, Any]]:
    """Config fields of the layer connectors that a recipe trains."""
    if isinstance(recipe, CrayonRecipe):
        return {"crayon": {"classes": len(class_names(recipe.perception)) or class_count()[0], "rank": recipe.crayon.rank}}
    if isinstance(recipe, MoAIRecipe):
        m = recipe.moai
        return {"moai": {"latents": m.latents, "depth": m.depth, "heads": m.heads, "rank": m.rank, "every": m.every}}
    return {}


def _begin(recipe: BaseRecipe, folder: Path, how: dict[str, Any]) -> tuple[Group, Path]:
    """As `begin`; the base is what the recipe names, or what is put together and saved once."""
    if how.get("shard"):
        raise UserError("--shard for an object-aware recipe", allowed="without it: the decoder's base does not learn")
    group = begin(recipe, folder, how)
    base = Path(recipe.model.base) if recipe.model.base else folder / "base"
    if group.rank == 0 and not base.exists() and not recipe.model.base:
        save_new(*build_model(recipe.model, recipe.seed), base)
    group.wait()
    return group, base


def _cached(choice: PerceptionConfig, folder: Path) -> PerceptionConfig:
    return choice if choice.cache else replace(choice, cache=str(folder / "scenes"))


def _task(aware: ObjectAwareModule, data: Data, phase: Phase, draws: bool = False) -> ObjectAwareTask:
    if phase.pack:
        raise UserError(f"pack={phase.pack} for an object-aware recipe", allowed="pack=0: a row is one conversation")
    processor = aware.processor
    return ObjectAwareTask(aware, processor.image_processor, data.samples, draws=draws, pad=processor.tokenizer.pad_token_id,
                     group=phase.group, accumulate=phase.mixing == "accumulate", **data.mixture())  # fmt: skip


def _read(phase: Phase, aware: ObjectAwareModule, recipe: BaseRecipe, folder: Path, say: Say) -> tuple[Data, Data]:
    """The phase's conversations: as crayon instructions, one a picture, in the language of the conversation; and as they are, with what
    the model is told in words. One pass, since a Scene is too large to keep."""
    rng, crayon = np.random.default_rng((recipe.seed, 7)), isinstance(recipe, CrayonRecipe)
    instructions, conversations = Data(), Data()
    for source in sources(phase.data):
        told: list[Conversation] = []
        asked: list[Conversation] = []
        for c in read_conversations(source.file, phase.images or None):
            if not all(path.is_file() for path in c.images):
                told.append(c)  # the encoder leaves it out, and counts it
                asked.append(c)
                continue
            scenes = aware.perception([decode(path) for path in c.images]) if c.images else []
            asked.append(replace(c, messages=tuple(aware.spoken(c.messages, scenes))))
            told += _crayon_instructions(c, scenes, rng)
        if crayon and not told:
            raise UserError(f"'{source.file}' has no pictures", allowed="conversations with pictures")
        conversations.add(source, *_encoded(asked, phase, aware, recipe), say, "conversations")
        if crayon:
            instructions.add(source, *_encoded(told, phase, aware, recipe), say, "crayon instructions")
    conversations.write(folder)
    return instructions, conversations


def _crayon_instructions(c: Conversation, scenes: Sequence[Scene], rng: np.random.Generator) -> Iterator[Conversation]:
    korean = any("가" <= letter <= "힣" for m in c.messages for letter in m.text)
    for path, scene in zip(c.images, scenes, strict=True):
        ask, answer = instruction(scene, rng, "ko" if korean else "en")
        turns = Message("user", (Part.image(path), Part.text(ask))), Message("assistant", (Part.text(answer),))
        yield Conversation(f"{c.name}, crayon", turns)


def _encoded(
    found: Sequence[Conversation], phase: Phase, aware: ObjectAwareModule, recipe: BaseRecipe
) -> tuple[list[Encoded], Counter[str]]:
    processor = aware.processor
    renderer = Renderer(processor.tokenizer, processor.chat_template, image_token=processor.image_token)
    return encode(found, renderer, image_tokens(aware.model.config), max_tokens=recipe.max_tokens, plain=phase.plain)


def with_adapters(base: Path, lora: LoraConfig, names: Sequence[str], phase: Phase) -> tuple[Any, Any]:
    """The base, in 4 bits if asked, with one adapter a name, all in the forward pass and all learning for now."""
    from transformers import AutoProcessor

    from nunbit.training.adapters import add_lora, learn, open_base

    if phase.connector_lr or phase.vision_lr:
        raise UserError(
            "a rate for the connector or the encoder", allowed="language_lr and layer_connector_lr: the rest stays frozen"
        )
    if lora.rank < 1:
        raise UserError("lora.rank=0 for crayon instruction tuning", allowed="1 or more: the base does not learn")
    model: Any = open_base(base, lora.bits)
    for name in names:
        model = add_lora(model, replace(lora, name=name), connector=False)
    model.base_model.set_adapter(list(names))
    learn(model, phase.rates())
    return model, AutoProcessor.from_pretrained(base)


def _merge(base: Path, adapters: Path, names: Sequence[str], aware: ObjectAwareModule, out: Path) -> None:
    """Both adapters folded into the base in full precision, with the object-aware parts beside it."""
    from peft import PeftModel

    from nunbit.training.adapters import open_base

    model: Any = PeftModel.from_pretrained(open_base(base), str(adapters / names[0]), adapter_name=names[0])
    for name in names[1:]:
        model.load_adapter(str(adapters / name), name)
    save(model.merge_and_unload(adapter_names=list(names)), aware.processor, out)
    aware.save(out)


def _finish(group: Group, aware: ObjectAwareModule, out: Path) -> None:
    if group.rank == 0:
        save(aware.model.requires_grad_(True).eval().cpu(), aware.processor, out)
        aware.save(out)
    group.wait()
