"""What does it bring to tell a model what is where? The same small model, data, steps and seeds, told in different ways, and measured.

  plain     not told: the baseline, trained on like the others
  crayon    the Crayon Prompt in every layer (CoLLaVO)
  words     the Scene as words before the question
  mixer     compressor and mixer (MoAI)
  both      crayon and mixer
  all       the three together
  adapter, adapters    crayon with one low-rank adapter, and with two (Dual QLoRA), the base frozen

Scenes are *estimated* by the embedded eyes, or *true* ones of the procedural world, in training as in the test. ``image_scale`` is the share of a
picture's side that the LLaVA sees, its eyes see all: the published case is a third or so (336 pixels go to LLaVA-1.5, 800 to 1,333 to
Mask2Former). At 1 the embedded eyes, which are the model's own encoder, tell it nothing that it has not seen itself. Every variant begins at the same weights; each (variant, seed,
scenes) is a file in the run's folder, so a killed ablation goes on where it was.

    nunbit eval ablation
    nunbit eval ablation -o runs/ablation-full-sight --image-scale 1 --variants plain,all --scenes estimated
"""

from __future__ import annotations

import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from nunbit.errors import check_names
from nunbit.evaluation.tiny_world import WorldItem, items
from nunbit.files import EMBEDDED
from nunbit.messages import question
from nunbit.models.assistant import Assistant
from nunbit.models.checkpoint import open_model
from nunbit.models.object_aware import Eyes, ObjectAwareConfig, ObjectAwareModule
from nunbit.perception.build import PerceptionConfig, build_perception, class_names
from nunbit.recipes.object_aware import ADAPTERS, with_adapters
from nunbit.recipes.tiny import CRAYON, MIXER, WORDS_TOKENS, called, speak
from nunbit.recipes.tiny.object_aware import WorldTask, shortsighted
from nunbit.scene import Scene
from nunbit.studies.figures import (
    by_kind,
    format_figure,
    format_table,
    group_by,
    mean_right,
    medians,
    over_seeds,
    study_page,
)
from nunbit.studies.study import StudyRun, run_study
from nunbit.training.loop import Stage, train
from nunbit.training.multimodal import freeze
from nunbit.training.object_aware import DualTask
from nunbit.training.recipe import LoraConfig, Phase
from nunbit.world.samples import sample

NAME = "ablation"
EYES = PerceptionConfig(ocr="embedded")
VARIANTS: dict[str, tuple[tuple[str, ...], str]] = {
    "plain": ((), ""), "crayon": (("crayon",), ""), "words": ((), "plain"), "mixer": (("moai",), ""), "both": (("crayon", "moai"), ""), "all": (("crayon", "moai"), "plain"),
    "adapter": (("crayon",), ""), "adapters": (("crayon",), ""),
}  # fmt: skip
"""Layer connectors and words of each variant."""
ONCE = ("plain", "adapter", "adapters")
"""Variants that run with the first kind of Scenes only."""
SCENES = ("estimated", "true")
LANGUAGE_LR, ADAPTER_LR = 3e-4, 1e-3
AWARE_LR, AWARE_MATRIX_LR = 3e-3, 5e-3
"""Of tables and gates, and of the connectors' matrices under Muon: beginning at nothing, they have as few steps as the rest."""


