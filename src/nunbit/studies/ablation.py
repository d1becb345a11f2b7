"""What scene conditioning brings: the same small model, data, steps and seeds, conditioned on Scenes in different ways.

  plain                no conditioning: the baseline, trained like the others
  crayon               the Crayon Prompt in every layer (CoLLaVO)
  words                the Scene in words, after the picture
  mixer                compressor and mixer (MoAI)
  both                 crayon and mixer
  all                  crayon, mixer and words
  adapter, adapters    crayon with one low-rank adapter, and with two (Dual QLoRA), the base frozen

Scenes are *estimated* by the embedded perception, or the *true* ones of the procedural world, in training and in the
test. ``image_scale`` is the share of a picture's side that the LLaVA gets, while perception gets the whole picture.
The published case is about a third: 336 pixels for LLaVA-1.5, 800 to 1,333 for Mask2Former. At 1 the embedded
perception, which is the model's own encoder, adds nothing that the model does not have. Every variant starts from the
same weights. Each (variant, scenes, seed) is a file in the run's folder, so a killed ablation resumes where it
stopped.

Source: CoLLaVO, arXiv 2402.11248; MoAI, arXiv 2403.07508.

    nunbit eval ablation
    nunbit eval ablation -o runs/ablation-full-scale --image-scale 1 --variants plain,all --scenes estimated
"""

from __future__ import annotations

import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from nunbit.assistant import Assistant
from nunbit.errors import check_names
from nunbit.evaluation.tiny_world import WorldItem, items
from nunbit.files import EMBEDDED
from nunbit.messages import question
from nunbit.models.checkpoint import open_model
from nunbit.models.object_aware import ObjectAwareConfig, ObjectAwareModule
from nunbit.perception.build import PerceptionConfig, build_perception, class_names
from nunbit.recipes.collavo import ADAPTERS, with_adapters
from nunbit.recipes.tiny.names import init_crayon_from_words, translations
from nunbit.recipes.tiny.object_aware import WorldTask, low_detail
from nunbit.recipes.tiny.stages import CRAYON, MAX_SCENE_TOKENS, MIXER
from nunbit.scene import Scene
from nunbit.studies.ablation_report import as_text, page, summary
from nunbit.studies.study import StudyRun, run_study
from nunbit.training.config import LoraConfig, Phase
from nunbit.training.dual import DualTask
from nunbit.training.loop import train
from nunbit.training.multimodal import freeze
from nunbit.training.options import RunOptions
from nunbit.training.stage import Stage
from nunbit.world.samples import sample

__all__ = ["NAME", "VARIANTS", "AblationConfig", "as_text", "page", "run", "summary"]

NAME = "ablation"
PERCEPTION = PerceptionConfig(parts="drawings", ocr="embedded")
VARIANTS: dict[str, tuple[tuple[str, ...], str]] = {
    "plain": ((), "none"),
    "crayon": (("crayon",), "none"),
    "words": ((), "plain"),
    "mixer": (("moai",), "none"),
    "both": (("crayon", "moai"), "none"),
    "all": (("crayon", "moai"), "plain"),
    "adapter": (("crayon",), "none"),
    "adapters": (("crayon",), "none"),
}
"""Layer connectors and scene prompt of each variant."""
ONCE = ("plain", "adapter", "adapters")
"""Variants that run with the first kind of Scenes only: plain uses none, and the adapters are compared with each
other.
"""
SCENES = ("estimated", "true")
LANGUAGE_LR, ADAPTER_LR = 3e-4, 1e-3
CONNECTOR_LR, CONNECTOR_MUON_LR = 3e-3, 5e-3
"""Of tables and gates, and of the connectors' matrices under Muon.

They start from nothing and have as few steps as the rest.
"""
ADAPTER_RANK = 16
"""In all: two adapters have half of it each."""
ITEMS_SEED = 1000


@dataclass(frozen=True, kw_only=True)
class AblationConfig:
    """The size of an ablation.

    Attributes:
        steps, batch, questions: of every variant: optimiser steps, pictures a step, training questions a picture at
            most.
        image_scale: share of a picture's side that the LLaVA gets.
        seeds: runs of every variant.
        eval_questions: test questions.
        scenes: of `SCENES`.
        variants: names of `VARIANTS`.
        base: folder of the LLaVA that every variant starts from.
    """

    steps: int = 80
    batch: int = 8
    questions: int = 8
    image_scale: float = 0.33
    seeds: int = 3
    eval_questions: int = 420
    scenes: tuple[str, ...] = SCENES
    variants: tuple[str, ...] = tuple(VARIANTS)
    base: Path = EMBEDDED


