"""Stages "connect" and "together": encoder, connector and language model on pixels.

Letters: B samples, C cells, T tokens, D width.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import nn

from nunbit.data.packing import pack
from nunbit.perception.cells import features
from nunbit.recipes.tiny.cells import cells_of
from nunbit.recipes.tiny.encoder import dense_loss, scaled, stack, to_pixels
from nunbit.recipes.tiny.language import OracleTask
from nunbit.recipes.tiny.questions import as_batch, question_ids, split_batch
from nunbit.recipes.tiny.tokenizer import BOS, IMAGE, USER
from nunbit.training.stage import Batch, Stage


class JointTask:
    """Encoder, connector and language model on pixels.

    Args:
        oracle_task: holds the model, the trained oracle encoder and the questions.
        heads: the encoder's read-outs.
        imitate: weight of the distance between the connector's tokens and the oracle's; 0 leaves it out.
        dense: weight of the read-outs' loss, which keeps them right; 0 leaves it out.
        lm: the language model learns, from the loss of the answers.
    """

    def __init__(
        self, oracle_task: OracleTask, heads: nn.Module, *, imitate: float, dense: float, lm: bool = True
    ) -> None:
        self.oracle_task, self.heads = oracle_task, heads
        self.imitate, self.dense, self.lm = imitate, dense, lm
        oracle_task.model.model.language_model.requires_grad_(lm)
        oracle_task.oracle.requires_grad_(False)

    def modules(self) -> dict[str, nn.Module]:
        """The model, the read-outs, and the oracle encoder, which rests."""
        return {"model": self.oracle_task.model, "heads": self.heads, "oracle": self.oracle_task.oracle}

    def batch(self, step: int, stage: Stage) -> Batch:
        """``pixels`` (B, 3, H, W), the labels of all cells, and the packed questions."""
        task = self.oracle_task
        samples = task.samples(step, stage)
        labels = stack([cells_of(s.picture, task.names) for s in samples])
        prefix = [task.ids[BOS], task.ids[USER]] + [task.ids[IMAGE]] * labels["name"].shape[1]
        count = len(samples)
        questions = question_ids(samples, task.tokenizer)
        pad = task.tokenizer.pad_token_id
        packed = pack([prefix] * count, [range(len(prefix))] * count, len(prefix), questions, pad)
        return {"pixels": to_pixels([s.picture.pixels for s in samples])} | labels | as_batch(packed)

    def micro_batches(self, batch: Batch, stage: Stage) -> Iterator[Batch]:
        """Rows of like length, so many at a time."""
        return split_batch(batch, stage.micro_batch_size)

    def loss(self, batch: Batch) -> tuple[torch.Tensor, dict[str, float]]:
        """The weighted sum of imitation, read-outs and answers, a scalar."""
        task = self.oracle_task
        seen = features(task.model.model.vision_tower, batch["pixels"])
        tokens = task.model.model.multi_modal_projector(seen)
        total, figures = seen.new_zeros(()), dict[str, float]()
        if self.imitate:
            wanted = task.oracle(batch)
            gap = F.mse_loss(tokens, wanted) / wanted.var()
            total, figures["imitate"] = total + self.imitate * gap, gap.item()
        if self.dense:
            dense, more = dense_loss(self.heads(seen), batch)
            total, figures = total + self.dense * dense, figures | more
        if self.lm:
            answer, more = task.answers(batch, tokens.flatten(0, 1))
            total, figures = total + answer, figures | more
        return scaled(batch, total, figures)
