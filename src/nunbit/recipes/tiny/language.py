"""Stage "language": the language model alone, without pixels. The oracle encoder stands for the vision encoder, and the
model learns to answer from its tokens.

Letters: B samples, C cells, T tokens, D width.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from nunbit.data.packing import pack
from nunbit.recipes.tiny.cells import Cells, cells_of
from nunbit.recipes.tiny.curriculum import CurriculumStage
from nunbit.recipes.tiny.encoder import scaled, stack
from nunbit.recipes.tiny.oracle import OracleEncoder, anchors
from nunbit.recipes.tiny.questions import answer_loss, as_batch, fitting, question_ids, split_batch
from nunbit.recipes.tiny.tokenizer import BOS, IMAGE, USER
from nunbit.training.stage import Batch, Stage
from nunbit.world.samples import MIXTURE, Sample, sample


class OracleTask:
    """The language model on tokens of the oracle encoder. Not every cell is shown (`_shown`): shorter sequences, same
    positions.

    Args:
        names: the encoder's classes.
        mixture: shares of the domains where the curriculum names none.
        questions: about a picture, at most.
        curriculum: its stages, in order.
        room: tokens about a picture, its own included, at most; 0 sets no bound.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        names: Sequence[str],
        mixture: dict[str, float] = MIXTURE,
        questions: int = 12,
        curriculum: Sequence[CurriculumStage] = (CurriculumStage(),),
        room: int = 0,
    ) -> None:
        self.curriculum, self.room = curriculum, room
        self.model, self.tokenizer, self.names = model, tokenizer, names
        self.mixture, self.questions = mixture, questions
        self.oracle = OracleEncoder(model.config.text_config.hidden_size, len(names))
        self.ids = {t: tokenizer.convert_tokens_to_ids(t) for t in (BOS, USER, IMAGE)}

    def modules(self) -> dict[str, nn.Module]:
        """The language model, and the tables of the oracle encoder."""
        return {"language": self.model.model.language_model, "oracle": self.oracle}

    def curriculum_stage(self, step: int) -> CurriculumStage:
        """The stage of the curriculum that a step belongs to."""
        return next(s for s in self.curriculum if step < s.until)

    def picture_stages(self, step: int, stage: Stage) -> list[CurriculumStage]:
        """The stage of the curriculum that each picture of a step belongs to: the step's own, or one before it."""
        now = self.curriculum_stage(step)
        rng, before = np.random.default_rng((stage.seed, step, 1)), self.curriculum[: self.curriculum.index(now)]
        return [
            before[int(rng.integers(len(before)))] if before and rng.random() < now.review else now
            for _ in range(stage.batch)
        ]

    def samples(self, step: int, stage: Stage) -> list[Sample]:
        """The pictures of a step with their questions."""
        return [
            sample(
                step * stage.batch + i,
                seed=stage.seed,
                questions=self.questions,
                mixture=own.mixture or self.mixture,
                even=True,
                kinds=own.kinds,
                korean=own.korean,
                imagined=own.imagined,
                short=own.short,
                emphasis=own.emphasis,
            )
            for i, own in enumerate(self.picture_stages(step, stage))
        ]

    def batch(self, step: int, stage: Stage) -> Batch:
        """Labels of all cells, ``shown`` (B, C) which of them stand in the sequence, and the packed questions."""
        samples = self.samples(step, stage)
        cells = [cells_of(s.picture, self.names) for s in samples]
        rng = np.random.default_rng((stage.seed, step))
        stages = self.picture_stages(step, stage)
        shown = [_shown(c, rng, own.empty, own.cells) for c, own in zip(cells, stages, strict=True)]
        head = [self.ids[BOS], self.ids[USER]]
        questions = question_ids(samples, self.tokenizer)
        if self.room:
            questions = [fitting(qs, self.room - 2 - len(s)) for qs, s in zip(questions, shown, strict=True)]
        prefixes = [head + [self.ids[IMAGE]] * len(s) for s in shown]
        positions = [[0, 1, *(s + 2)] for s in shown]
        packed = pack(prefixes, positions, 2 + len(cells[0].name), questions, self.tokenizer.pad_token_id)
        where = torch.zeros(len(cells), len(cells[0].name), dtype=torch.bool)
        for i, s in enumerate(shown):
            where[i, torch.from_numpy(s)] = True
        return stack(cells) | as_batch(packed) | {"shown": where}

    def micro_batches(self, batch: Batch, stage: Stage) -> Iterator[Batch]:
        """Rows of like length, so many at a time."""
        return split_batch(batch, stage.micro_batch_size)

    def loss(self, batch: Batch) -> tuple[torch.Tensor, dict[str, float]]:
        """The loss of the answers, a scalar, from the oracle's tokens of the cells that are shown."""
        return scaled(batch, *self.answers(batch, self.oracle(batch)[batch["shown"]]))

    def answers(self, batch: Batch, tokens: torch.Tensor) -> tuple[torch.Tensor, dict[str, float]]:
        """`answer_loss` with picture tokens (all of the batch's in order, ``(sum, D)``) in their places among the
        words."""
        embeds = self.model.get_input_embeddings()(batch["ids"])
        embeds = embeds.masked_scatter((batch["ids"] == self.ids[IMAGE]).unsqueeze(-1), tokens.to(embeds.dtype))
        return answer_loss(self.model, embeds, batch)


def _shown(cells: Cells, rng: np.random.Generator, empty: float, each: float) -> np.ndarray:
    """Numbers of the cells that stand in the sequence: all with characters, the middle of each object and some others
    of it, a few of the empty ones. A fifth of the tokens, the same facts.

    Args:
        empty: share of the empty cells.
        each: cells of an object, on average at most.
    """
    chance = np.full(len(cells.name), empty)
    covered = cells.name > 0
    if covered.any():
        _, which, size = np.unique(cells.box[covered], axis=0, return_inverse=True, return_counts=True)
        chance[covered] = np.minimum(1.0, each / size[which.ravel()])
    chance[cells.glyph[:, 0, 0] > 0] = 1.0
    chance[covered & anchors(torch.from_numpy(cells.box), torch.from_numpy(cells.name)).numpy()] = 1.0
    return np.flatnonzero(rng.random(len(chance)) < chance)