def run(config: AblationConfig, folder: Path, say: Callable[[str], None] = print, jobs: int = 1) -> dict[str, Any]:
    """Train and measure what is not in the folder yet; writes ``ablation.json`` and ``ablation.html``.

    Raises:
        UserError: an unknown variant or kind of Scenes, or see `run_study`.
    """
    check_names("variant", config.variants, VARIANTS)
    check_names("scenes", config.scenes, SCENES)
    runs = [
        StudyRun(
            f"{variant}-{scenes}-{seed}",
            f"{variant}, {scenes} scenes, seed {seed}",
            partial(measure, config, variant, seed, scenes),
        )
        for seed in range(config.seeds)
        for scenes in config.scenes
        for variant in config.variants
        if variant not in ONCE or scenes == config.scenes[0]
    ]
    return run_study(NAME, config, folder, runs, summarise=summary, page=page, say=say, jobs=jobs)


def measure(config: AblationConfig, variant: str, seed: int, scenes: str) -> dict[str, Any]:
    """Train one variant with one seed and ask it the test questions."""
    torch.manual_seed(seed)
    aware, adapted = build_variant(config.base, variant)
    if config.image_scale < 1:
        aware.processor.image_processor = LowDetailImageProcessor(aware.processor.image_processor, config.image_scale)
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch:
        train(
            _task(config, variant, aware, scenes),
            _stage(config, variant, seed),
            scratch,
            RunOptions(say=lambda _: None),
        )
    seconds = time.perf_counter() - began
    for module in [aware.model, *aware.modules().values()]:
        module.eval()
    test = items(ITEMS_SEED + config.eval_questions, config.eval_questions)
    if scenes == "true":
        aware.perception = _true_scenes(test)
    assistant = Assistant.from_loaded(aware.model, aware.processor, aware if aware.uses_scenes else None)
    answers = assistant.ask_many([question(t.qa.question, [t.pixels]) for t in test])
    return {
        "variant": variant,
        "seed": seed,
        "scenes": scenes,
        "right": [t.right(a) for t, a in zip(test, answers, strict=True)],
        "pictures": [t.picture for t in test],
        "kinds": [t.qa.kind for t in test],
        "splits": [t.split for t in test],
        "training_seconds": round(seconds, 1),
        "gates": mean_gates(assistant, test[:160]) if "moai" in aware.connectors else {},
        **cost(assistant),
    }


def build_variant(base: Path, variant: str) -> tuple[ObjectAwareModule, Any]:
    """The variant's model with its learning parts unfrozen, and for the variants with adapters the peft model around
    it.
    """
    connectors, scene_prompt = VARIANTS[variant]
    classes = class_names(PERCEPTION)
    options = {"crayon": CRAYON | {"classes": len(classes)}, "moai": MIXER}
    config = ObjectAwareConfig(
        connectors={name: options[name] for name in connectors},
        classes=classes,
        maps=False,
        scene_prompt=scene_prompt,
        translations=translations(),
        max_scene_tokens=MAX_SCENE_TOKENS,
        perception=PERCEPTION,
    )
    if variant.startswith("adapter"):
        names = ADAPTERS if variant == "adapters" else ADAPTERS[1:]
        rank = ADAPTER_RANK // len(names)
        lora, phase = LoraConfig(rank=rank, alpha=rank, dropout=0.0), Phase(language_lr=1.0)
        adapted, processor = with_adapters(base, lora, names, phase)
        return ObjectAwareModule(adapted.get_base_model(), processor, config), adapted
    model, processor = open_model(base)
    model = model.float()
    freeze(model, {"language": 1.0})
    aware = ObjectAwareModule(model, processor, config)
    if "crayon" in connectors:
        init_crayon_from_words(aware)
    return aware, None


def _task(config: AblationConfig, variant: str, aware: ObjectAwareModule, scenes: str) -> Any:
    """World questions; with adapters half of them are crayon instructions, which the first of two adapters learns
    alone.
    """

    def world(crayon: float) -> WorldTask:
        return WorldTask(aware, truth=float(scenes == "true"), questions=config.questions, crayon=crayon)

    if variant == "adapters":
        return DualTask({"image": world(1.0), "words": world(0.0)})
    return world(0.5 if variant == "adapter" else 0.0)


