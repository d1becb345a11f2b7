"""The second stage of `nunbit-small`: a few tokens of a pretrained vision encoder before the words about the picture.

The connector starts as the words of a classifier's names (`nunbit.connectors.named_features`), so that it helps from
the first step; adapters and connector learn together. In a third of the composites the words are left out: what the
picture tokens show must then be read from them.

Letters: T tokens of all rows, P pictures, N features and M tokens of each, Dv width of the encoder, D width of the
    language model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from nunbit.connectors.named_features import NamedFeaturesConnector
from nunbit.recipes.small.data import Example, ExampleMaker
from nunbit.recipes.small.decoder import Decoder
from nunbit.recipes.small.pool import Pooled, features
from nunbit.recipes.small.release import load_delta, start_connector, start_folder, write_model
from nunbit.recipes.small.rows import IMAGE_ID, Encoder, Row, row
from nunbit.recipes.small.train import SmallTask, base_folder, evaluation, open_base, open_maker
from nunbit.training.checkpoints import restore
from nunbit.training.loop import train
from nunbit.training.options import RunOptions
from nunbit.training.stage import Batch, Stage
from nunbit.world.base import generator, pick
from nunbit.world.scene_questions import SceneQuestions

WITHOUT_WORDS = 0.33
"""Share of the composites whose words are left out."""
WIDTH = 1280

Features = Callable[[Any], tuple[np.ndarray, tuple[int, int]]]
"""A picture (PIL) -> its features ``(N, Dv)`` and their grid."""


class PictureTask(SmallTask):
    """Rows with a picture's tokens where there is a picture; connector, adapters and new rows learn.

    Args:
        encode: features of world pictures; those of composites lie in the pool.
    """

    def __init__(
        self,
        decoder: Decoder,
        encoder: Encoder,
        maker: ExampleMaker,
        connector: NamedFeaturesConnector,
        encode: Features,
        *,
        bfloat16: bool = False,
    ) -> None:
        super().__init__(decoder, encoder, maker, bfloat16=bfloat16)
        self.connector, self.encode = connector, encode

    def modules(self) -> dict[str, nn.Module]:
        """The parts that learn, by name: those of `SmallTask` and the connector."""
        return {**super().modules(), "connector": self.connector}

    def batch(self, step: int, stage: Stage) -> Batch:
        """As `SmallTask.batch`, with ``features`` (P, N, Dv) and ``pictures``: how many each row has."""
        made = [self.pictured_row(step * stage.batch + i, stage.seed) for i in range(stage.batch)]
        shown = [f for _, f in made if f is not None]
        held = {
            "features": torch.stack(shown) if shown else torch.zeros(0, 1, WIDTH),
            "pictures": torch.tensor([int(f is not None) for _, f in made]),
        }
        return self.joined([r for r, _ in made]) | held

    def pictured_row(self, number: int, seed: int) -> tuple[Row, torch.Tensor | None]:
        """Row ``number`` of the mixture, and the features ``(N, Dv)`` of its picture if it has one."""
        example = self.maker.example(number, seed)
        shown = self._features(example)
        if shown is None:
            return row(self.encoder, example.words, example.conversations), None
        rng = generator(seed, number, "train")
        if example.pooled is not None and example.source == "composite" and rng.random() < WITHOUT_WORDS:
            example = without_words(example.pooled, rng)
        image_tokens = self.connector.tokens(len(shown))
        return row(self.encoder, example.words, example.conversations, image_tokens), torch.from_numpy(shown).float()

    def _features(self, example: Example) -> np.ndarray | None:
        if example.pooled is not None:
            return example.pooled.features
        if example.pixels is None:
            return None
        from PIL import Image

        return self.encode(Image.fromarray(example.pixels))[0]

    def micro_batches(self, batch: Batch, stage: Stage) -> Iterator[Batch]:
        """One row at a time, with its picture's features."""
        ends = batch["pictures"].cumsum(0).tolist()
        parts = super().micro_batches({k: v for k, v in batch.items() if k not in ("features", "pictures")}, stage)
        for part in parts:
            places = part.pop("places").tolist()
            chosen = [batch["features"][ends[i] - 1] for i in places if int(batch["pictures"][i])]
            yield part | {"features": torch.stack(chosen) if chosen else batch["features"][:0]}

    def embed(self, batch: Batch) -> torch.Tensor:
        """``(T)`` ids -> ``(T, D)``, the connector's tokens in the pictures' places."""
        words = super().embed(batch)
        if not len(batch["features"]):
            return words
        tokens = self.connector(batch["features"].to(self.connector.place.dtype)).flatten(0, 1)
        return words.masked_scatter((batch["ids"] == IMAGE_ID)[:, None], tokens.to(words.dtype))


def train_connect(config: Any, folder: Path, stage: Stage, options: RunOptions) -> None:
    """Train the stage in the run's folder, from the first stage's adapters, and save model and connector."""
    base = base_folder(config, options)
    decoder, tokenizer = open_base(base, config.rank)
    encoder = Encoder(tokenizer)
    connector = start_connector(decoder, encoder)
    if not (folder / stage.name / "last.pt").exists():
        if config.start:
            load_delta(decoder, connector, start_folder(config.start))
        else:
            restore(folder / "scene_text", decoder.learning())
    maker = open_maker(config, base, folder, options)
    task = PictureTask(decoder, encoder, maker, connector, features(), bfloat16=config.bfloat16)
    if options.evaluate is None and not config.debug:
        evaluate = evaluation(config.questions, decoder, encoder, maker)
        options = replace(options, evaluate=evaluate, evaluate_every=config.evaluate_every)
    train(task, stage, folder / stage.name, options)
    write_model(decoder, task.connector, base, stage.steps, folder)


def without_words(pooled: Pooled, rng: np.random.Generator) -> Example:
    """Questions about a composite that only its picture tokens can answer."""
    language = pick(rng, ("en", "ko"))
    local = ("exists", "exists_not", "what", "which_kind", "colour", "at_part", "part", "describe", "count")
    conversations = [c.turns for c in SceneQuestions(pooled.true, rng, language).draw(6, local)]
    return Example("", conversations, "composite", pooled=pooled)
