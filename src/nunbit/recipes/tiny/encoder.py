"""Stage "encoder": the vision encoder alone, on the dense labels that a Scene gives for free: per cell the object's
class, colour and box, and the characters. Hundreds of targets a picture, so a small encoder learns on a processor.

Letters: B pictures, C cells, D width, K glyph slots.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from nunbit.perception.cells import FINAL, LEAD, SLOTS, VOWEL, DenseHeads, features
from nunbit.recipes.tiny.cells import Cells, cells_of
from nunbit.training.stage import Batch, Stage
from nunbit.world.samples import MIXTURE, sample


def to_pixels(pictures: Sequence[np.ndarray]) -> torch.Tensor:
    """Pictures ``(H, W, 3)`` of uint8 to ``(B, 3, H, W)`` in -1 .. 1, as the processor does for a picture of the
    model's own size."""
    stacked = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)
    return stacked.float().div_(127.5).sub_(1.0).contiguous()


def stack(cells: Sequence[Cells]) -> dict[str, torch.Tensor]:
    """Labels of a batch: ``name``, ``colour`` (B, C), ``box`` (B, C, 4), ``glyph`` (B, C, K, 3)."""
    return {k: torch.from_numpy(np.stack([getattr(c, k) for c in cells])) for k in ("name", "colour", "box", "glyph")}


def dense_loss(out: dict[str, torch.Tensor], truth: dict[str, torch.Tensor]) -> tuple[torch.Tensor, dict[str, float]]:
    """Sum of the read-outs' losses, each a mean over the cells it applies to; shares of right ones as figures.

    Args:
        out: logits of the read-outs, ``(B, C, ...)`` each; truth: the labels of `stack`.
    """
    covered = truth["name"] > 0
    boxed = covered | (truth["glyph"][..., 0, 0] > 0)
    tinted = truth["colour"] > 0
    zero = out["name"].sum() * 0
    name = F.cross_entropy(out["name"].flatten(0, 1), truth["name"].flatten())
    name_covered = F.cross_entropy(out["name"][covered], truth["name"][covered]) if covered.any() else zero
    colour = F.cross_entropy(out["colour"][tinted], truth["colour"][tinted]) if tinted.any() else zero
    box = F.smooth_l1_loss(out["box"][boxed], truth["box"][boxed], beta=0.02) if boxed.any() else zero
    lead = out["lead"].unflatten(-1, (SLOTS, LEAD))
    glyph = truth["glyph"]
    full = glyph[..., 0] > 0
    # Most slots are empty and rightly said to be. Were they counted, "nothing here" would drown the characters; were
    # only the full ones counted besides, a large character would be seen in each cell that it touches.
    said = full | (lead.argmax(-1) > 0)
    character = F.cross_entropy(lead[said], glyph[..., 0][said]) if said.any() else zero
    hangul = glyph[..., 1] > 0
    jamo = zero
    if hangul.any():
        vowel = out["vowel"].unflatten(-1, (SLOTS, VOWEL))[hangul]
        final = out["final"].unflatten(-1, (SLOTS, FINAL))[hangul]
        jamo = F.cross_entropy(vowel, glyph[..., 1][hangul]) + F.cross_entropy(final, glyph[..., 2][hangul])
    total = name + 0.5 * name_covered + 0.5 * colour + 10 * box + 1.5 * character + 0.5 * jamo
    with torch.no_grad():
        figures = {
            "name_ok": _share(out["name"], truth["name"], covered),
            "colour_ok": _share(out["colour"], truth["colour"], tinted),
            "glyph_ok": _share(lead, glyph[..., 0], said),
            "box_l1": box.item(),
        }
        if hangul.any():
            figures["vowel_ok"] = _share(
                vowel, glyph[..., 1][hangul], torch.ones(len(vowel), dtype=torch.bool, device=vowel.device)
            )
    return total, figures


class EncoderTask:
    """The encoder with its dense read-outs.

    Args:
        vision: the encoder.
        names: its classes.
        mixture: shares of the domains of pictures.
    """

    def __init__(self, vision: Any, names: Sequence[str], mixture: dict[str, float] = MIXTURE) -> None:
        self.vision, self.names, self.mixture = vision, names, mixture
        self.heads = DenseHeads(vision.config.hidden_size, len(names))

    def modules(self) -> dict[str, nn.Module]:
        """Encoder and read-outs."""
        return {"vision": self.vision, "heads": self.heads}

    def batch(self, step: int, stage: Stage) -> Batch:
        """``pixels`` (B, 3, H, W) and the labels of `stack`."""
        first = step * stage.batch
        samples = [
            sample(first + i, seed=stage.seed, questions=0, korean=0.0, mixture=self.mixture)
            for i in range(stage.batch)
        ]
        labels = stack([cells_of(s.picture, self.names) for s in samples])
        return {"pixels": to_pixels([s.picture.pixels for s in samples])} | labels

    def micro_batches(self, batch: Batch, stage: Stage) -> Iterator[Batch]:
        """So many pictures at a time, each with its ``share`` of the batch."""
        count = len(batch["pixels"])
        for rows in torch.arange(count).split(stage.micro_batch_size or count):
            yield {k: v[rows] for k, v in batch.items()} | {"share": torch.tensor(len(rows) / count)}

    def loss(self, batch: Batch) -> tuple[torch.Tensor, dict[str, float]]:
        """`dense_loss` of a micro-batch, a scalar."""
        return scaled(batch, *dense_loss(self.heads(features(self.vision, batch["pixels"])), batch))


def scaled(batch: Batch, loss: torch.Tensor, figures: dict[str, float]) -> tuple[torch.Tensor, dict[str, float]]:
    """A micro-batch's loss (a scalar) and figures as its share of the batch's."""
    share = batch.get("share", torch.ones(()))
    return loss * share, {k: v * float(share) for k, v in figures.items()}


def _share(logits: torch.Tensor, labels: torch.Tensor, where: torch.Tensor) -> float:
    return (logits.argmax(-1) == labels)[where].float().mean().item() if where.any() else float("nan")