def _stage(config: AblationConfig, variant: str, seed: int) -> Stage:
    language_lr = ADAPTER_LR if variant.startswith("adapter") else LANGUAGE_LR
    return Stage(
        name=variant,
        steps=config.steps,
        batch=config.batch,
        lr=LANGUAGE_LR,
        part_lr={"language": language_lr, "crayon": CONNECTOR_LR, "moai": CONNECTOR_LR},
        muon_lr=CONNECTOR_MUON_LR,
        radius=1.5,
        warmup=min(20, config.steps),
        decay=0.5,
        seed=seed,
        save_every=10**9,
    )


class LowDetailImageProcessor:
    """An image processor whose pictures lose their detail first: they are shrunk to a share of their sides."""

    def __init__(self, inner: Any, scale: float) -> None:
        self.inner, self.scale = inner, scale

    def __call__(self, images: Any, **options: Any) -> Any:
        return self.inner(self._shrunk(images if isinstance(images, list) else [images]), **options)

    def _shrunk(self, pictures: list[Any]) -> list[Any]:
        """Each picture shrunk; those of a row may lie in a list of their own."""
        return [
            self._shrunk(p)
            if isinstance(p, list)
            else low_detail(Image.fromarray(p) if isinstance(p, np.ndarray) else p, self.scale)
            for p in pictures
        ]

    def __getattr__(self, name: str) -> Any:
        if name == "inner":  # not set yet, as while an object is copied
            raise AttributeError(name)
        return getattr(self.inner, name)


def _true_scenes(test: Sequence[WorldItem]) -> Callable[[Sequence[Any]], list[Scene]]:
    """A perception that knows the true Scene of each test picture."""
    known: dict[bytes, Scene] = {}
    for t in test:
        domain = {"things": 1.0} if t.split == "unseen" else {t.domain: 1.0}
        drawn = sample(t.picture, seed=ITEMS_SEED + len(test), split=t.split, mixture=domain, questions=4)
        known[drawn.picture.pixels.tobytes()] = drawn.picture.scene
    return lambda pictures: [known[np.asarray(p.convert("RGB")).tobytes()] for p in pictures]


@torch.inference_mode()
def mean_gates(assistant: Assistant, test: Sequence[WorldItem]) -> dict[str, dict[str, list[float]]]:
    """Mean weight of each expert (aux, the other side, self) by side (image, language) and kind of question, over all
    mixers.

    The questions go through `generate`: the engine would take known pictures from its cache, and their gates would be
    missing.
    """
    moai: Any = assistant.aware.connectors["moai"] if assistant.aware else None
    recorded: dict[str, list[torch.Tensor]] = {"image": [], "language": []}

    def record(side: str) -> Any:
        return lambda module, inputs, out: recorded[side].append(out.float().softmax(-1).flatten(0, -2).mean(0))

    hooks = [m.gate_img.register_forward_hook(record("image")) for m in moai.mixers.values()]
    hooks += [m.gate_lang.register_forward_hook(record("language")) for m in moai.mixers.values()]
    out: dict[str, dict[str, list[torch.Tensor]]] = {"image": defaultdict(list), "language": defaultdict(list)}
    for t in test:
        for rows in recorded.values():
            rows.clear()
        assistant.generate(question(t.qa.question, [Image.fromarray(t.pixels)]), max_new_tokens=1)
        for side, rows in recorded.items():
            out[side][t.qa.kind].append(torch.stack(rows).mean(0))
    for hook in hooks:
        hook.remove()
    return {
        side: {kind: [round(v, 4) for v in torch.stack(rows).mean(0).tolist()] for kind, rows in kinds.items()}
        for side, kinds in out.items()
    }


def cost(assistant: Assistant) -> dict[str, float]:
    """Median milliseconds to the first token about new pictures, perception included, and megabytes of the added
    parts.
    """
    drawn = [sample(i, seed=1, split="test", questions=1) for i in range(15)]
    added = 0
    if assistant.aware is not None:
        assistant.aware.perception = build_perception(PERCEPTION)
        assistant.aware.perceive([Image.fromarray(np.zeros_like(drawn[0].picture.pixels))])  # loads its models
        added = sum(p.numel() * 4 for m in assistant.aware.modules().values() for p in m.parameters())
    asked = [question(s.questions[0].question, [s.picture.pixels]) for s in drawn]
    times = [assistant.ask(q, max_new_tokens=1).ttft_ms for q in asked]
    return {"first_token_ms": round(float(np.median(times)), 1), "added_megabytes": round(added / 1e6, 2)}
