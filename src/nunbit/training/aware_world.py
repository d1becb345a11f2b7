"""Training an object-aware model on the procedural world: pictures drawn as training goes, their Scenes estimated or true, a few questions
each, one turn after another."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image

from nunbit.data.conversations import Encoded
from nunbit.data.crayon_instructions import instruction
from nunbit.data.stream import Sample, sample
from nunbit.messages import Message, Part
from nunbit.models.aware import Aware
from nunbit.models.compose import image_tokens
from nunbit.models.templates import Renderer, expand
from nunbit.scene import Scene
from nunbit.training.aware import AwareTask
from nunbit.training.loop import Batch, Stage


class WorldTask(AwareTask):
    """`AwareTask` on the picture world.

    Args:
        truth: Scenes are the true ones, not those of the model's perception.
        turns: questions a picture, at most.
        crayon: share of crayon instructions among them.
    """

    def __init__(self, aware: Aware, *, truth: bool, turns: int = 1, crayon: float = 0.0) -> None:
        processor = aware.processor
        super().__init__(aware, processor.image_processor, [], pad=processor.tokenizer.pad_token_id)
        self.truth, self.turns, self.crayon = truth, turns, crayon
        self.renderer = Renderer(processor.tokenizer, processor.chat_template, image_token=processor.image_token)

    def batch(self, step: int, stage: Stage) -> Batch:
        drawn = [
            sample(step * stage.batch + i, seed=500 + stage.seed, questions=self.turns, even=True)
            for i in range(stage.batch)
        ]
        pictures = [Image.fromarray(s.picture.pixels) for s in drawn]
        told = self.aware.tells or self.crayon
        scenes = [s.picture.scene for s in drawn] if self.truth or not told else self.aware.perception(pictures)
        rng = np.random.default_rng((stage.seed, step, 3))
        rows = [self._row(s, scene, rng) for s, scene in zip(drawn, scenes, strict=True)]
        order = sorted(range(len(rows)), key=lambda i: -rows[i].length)
        out = self.collate([[rows[i]] for i in order])
        out["pixels"] = self.images(images=[pictures[i] for i in order], return_tensors="pt")["pixel_values"]
        out["owner"] = torch.arange(len(order))
        return out | self.aware.signals([scenes[i] for i in order])

    def _row(self, drawn: Sample, scene: Scene, rng: np.random.Generator) -> Encoded:
        turns: list[Message] = []
        for qa in drawn.questions:
            told = rng.random() < self.crayon
            ask, answer = instruction(scene, rng, qa.language) if told else (qa.question, qa.answer)
            shown = () if turns else (Part.image("picture"),)
            turns += [Message("user", (*shown, Part.text(ask))), Message("assistant", (Part.text(answer),))]
        done = self.renderer.render(self.aware.spoken(turns, [scene]))
        ids = np.asarray(done.ids, np.int32)
        often = expand(ids, self.renderer.image_id, image_tokens(self.model.config))
        return Encoded("world", ids, np.asarray(done.trainable, bool), (), often)