@dataclass(frozen=True, kw_only=True)
class AblationConfig:
    """The size of an ablation.

    Attributes:
        steps, batch, questions: optimiser steps of every variant, pictures a step, training questions a picture at most.
        image_scale: share of a picture's side that the LLaVA is shown.
        eval_questions: test questions.
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


def run(plan: AblationConfig, folder: Path, say: Callable[[str], None] = print, jobs: int = 1) -> dict[str, Any]:
    """Train and measure whatever is not in the folder yet; writes ``ablation.json`` and ``ablation.html``."""
    check_names("variant", plan.variants, VARIANTS)
    check_names("scenes", plan.scenes, SCENES)
    # The plain model is told nothing, whoever made the Scene: it runs once. So do the adapters, which are compared with each other.
    todo = [StudyRun(f"{variant}-{scenes}-{seed}", f"{variant}, {scenes} scenes, seed {seed}", partial(one, plan, variant, seed, scenes))
            for seed in range(plan.seeds) for scenes in plan.scenes for variant in plan.variants if variant not in ONCE or scenes == plan.scenes[0]]  # fmt: skip
    return run_study(NAME, plan, folder, todo, summarise=summary, page=page, say=say, jobs=jobs)


def one(plan: AblationConfig, variant: str, seed: int, scenes: str) -> dict[str, Any]:
    """Train one variant with one seed and ask it the test questions."""
    torch.manual_seed(seed)
    aware, adapted = make(plan.base, variant)
    if plan.image_scale < 1:
        aware.processor.image_processor = Shortsighted(aware.processor.image_processor, plan.image_scale)
    truth = scenes == "true"
    stage = Stage(name=variant, steps=plan.steps, batch=plan.batch, lr=LANGUAGE_LR, part_lr={"language": ADAPTER_LR if adapted is not None else LANGUAGE_LR,
                  "crayon": AWARE_LR, "moai": AWARE_LR}, muon_lr=AWARE_MATRIX_LR, radius=1.5, warmup=min(20, plan.steps), decay=0.5, seed=seed, save_every=10**9)  # fmt: skip
    task: Any = WorldTask(aware, truth=truth, questions=plan.questions)
    if adapted is not None:
        told = WorldTask(aware, truth=truth, questions=plan.questions, crayon=1.0)
        task = (
            DualTask({"image": told, "words": task})
            if variant == "adapters"
            else WorldTask(aware, truth=truth, questions=plan.questions, crayon=0.5)
        )
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch:
        train(task, stage, scratch, say=lambda _: None)
    seconds = time.perf_counter() - began
    for m in [aware.model, *aware.modules().values()]:
        m.eval()
    asked = items(1000 + plan.eval_questions, plan.eval_questions)
    if truth:
        aware.perception = _truth_of(asked)
    helper = Assistant.of(aware.model, aware.processor, aware if aware.uses_scenes else None)
    answers = helper.ask_many([question(t.qa.question, [t.pixels]) for t in asked])
    return {
        "variant": variant, "seed": seed, "scenes": scenes, "right": [t.right(a) for t, a in zip(asked, answers, strict=True)],
        "pictures": [t.picture for t in asked], "kinds": [t.qa.kind for t in asked], "splits": [t.split for t in asked],
        "training_seconds": round(seconds, 1), "gates": gates(aware, asked[:160]) if "moai" in aware.connectors else {},
        **cost(helper),
    }  # fmt: skip


def make(base: Path, variant: str) -> tuple[ObjectAwareModule, Any]:
    """The variant's model, what learns unfrozen; and the peft model around it, for the variants with adapters."""
    parts, words = VARIANTS[variant]
    classes = class_names(EYES)
    fields = {"crayon": CRAYON | {"classes": len(classes)}, "moai": MIXER}
    config = ObjectAwareConfig(
        connectors={k: fields[k] for k in parts},
        classes=classes,
        maps=False,
        scene_prompt=words,
        translations=called(),
        max_scene_tokens=WORDS_TOKENS,
        perception=EYES,
    )
    if variant.startswith("adapter"):
        names = ADAPTERS if variant == "adapters" else ADAPTERS[1:]
        adapted, processor = with_adapters(
            base, LoraConfig(rank=16 // len(names), alpha=16 // len(names), dropout=0.0), names, Phase(language_lr=1.0)
        )
        return ObjectAwareModule(adapted.get_base_model(), processor, config), adapted
    model, processor = open_model(base)
    model = model.float()
    freeze(model, {"language": 1.0})
    aware = ObjectAwareModule(model, processor, config)
    if "crayon" in parts:
        speak(aware)
    return aware, None


class Shortsighted:
    """An image processor whose pictures lose their detail first: shrunk to a share of their sides."""

    def __init__(self, inner: Any, image_scale: float) -> None:
        self.inner, self.scale = inner, image_scale

    def __call__(self, images: Any, **how: Any) -> Any:
        pictures = [
            Image.fromarray(p) if isinstance(p, np.ndarray) else p
            for p in (images if isinstance(images, list) else [images])
        ]
        return self.inner([shortsighted(p, self.scale) for p in pictures], **how)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


def _truth_of(asked: Sequence[WorldItem]) -> Eyes:
    """Eyes that know the true Scene of each test picture."""
    known: dict[bytes, Scene] = {}
    for t in asked:
        domain = {"things": 1.0} if t.split == "unseen" else {t.domain: 1.0}
        drawn = sample(t.picture, seed=1000 + len(asked), split=t.split, mixture=domain, questions=4)
        known[drawn.picture.pixels.tobytes()] = drawn.picture.scene
    return lambda pictures: [known[np.asarray(p.convert("RGB")).tobytes()] for p in pictures]


@torch.inference_mode()
def gates(aware: ObjectAwareModule, asked: Sequence[WorldItem]) -> dict[str, dict[str, list[float]]]:
    """Mean weight of each expert (aux, the other side, self) per kind of question, image and language side, over all mixers."""
    moai: Any = aware.connectors["moai"]
    held: dict[str, list[torch.Tensor]] = {"image": [], "language": []}

    def keep(side: str) -> Any:
        return lambda module, inputs, out: held[side].append(out.float().softmax(-1).flatten(0, -2).mean(0))

    hooks = [m.gate_img.register_forward_hook(keep("image")) for m in moai.mixers.values()]
    hooks += [m.gate_lang.register_forward_hook(keep("language")) for m in moai.mixers.values()]
    helper = Assistant.of(aware.model, aware.processor, aware)
    out: dict[str, dict[str, list[torch.Tensor]]] = {"image": defaultdict(list), "language": defaultdict(list)}
    for t in asked:
        for rows in held.values():
            rows.clear()
        helper.ask(question(t.qa.question, [t.pixels]), max_new_tokens=1)
        for side, rows in held.items():
            out[side][t.qa.kind].append(torch.stack(rows).mean(0))
    for hook in hooks:
        hook.remove()
    return {
        side: {kind: [round(v, 4) for v in torch.stack(rows).mean(0).tolist()] for kind, rows in kinds.items()}
        for side, kinds in out.items()
    }


def cost(helper: Assistant) -> dict[str, float]:
    """Median milliseconds to the first token about pictures never seen before, perception included, and megabytes of what was added."""
    shown = [sample(i, seed=1, split="test", questions=1) for i in range(15)]
    if helper.aware:
        helper.aware.perception = build_perception(EYES)
        helper.aware.perceive([Image.fromarray(np.zeros_like(shown[0].picture.pixels))])  # opens what looks
    times = [helper.ask(question(s.questions[0].question, [s.picture.pixels]), max_new_tokens=1).ttft_ms for s in shown]
    added = sum(p.numel() * 4 for m in helper.aware.modules().values() for p in m.parameters()) if helper.aware else 0
    return {"first_token_ms": round(float(np.median(times)), 1), "added_megabytes": round(added / 1e6, 2)}


def summary(found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Per (variant, scenes): mean over seeds with its interval over pictures, the unseen style apart, and the paired gain over plain."""
    groups = group_by(found, "variant", "scenes")
    plain = next((runs for (variant, _), runs in groups.items() if variant == "plain"), [])
    rows = []
    for (variant, scenes), runs in groups.items():
        compared = variant != "plain" and len(plain) == len(runs)
        rows.append({"variant": variant, "scenes": scenes, **over_seeds(runs, plain if compared else ()),
                     "kinds": by_kind(mean_right(runs), runs[0]["kinds"]), "gates": runs[0]["gates"],
                     **medians(runs, "first_token_ms", "added_megabytes", "training_seconds")})  # fmt: skip
    return {"rows": rows}


def as_text(result: Mapping[str, Any]) -> str:
    """The table for a terminal."""
    heads = ("variant", "scenes", "seeds", "right, %", "unseen style", "gain over plain", "first token", "added")
    return format_table(heads, [
        (r["variant"], r["scenes"], str(r["seeds"]), format_figure(r["all"]), format_figure(r["unseen"]), format_figure(r["gain"]),
         f"{r['first_token_ms']:.1f} ms", f"{r['added_megabytes']:.2f} MB") for r in result["rows"]])  # fmt: skip


def page(result: Mapping[str, Any]) -> str:
    """Table, bars and the heat maps of the gates, in one file that needs nothing else."""
    scenes = dict.fromkeys(r["scenes"] for r in result["rows"])
    groups = {
        f"{name} scenes": {r["variant"]: r["all"] for r in result["rows"] if r["scenes"] == name} for name in scenes
    }
    heat = "".join(_heat(r) for r in result["rows"] if r["gates"])
    return study_page("What it brings to be told", as_text(result), groups, _kinds(result["rows"]) + heat)


def _kinds(rows: Sequence[Mapping[str, Any]]) -> str:
    """Right answers by kind of question, a row a variant."""
    kinds = sorted({k for r in rows for k in r["kinds"]})
    out = [
        "<h2>By kind of question, % right</h2><table><tr><th>variant<th>scenes",
        *(f"<th>{escape(k)}" for k in kinds),
    ]
    for r in rows:
        out.append(f"<tr><td>{escape(r['variant'])}<td>{escape(r['scenes'])}")
        out += [f"<td>{100 * r['kinds'][k]:.0f}" if k in r["kinds"] else "<td>" for k in kinds]
    return "".join(out) + "</table>"


def _heat(row: Mapping[str, Any]) -> str:
    sides = {"image": ("aux", "language", "self"), "language": ("aux", "image", "self")}
    out = [f"<h2>Gates of {escape(row['variant'])}, {escape(row['scenes'])} scenes</h2><table><tr><th>kind"]
    out += [f"<th>{side} rows look at {expert}" for side, experts in sides.items() for expert in experts]
    for kind in sorted(row["gates"]["image"]):
        out.append(f"<tr><td>{escape(kind)}")
        for side in sides:
            for weight in row["gates"][side][kind]:
                out.append(
                    f'<td class=heat style="background: color-mix(in srgb, var(--run1) {100 * weight:.0f}%, transparent)">{weight:.2f}'
                )
    return "".join(out) + "</table>"
