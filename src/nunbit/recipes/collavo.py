"""CoLLaVO on a trained LLaVA: a Crayon Prompt tells its decoder which object every image token shows, and which one of
its kind.

  prompt    crayon prompt tuning: only the crayon learns, from instructions about numbered objects; everything else
            stays frozen
  instruct  crayon instruction tuning with Dual QLoRA: two adapters, one learns from crayon instructions, one from
            questions and answers

Source: arXiv 2402.11248, sec. 3; its settings, where they are known. Where we differ: any LLaVA and any segmentation
model; adapters on all linear layers of the decoder; instructions in our own words, in Korean where the conversation is
Korean; with the embedded perception the classes are its own instead of COCO's. The base is held in 4 bits, as
published, where bitsandbytes is installed; ``lora.bits=0`` leaves it as it is, which is also what ``debug=true`` does
unless ``lora.bits`` is named. ``crayon.one_adapter=true`` is the paper's ablation.

    nunbit train collavo model.base=DIR data=mix.json images=DIR perception.panoptic=DIR
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Self

from nunbit.errors import UserError
from nunbit.models.checkpoint import save
from nunbit.models.object_aware import ObjectAwareConfig, ObjectAwareModule, save_object_aware
from nunbit.models.object_aware.context import class_count
from nunbit.perception.build import class_names
from nunbit.recipes import object_aware as shared
from nunbit.recipes.scene_data import read_with_scenes
from nunbit.training.adapters import add_lora, learn, open_base
from nunbit.training.checkpoints import restore
from nunbit.training.config import LoraConfig, Phase
from nunbit.training.distributed import join
from nunbit.training.dual import DualTask
from nunbit.training.object_aware import ObjectAwareTask
from nunbit.training.options import RunOptions
from nunbit.training.saving import save_trained_adapter
from nunbit.training.stages import Data, train_phase

SUMMARY = "CoLLaVO on a LLaVA: Crayon Prompt, then Dual QLoRA"
PAPER = "arXiv 2402.11248"

ADAPTERS = ("image", "words")
"""The adapter of crayon instructions, and the one of questions and answers."""
PROMPT = Phase(layer_connector_lr=1e-4, batch=32, warmup=0.0, published_samples=118_287, published_tokens=1400)
INSTRUCT = Phase(
    layer_connector_lr=1e-5,
    language_lr=1e-5,
    batch=32,
    warmup=0.0,
    clip=10.0,
    published_samples=665_298,
    published_tokens=1900,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class CrayonOptions:
    """The Crayon Prompt.

    Attributes:
        rank: of the crayon's branches; dropout: before them, in training.
        one_adapter: one adapter learns from both kinds of data (the paper's ablation).
    """

    rank: int = 256
    dropout: float = 0.05
    one_adapter: bool = False


@dataclass(frozen=True, kw_only=True)
class CrayonRecipe(shared.ObjectAwareRecipe):
    """CoLLaVO: crayon prompt tuning, then crayon instruction tuning with two adapters."""

    unused: ClassVar[tuple[str, ...]] = (*shared.ObjectAwareRecipe.unused, "prompt.language_lr")

    crayon: CrayonOptions = field(default_factory=CrayonOptions)
    prompt: Phase = field(default_factory=Phase)
    instruct: Phase = field(default_factory=Phase)
    stages: str = "prompt,instruct"

    def check(self) -> None:
        """As `ObjectAwareRecipe.check`; instruction tuning needs adapters."""
        super().check()
        if "instruct" in self.phases() and self.lora.rank < 1:
            raise UserError("lora.rank=0 for crayon instruction tuning", allowed="1 or more: the base does not learn")

    def layer_connectors(self) -> dict[str, dict[str, Any]]:
        """The crayon, with a class for each that perception may report."""
        classes = len(class_names(self.perception)) or class_count()[0]
        return {"crayon": {"classes": classes, "rank": self.crayon.rank, "dropout": self.crayon.dropout}}

    def adapters(self) -> int:
        """Two, or one in the ablation."""
        return len(self.adapter_names())

    def adapter_names(self) -> tuple[str, ...]:
        """Names of the adapters: folders of the run."""
        return ADAPTERS[1:] if self.crayon.one_adapter else ADAPTERS

    def small(self, folder: Path) -> Self:
        """As `BaseRecipe.small`, with small ranks."""
        lora = replace(self.lora, rank=min(8, self.lora.rank))
        return replace(super().small(folder), crayon=replace(self.crayon, rank=8), lora=lora)


def has_bitsandbytes() -> bool:
    """Whether the base can be held in 4 bits here."""
    return importlib.util.find_spec("bitsandbytes") is not None


def defaults() -> CrayonRecipe:
    """As published; without bitsandbytes the base stays in its own precision."""
    lora = LoraConfig(rank=64, alpha=64, bits=4 if has_bitsandbytes() else 0)
    return CrayonRecipe(crayon=CrayonOptions(rank=256), lora=lora, prompt=PROMPT, instruct=INSTRUCT, max_tokens=4096)


def configure(changes: Sequence[str]) -> CrayonRecipe:
    """The config with ``key=value`` applied. A debug run leaves its base as it is, unless ``lora.bits`` is named."""
    config = defaults().changed(changes)
    if config.debug and not any(c.partition("=")[0].strip() == "lora.bits" for c in changes):
        config = replace(config, lora=replace(config.lora, bits=0))
    return config


def stages(config: CrayonRecipe) -> Mapping[str, Phase]:
    """The stages that are run, in order."""
    return config.phases()


plan = shared.plan_object_aware


def run(config: CrayonRecipe, folder: str | Path, options: RunOptions = RunOptions()) -> Path:
    """Run the stages, each from its last checkpoint; the merged model and its crayon are saved under ``model``, the
    adapters beside it."""
    folder = Path(folder)
    config = config.ready(folder)
    if "instruct" in config.phases() and not config.lora.bits and not has_bitsandbytes():
        options.say("bitsandbytes is not installed: the base is held in its own precision, not in 4 bits as published")
    group, base = shared.begin_on_base(config, folder, options)
    conditioned = ObjectAwareConfig(
        connectors=config.layer_connectors(),
        classes=class_names(config.perception),
        scene_prompt="objects",
        perception=shared.with_scene_cache(config.perception, folder),
    )
    phases = config.phases()
    aware = None
    if "prompt" in phases:
        aware = shared.frozen_base(base, conditioned, config.seed, options.shard and group.size > 1)
        tune_prompt(config, phases["prompt"], aware, folder, options)
    if "instruct" not in phases:
        assert aware is not None, "a stage is named"
        return shared.save_with_connectors(group, aware, folder / "model")
    model, aware = tune_instructions(config, phases["instruct"], base, conditioned, folder, options)
    save_trained_adapter(model, aware.processor, folder / "adapter", group)
    states = shared.gathered_connectors(aware, group)
    if group.rank == 0:
        merged = merge_adapters(base, folder / "adapter", config.adapter_names())
        save(merged, aware.processor, folder / "model")
        save_object_aware(aware, folder / "model", states=states)
    group.wait()
    return folder / "model"


def tune_prompt(
    config: CrayonRecipe, phase: Phase, aware: ObjectAwareModule, folder: Path, options: RunOptions
) -> None:
    """Stage ``prompt``: the crayon learns from crayon instructions, on a frozen model."""
    about, _ = read_with_scenes(phase, aware, config, folder / "prompt", options, instructions=True)
    train_phase("prompt", phase, shared.scene_task(aware, about, phase), config.seed, folder, options)


def tune_instructions(
    config: CrayonRecipe, phase: Phase, base: Path, conditioned: ObjectAwareConfig, folder: Path, options: RunOptions
) -> tuple[Any, ObjectAwareModule]:
    """Stage ``instruct``: crayon and adapters learn; returns the model with its adapters, and its crayon."""
    stored = options.shard and join(options.device).size > 1
    model, processor = with_adapters(base, config.lora, config.adapter_names(), phase, options.device, stored)
    aware = ObjectAwareModule(model.get_base_model(), processor, conditioned)
    restore(folder / "prompt", aware.modules())
    about, plain = read_with_scenes(phase, aware, config, folder / "instruct", options, instructions=True)
    if config.crayon.one_adapter:
        both = Data([*about.samples, *plain.samples], [*about.files, *plain.files])
        task: ObjectAwareTask | DualTask = shared.scene_task(aware, both, phase)
    else:
        tasks = [shared.scene_task(aware, data, phase) for data in (about, plain)]
        task = DualTask(dict(zip(ADAPTERS, tasks, strict=True)))
    train_phase("instruct", phase, task, config.seed, folder, options)
    return model, aware


def with_adapters(
    base: Path,
    lora: LoraConfig,
    names: Sequence[str],
    phase: Phase,
    device: str = "cpu",
    stored_type: bool = False,
) -> tuple[Any, Any]:
    """The base (in 4 bits if wanted) and its processor; one adapter a name is on it, all in the forward pass and all
    learning for now."""
    from transformers import AutoProcessor

    model: Any = open_base(base, lora.bits, device, stored_type)
    for name in names:
        model = add_lora(model, replace(lora, name=name), connector=False)
    model.base_model.set_adapter(list(names))
    learn(model, phase.learning_rates())
    return model, AutoProcessor.from_pretrained(base)


def merge_adapters(base: Path, adapters: Path, names: Sequence[str]) -> Any:
    """The base in full precision with the adapters folded in."""
    from peft import PeftModel

    model: Any = PeftModel.from_pretrained(open_base(base), str(adapters / names[0]), adapter_name=names[0])
    for name in names[1:]:
        model.load_adapter(str(adapters / name), name)
    return model.merge_and_unload(adapter_names=list(names))
