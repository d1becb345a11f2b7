"""Training an object-aware model on the procedural world: pictures drawn as training goes, their Scenes estimated or true, many questions
about each in one row, which know nothing of each other.

Legend: B pictures (rows), T tokens, N tokens a picture, D width.
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
from nunbit.models.composed import image_features
from nunbit.models.image_tokens import image_tokens
from nunbit.models.object_aware.module import ObjectAwareModule
from nunbit.models.prompt import Renderer, expand
from nunbit.models.tokenizer import USER, spelt
from nunbit.recipes.tiny.language import answer_loss, cut, is_copied, vars_of
from nunbit.scene import Scene
from nunbit.training.loop import Batch, Stage
from nunbit.training.multimodal import learning_parts
from nunbit.world.base import QA
from nunbit.world.samples import MIXTURE, NONE, Sample, sample


class WorldTask:
    """The decoder with its connectors, on the picture world; those parts learn that require a gradient.

    Args:
        aware: the model and its connectors. Its perception makes the Scenes.
        truth: share of the Scenes that are the true ones instead.
        questions: asked of a picture, at most.
        crayon: share of crayon instructions among them.
        told: share of the pictures whose Scene is told; of the others nothing is.
        blurred: share of the told pictures that the LLaVA sees without their detail, so that it has to take what it is told.
        mixture, emphasis: which pictures and questions, as in `nunbit.world.samples.sample`.
    """

    def __init__(self, aware: ObjectAwareModule, *, truth: float, questions: int = 8, crayon: float = 0.0, told: float = 1.0, blurred: float = 0.0,
                 mixture: Mapping[str, float] = MIXTURE, emphasis: Mapping[str, float] = NONE) -> None:  # fmt: skip
        self.aware, self.model, self.truth, self.questions, self.crayon = aware, aware.model, truth, questions, crayon
        self.told, self.blurred, self.mixture, self.emphasis = told, blurred, mixture, emphasis
        self.tokenizer, self.images = aware.processor.tokenizer, aware.processor.image_processor
        self.ours = USER in self.tokenizer.get_vocab()  # a model of the recipe "tiny" learns what is copied spelt out
        self.renderer = Renderer(self.tokenizer, aware.processor.chat_template, image_token=aware.processor.image_token)
        self.image_id = self.renderer.image_id

    def modules(self) -> dict[str, nn.Module]:
        told = self.aware.modules().items()
        return learning_parts(self.model) | {k: m for k, m in told if any(p.requires_grad for p in m.parameters())}

    def prepare(self, device: str, shard: bool = False) -> None:
        self.model.to(device)
        for m in self.aware.connectors.values():
            m.to(device)

    def batch(self, step: int, stage: Stage) -> Batch:
        rng = np.random.default_rng((stage.seed, step, 3))
        # All questions about a picture are in one language, in which it is also told.
        drawn = [
            sample(step * stage.batch + i, seed=500 + stage.seed, questions=self.questions, even=True, mixture=self.mixture,
                   emphasis=self.emphasis, korean=float(korean))
            for i, korean in enumerate(rng.integers(2, size=stage.batch))
        ]  # fmt: skip
        pictures = [Image.fromarray(s.picture.pixels) for s in drawn]
        told, true, blurred = rng.random((3, len(drawn))) < np.array([[self.told], [self.truth], [self.blurred]])
        scenes = self._scenes(drawn, pictures, told, true)
        rows = [self._asked(s, scene, rng) for s, scene in zip(drawn, scenes, strict=True)]
        prefixes = [prefix for prefix, _ in rows]
        places = [list(range(len(p))) for p in prefixes]
        packed = pack(prefixes, places, [len(p) for p in prefixes], [qs for _, qs in rows], self.tokenizer.pad_token_id)
        shown = [shortsighted(p, float(rng.uniform(0.15, 0.6))) if b else p for p, b in zip(pictures, told & blurred, strict=True)]
        pixels = self.images(images=shown, return_tensors="pt")["pixel_values"]
        return vars_of(packed) | {"pixels": pixels} | self.aware.signals(scenes)

    def _scenes(self, drawn: list[Sample], pictures: list[Image.Image], told: np.ndarray, true: np.ndarray) -> list[Scene]:
        """What is told of each picture: the true Scene, what the eyes find, or that nothing was found."""
        scenes = [s.picture.scene if t else Scene(p.width, p.height) for s, p, t in zip(drawn, pictures, told, strict=True)]
        looked: list[int] = np.flatnonzero(told & ~true).tolist() if self.aware.tells or self.crayon else []
        for i, scene in zip(looked, self.aware.perception([pictures[i] for i in looked]) if looked else [], strict=True):
            scenes[i] = scene
        return scenes

    def sampler_state(self, step: int, stage: Stage) -> dict[str, Any]:
        """Nothing: a step's pictures follow from its number."""
        return {}

    def _asked(self, drawn: Sample, scene: Scene, rng: np.random.Generator) -> tuple[list[int], list[tuple[list[int], list[int]]]]:
        """What all questions about a picture share, in the model's own form; and of each one the ids that are given and learnt."""
        rows = [self._row(qa, drawn, scene, rng) for qa in drawn.questions]
        first = [ids for ids, _ in rows]
        shared = min(
            next((i for i, column in enumerate(zip(*first, strict=False)) if len(set(column)) > 1), len(first[0])),
            *(begin - 1 for _, begin in rows),
        )
        return first[0][:shared], [(ids[shared:begin], ids[begin:]) for ids, begin in rows]

    def _row(self, qa: QA, drawn: Sample, scene: Scene, rng: np.random.Generator) -> tuple[list[int], int]:
        """Ids of one question with its answer, and where the answer begins."""
        told = rng.random() < self.crayon
        ask, answer = instruction(scene, rng, qa.language) if told else (qa.question, qa.answer)
        turns = self.aware.spoken([Message("user", (Part.image(PLACEHOLDER), Part.text(ask)))], [scene])
        done = self.renderer.render([*turns, Message("assistant", (Part.text(answer),))])
        ids, learnt = np.asarray(done.ids), np.flatnonzero(done.trainable)
        said = ids[learnt].tolist()
        if self.ours and not told and is_copied(qa, drawn):
            said = [*spelt(answer, self.tokenizer), said[-1]]
        asked = ids[: learnt[0]]
        given = np.repeat(asked, expand(asked, self.image_id, image_tokens(self.model.config))).tolist()
        return given + said, len(given)

    def micro_batches(self, batch: Batch, stage: Stage) -> Iterator[Batch]:
        return cut(batch, stage.micro_batch_size)

    def loss(self, batch: Batch) -> tuple[torch.Tensor, dict[str, float]]:
        image, learnt = batch["ids"] == self.image_id, batch["labels"] >= 0
        learning: Any = [p.requires_grad for p in self.model.model.vision_tower.parameters()]
        tokens = image_features(self.model, batch["pixels"], any(learning))
        embeds = self.model.get_input_embeddings()(batch["ids"])
        embeds = embeds.masked_scatter(image.unsqueeze(-1), tokens.to(embeds.dtype))
        asked = real_tokens(batch["positions"]) & ~image & ~F.pad(learnt, (1, 0))[:, :-1]
        owner = torch.arange(len(image), device=image.device)
        self.aware.tell(batch, image, asked, owner, may=batch["mask"][:, 0])
        try:
            loss, figures = answer_loss(self.model, embeds, batch)
        finally:
            self.aware.forget()
        share = batch.get("share", torch.ones(()))
        return loss * share, {k: v * float(share) for k, v in figures.items()}


class LanguageTask(WorldTask):
    """The whole decoder learns, as one module: an optimiser that treats matrices by themselves finds them."""

    def modules(self) -> dict[str, nn.Module]:
        return {"language": self.model.model.language_model}


def shortsighted(picture: Image.Image, sight: float) -> Image.Image:
    """A picture without its detail: shrunk to a share of its sides, and back to its size."""
    small = picture.resize([max(1, round(v * sight)) for v in picture.size], Image.Resampling.BOX)
    return small.resize(picture.size, Image.Resampling.BILINEAR)
