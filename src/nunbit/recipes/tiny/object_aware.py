"""Training an object-aware model on the procedural world: pictures drawn as training goes, their Scenes estimated or
true, and many questions about each in one row that do not attend to each other.

Letters: B pictures (rows), T tokens, N tokens a picture, D width.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F

from nunbit.data.crayon_instructions import instruction
from nunbit.data.packing import pack, real_tokens
from nunbit.messages import PLACEHOLDER, Message, Part
from nunbit.models.composed import embed, image_features
from nunbit.models.image_tokens import image_tokens
from nunbit.models.object_aware import ObjectAwareModule
from nunbit.models.prompt import PromptBuilder
from nunbit.recipes.tiny.questions import answer_loss, as_batch, is_copied, split_batch
from nunbit.recipes.tiny.tokenizer import USER, spelt
from nunbit.scene import Scene
from nunbit.training.multimodal import learning_parts
from nunbit.training.stage import Batch, Stage
from nunbit.world.base import QA
from nunbit.world.samples import MIXTURE, NONE, Sample, sample


class WorldTask:
    """The decoder with its connectors, on the picture world; those parts learn that require a gradient.

    Args:
        aware: the model and its connectors. Its perception makes the Scenes.
        truth: share of the Scenes that are the true ones instead.
        questions: about a picture, at most.
        crayon: share of crayon instructions among them.
        conditioned: share of the pictures that come with their Scene; the others have an empty one.
        blurred: share of the conditioned pictures that the LLaVA gets without their detail, so that it has to use their
            Scene.
        mixture, emphasis: which pictures and questions, as in `nunbit.world.samples.sample`.
    """

    def __init__(
        self,
        aware: ObjectAwareModule,
        *,
        truth: float,
        questions: int = 8,
        crayon: float = 0.0,
        conditioned: float = 1.0,
        blurred: float = 0.0,
        mixture: Mapping[str, float] = MIXTURE,
        emphasis: Mapping[str, float] = NONE,
    ) -> None:
        self.aware, self.model, self.truth, self.questions, self.crayon = aware, aware.model, truth, questions, crayon
        self.conditioned, self.blurred, self.mixture, self.emphasis = conditioned, blurred, mixture, emphasis
        self.tokenizer, self.images = aware.processor.tokenizer, aware.processor.image_processor
        self.ours = USER in self.tokenizer.get_vocab()  # a model of the recipe "tiny" learns what is copied spelt out
        self.builder = PromptBuilder.from_processor(aware.processor, image_tokens(aware.model.config))
        self.image_id = self.builder.image_id

    def modules(self) -> dict[str, nn.Module]:
        """What learns of the model, and the connectors that learn."""
        found = self.aware.modules().items()
        return learning_parts(self.model) | {k: m for k, m in found if any(p.requires_grad for p in m.parameters())}

    def prepare(self, device: str, shard: bool = False) -> None:
        """Put the model and its connectors on the device; nothing is sharded."""
        self.model.to(device)
        for m in self.aware.connectors.values():
            m.to(device)

    def batch(self, step: int, stage: Stage) -> Batch:
        """``pixels`` (B, 3, H, W), the packed questions, and the features of the Scenes."""
        rng = np.random.default_rng((stage.seed, step, 3))
        # All questions about a picture are in one language, which its Scene words are in too.
        drawn = [
            sample(
                step * stage.batch + i,
                seed=500 + stage.seed,
                questions=self.questions,
                even=True,
                mixture=self.mixture,
                emphasis=self.emphasis,
                korean=float(korean),
            )
            for i, korean in enumerate(rng.integers(2, size=stage.batch))
        ]
        pictures = [Image.fromarray(s.picture.pixels) for s in drawn]
        shares = np.array([[self.conditioned], [self.truth], [self.blurred]])
        conditioned, true, blurred = rng.random((3, len(drawn))) < shares
        scenes = self._scenes(drawn, pictures, conditioned, true)
        rows = [self._rows(s, scene, rng) for s, scene in zip(drawn, scenes, strict=True)]
        prefixes = [prefix for prefix, _ in rows]
        places = [list(range(len(p))) for p in prefixes]
        packed = pack(prefixes, places, [len(p) for p in prefixes], [qs for _, qs in rows], self.tokenizer.pad_token_id)
        coarse = conditioned & blurred
        shown = [
            low_detail(p, float(rng.uniform(0.15, 0.6))) if b else p for p, b in zip(pictures, coarse, strict=True)
        ]
        pixels = self.images(images=shown, return_tensors="pt")["pixel_values"]
        return as_batch(packed) | {"pixels": pixels} | self.aware.scene_features(scenes)

    def _scenes(
        self, drawn: list[Sample], pictures: list[Image.Image], conditioned: np.ndarray, true: np.ndarray
    ) -> list[Scene]:
        """The Scene of each picture: the true one, the one that perception finds, or an empty one."""
        scenes = [
            s.picture.scene if c else Scene(p.width, p.height)
            for s, p, c in zip(drawn, pictures, conditioned, strict=True)
        ]
        needed = self.aware.uses_scenes or self.crayon
        estimated: list[int] = np.flatnonzero(conditioned & ~true).tolist() if needed else []
        found = self.aware.training_scenes([pictures[i] for i in estimated]) if estimated else []
        for i, scene in zip(estimated, found, strict=True):
            scenes[i] = scene
        return scenes

    def sampler_state(self, step: int, stage: Stage) -> dict[str, Any]:
        """Nothing: a step's pictures follow from its number."""
        return {}

    def _rows(
        self, drawn: Sample, scene: Scene, rng: np.random.Generator
    ) -> tuple[list[int], list[tuple[list[int], list[int]]]]:
        """The ids that all questions about a picture share, in the model's own form; and of each one the ids given and
        learnt."""
        rows = [self._row(qa, drawn, scene, rng) for qa in drawn.questions]
        first = [ids for ids, _ in rows]
        shared = min(
            next((i for i, column in enumerate(zip(*first, strict=False)) if len(set(column)) > 1), len(first[0])),
            *(begin - 1 for _, begin in rows),
        )
        return first[0][:shared], [(ids[shared:begin], ids[begin:]) for ids, begin in rows]

    def _row(self, qa: QA, drawn: Sample, scene: Scene, rng: np.random.Generator) -> tuple[list[int], int]:
        """Ids of one question with its answer, and where the answer begins."""
        about_crayon = rng.random() < self.crayon
        question, answer = instruction(scene, rng, qa.language) if about_crayon else (qa.question, qa.answer)
        turns = self.aware.add_scene_text([Message("user", (Part.image(PLACEHOLDER), Part.text(question)))], [scene])
        ids, mask = self.builder.build([*turns, Message("assistant", (Part.text(answer),))], training=True).expanded()
        learnt = np.flatnonzero(mask)
        target = ids[learnt].tolist()
        if self.ours and not about_crayon and is_copied(qa, drawn):
            target = [*spelt(answer, self.tokenizer), target[-1]]
        given = ids[: learnt[0]].tolist()
        return given + target, len(given)

    def micro_batches(self, batch: Batch, stage: Stage) -> Iterator[Batch]:
        """Rows of like length, so many at a time."""
        return split_batch(batch, stage.micro_batch_size)

    def loss(self, batch: Batch) -> tuple[torch.Tensor, dict[str, float]]:
        """The loss of the answers, a scalar, under the context of the batch's Scenes."""
        image, learnt = batch["ids"] == self.image_id, batch["labels"] >= 0
        learning = any(p.requires_grad for p in self.model.model.vision_tower.parameters())
        embeds = embed(self.model, batch["ids"], image_features(self.model, batch["pixels"], learning=learning))
        words = real_tokens(batch["positions"]) & ~image & ~F.pad(learnt, (1, 0))[:, :-1]
        owner = torch.arange(len(image), device=image.device)
        self.aware.set_context(batch, image, words, owner, attention_mask=batch["mask"][:, 0])
        try:
            loss, figures = answer_loss(self.model, embeds, batch)
        finally:
            self.aware.clear_context()
        share = batch.get("share", torch.ones(()))
        return loss * share, {k: v * float(share) for k, v in figures.items()}


class SceneTextTask(WorldTask):
    """The whole decoder learns, as one module, so that an optimiser for matrices finds them."""

    def modules(self) -> dict[str, nn.Module]:
        """The language model."""
        return {"language": self.model.model.language_model}


def low_detail(picture: Image.Image, scale: float) -> Image.Image:
    """A picture without its detail: shrunk to a share of its sides, and back to its size."""
    small = picture.resize([max(1, round(v * scale)) for v in picture.size], Image.Resampling.BOX)
    return small.resize(picture.size, Image.Resampling.BILINEAR)
