"""The six stages of the embedded model: their settings, and how each is trained."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from nunbit.models.checkpoint import open_model, save
from nunbit.models.object_aware import ObjectAwareConfig, ObjectAwareModule, save_object_aware
from nunbit.perception import GeometricRelations, Perception
from nunbit.perception.build import PerceptionConfig
from nunbit.perception.cells import CellPerception, DenseHeads
from nunbit.recipes.tiny.curriculum import CURRICULUM, EMPHASIS, EVERYTHING, MIXTURE
from nunbit.recipes.tiny.encoder import EncoderTask
from nunbit.recipes.tiny.joint import JointTask
from nunbit.recipes.tiny.language import OracleTask
from nunbit.recipes.tiny.model import build, export, load_or_make_tokenizer
from nunbit.recipes.tiny.names import class_names, class_words, colour_words, init_crayon_from_words, translations
from nunbit.recipes.tiny.object_aware import SceneTextTask, WorldTask
from nunbit.training.aliases import stage_folder
from nunbit.training.checkpoints import newest, restore
from nunbit.training.loop import train
from nunbit.training.multimodal import freeze
from nunbit.training.options import RunOptions
from nunbit.training.stage import Stage

CRAYON: dict[str, Any] = {"rank": 16, "dropout": 0.0}
MIXER: dict[str, Any] = {"latents": 16, "depth": 2, "heads": 4, "head_dim": 32, "rank": 16, "every": 2}
MAX_SCENE_TOKENS = 400
"""Longer Scene texts are longer than any in training."""

_SMALL: dict[str, Any] = {"radius": 1.5, "save_every": 50}
STAGES = {
    s.name: s
    for s in (
        Stage(name="encoder", steps=3000, batch=24, micro_batch_size=12, lr=1.5e-3, muon_lr=4e-3, decay=0.3),
        Stage(name="language", steps=5400, batch=24, micro_batch_size=6, lr=3e-3, muon_lr=1e-2, radius=1.5,
              warmup=20, decay=0.65, seed=1),
        Stage(name="connect", steps=1700, batch=24, micro_batch_size=12, lr=1e-3, muon_lr=3e-3, save_every=50,
              warmup=20, decay=0.7, seed=2),
        Stage(name="together", steps=1300, batch=16, micro_batch_size=8, lr=3e-4, muon_lr=1.5e-3,
              warmup=15, decay=0.8, seed=3, **_SMALL),
        Stage(name="scene_text", steps=1500, batch=16, micro_batch_size=4, lr=3e-4, muon_lr=2e-3,
              warmup=15, decay=0.8, seed=5, **_SMALL),
        Stage(name="object_aware", steps=300, batch=16, micro_batch_size=4, lr=3e-3, muon_lr=5e-3,
              warmup=20, decay=0.6, seed=4, **_SMALL),
    )
}  # fmt: skip


def train_stage(folder: Path, stage: Stage, options: RunOptions) -> None:
    """Train a stage in the run's folder, from its last checkpoint; stages that end a model save it under ``model``."""
    stages = {
        "encoder": _encoder,
        "language": _language,
        "connect": _joint,
        "together": _joint,
        "scene_text": _scene_text,
        "object_aware": _object_aware,
    }
    stages[stage.name](folder, stage, options)


def _encoder(folder: Path, stage: Stage, options: RunOptions) -> None:
    model = build(load_or_make_tokenizer(folder))
    train(EncoderTask(model.model.vision_tower, class_names()), stage, stage_folder(folder, stage.name), options)


def _language(folder: Path, stage: Stage, options: RunOptions) -> None:
    task = _oracle_task(folder, questions=18, curriculum=CURRICULUM, room=230)
    train(task, stage, stage_folder(folder, stage.name), options)


def _joint(folder: Path, stage: Stage, options: RunOptions) -> None:
    """Stages "connect" (the connector imitates the oracle encoder; the language model rests) and "together" (everything
    learns)."""
    last = stage.name == "together"
    drawn = replace(EVERYTHING, imagined=0.0)  # pixels are needed from here on
    oracle_task = _oracle_task(folder, questions=12 if last else 1, curriculum=(drawn,))
    vision = oracle_task.model.model.vision_tower
    heads = DenseHeads(vision.config.hidden_size, len(class_names()))
    restore(stage_folder(folder, "encoder"), {"vision": vision, "heads": heads})
    restore(stage_folder(folder, "language"), oracle_task.modules())
    task = JointTask(oracle_task, heads, imitate=0.2 if last else 1.0, dense=0.3, lm=last)
    if last and newest(stage_folder(folder, stage.name)) is None:
        restore(stage_folder(folder, "connect"), task.modules())
    train(task, stage, stage_folder(folder, stage.name), options)
    if last:
        export(oracle_task.model.cpu(), oracle_task.tokenizer, folder / "model", heads.cpu())


def _oracle_task(folder: Path, **settings: Any) -> OracleTask:
    tokenizer = load_or_make_tokenizer(folder)
    model = build(tokenizer)
    task = OracleTask(model, tokenizer, class_names(), **settings)
    table = model.get_input_embeddings().weight
    task.oracle.init_from_word_embeddings(table, tokenizer, class_words(), colour_words())
    return task


def _scene_text(folder: Path, stage: Stage, options: RunOptions) -> None:
    """The language model learns to use Scene text.

    A third of the pictures come without, so that nothing is forgotten; of the others a half lose their detail, or the
    text would hold nothing that the picture does not show. Scenes are true ones and those of the model's own
    perception, mistakes included.
    """
    model, processor = open_model(folder / "model")
    freeze(model, {"language": 1.0})
    perception = Perception(panoptic=CellPerception.from_pretrained(folder / "model", read=True))
    config = ObjectAwareConfig(
        scene_prompt="plain",
        translations=translations(),
        max_scene_tokens=MAX_SCENE_TOKENS,
        perception=PerceptionConfig(parts="drawings", ocr="embedded"),
    )
    aware = ObjectAwareModule(model.float(), processor, config, perception)
    task = SceneTextTask(aware, truth=0.5, conditioned=0.65, blurred=0.5, mixture=MIXTURE, emphasis=EMPHASIS)
    train(task, stage, stage_folder(folder, stage.name), options)
    save(model.eval().cpu(), processor, folder / "model")


def _object_aware(folder: Path, stage: Stage, options: RunOptions) -> None:
    """Only crayon and mixers learn, and begin without effect: the model without them stays what it is, for any other
    program."""
    model, processor = open_model(folder / "model")
    cells = CellPerception.from_pretrained(folder / "model", read=True)
    classes = tuple(cells.names[1:])
    config = ObjectAwareConfig(
        connectors={"crayon": CRAYON | {"classes": len(classes)}, "moai": MIXER},
        classes=classes,
        maps=False,
        perception=PerceptionConfig(parts="drawings", ocr="embedded"),
    )
    perception = Perception(panoptic=cells, relations=GeometricRelations())
    aware = ObjectAwareModule(model.float().requires_grad_(False), processor, config, perception)
    init_crayon_from_words(aware)
    task = WorldTask(aware, truth=0.0, mixture=MIXTURE, emphasis=EMPHASIS)
    train(task, stage, stage_folder(folder, stage.name), options)
    save_object_aware(aware, folder / "model", torch.float16)
