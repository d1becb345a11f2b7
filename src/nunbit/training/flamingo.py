"""Training a Flamingo on conversations with pictures among their words; encoder and language model stay frozen.

Source: Flamingo, arXiv 2204.14198, sec. 2 and app. A. Letters: B rows, T tokens, C columns of the batch with an answer in them, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from nunbit.data.conversations import Encoded
from nunbit.errors import UserError
from nunbit.models.flamingo import Flamingo, compose_flamingo, is_flamingo, open_flamingo
from nunbit.training.loop import Batch, Stage
from nunbit.training.multimodal import SampleTask, answer_loss
from nunbit.training.recipe import FlamingoRecipe
from nunbit.training.stages import begin, learn_phase, load_samples


class FlamingoTask(SampleTask):
    """Conversations for a `Flamingo`: its resampler, its gated blocks and its marker learn.

    Args:
        p_next: how often the words of a row see the next picture instead of the last one.
    """

    def __init__(self, model: Flamingo, processor: Any, samples: Sequence[Encoded], *, p_next: float = 0.0, **how: Any) -> None:  # fmt: skip
        super().__init__(processor.image_processor, samples, pad=processor.tokenizer.pad_token_id, image_id=model.image_id,
                         processor=processor, **how)  # fmt: skip
        self.model, self.p_next = model.train(), p_next

    def tokens_of(self, picture: Any) -> int:
        return 1

    def modules(self) -> dict[str, nn.Module]:
        return self.model.learnt()

    def prepare(self, device: str, shard: bool = False) -> None:
        self.model.to(device)

    def batch(self, step: int, stage: Stage) -> Batch:
        """As `SampleTask.batch`; with ``p_next`` also ``index`` (B, T), the picture that each word sees."""
        out = super().batch(step, stage)
        if self.p_next:
            coins = np.random.default_rng((stage.seed, step, 5)).random(len(out["ids"])) < self.p_next
            out["index"] = pictures_seen(out["ids"] == self.image_id, torch.from_numpy(coins))
        return out

    def loss(self, batch: Batch) -> tuple[Tensor, dict[str, float]]:
        """`answer_loss` of the piece; the LM head sees B x C rows, those after which an answer stands in some row."""
        rows = batch["labels"] >= 0
        columns = rows.any(0).nonzero().squeeze(1)
        self.model.look(batch["ids"], batch.get("pixels"), batch.get("index"))
        logits = self.model.language(
            input_ids=batch["ids"], attention_mask=batch["mask"].long(), use_cache=False, logits_to_keep=columns
        ).logits
        chosen = rows[:, columns]
        weight = batch["weight"][:, columns][chosen] if "weight" in batch else None
        loss, figures = answer_loss(logits[chosen], batch["labels"][:, columns][chosen], batch["answers"], weight)
        if "pixels" not in batch:  # every process of a distributed run has a gradient for what learns
            loss = loss + 0.0 * sum(p.sum() for m in self.modules().values() for p in m.parameters())
        return loss, figures


def pictures_seen(image: Tensor, ahead: Tensor) -> Tensor:
    """Which picture each token sees, numbered from 1, 0 for none (B, T).

    Args:
        image: (B, T) bool, where the pictures stand.
        ahead: (B,) bool, rows whose tokens see the next picture, those after the last one the last; others see the last one before them.
    """
    last = image.long().cumsum(1)
    following = (last - image.long() + 1).minimum(last[:, -1:])
    return torch.where(ahead.unsqueeze(1), following, last)


def build_flamingo(recipe: FlamingoRecipe) -> tuple[Flamingo, Any]:
    """Model and processor of the recipe: one that is there, or a fresh one from its two parts."""
    choice = recipe.model
    torch.manual_seed(recipe.seed)
    if not choice.base:
        return compose_flamingo(choice.vision, choice.llm, layer=choice.layer, sizes=asdict(recipe.flamingo))
    if not is_flamingo(choice.base):
        raise UserError(f"'{choice.base}' is no Flamingo", allowed="a folder that this recipe wrote, or model.llm and model.vision")
    return open_flamingo(choice.base)


def run_flamingo(recipe: FlamingoRecipe, folder: Path, *, say: Callable[[str], None] = print, **how: Any) -> Path:
    """Train; returns where the model lies."""
    if how.get("shard"):
        raise UserError("--shard for a Flamingo", allowed="without it: the decoder does not learn")
    group = begin(recipe, folder, how)
    model, processor = build_flamingo(recipe)
    for name, phase in recipe.phases().items():
        data = load_samples(phase, processor, 1, recipe.max_tokens, say)
        if group.rank == 0:
            data.write(folder / name)
        task = FlamingoTask(model, processor, data.samples, p_next=recipe.p_next, group=phase.group,
                            accumulate=phase.mixing == "accumulate", **data.mixture())  # fmt: skip
        learn_phase(name, phase, task, recipe.seed, folder, say, how)
    if group.rank == 0:
        model.cpu().save(folder / "model", processor)
    group.wait()
    return folder / "model"
