"""Which rows MoAI's mixers work on, and which rows each of them may attend to.

Letters: B sequences, L rows of a pass, R rows of a side, Q query rows, S source rows, M latents, D width of the
decoder.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from nunbit.connectors.blocks import zero_masked
from nunbit.connectors.moai_config import MoAIConfig


@dataclass
class Rows:
    """The true cells of a mask, packed to the left.

    Attributes:
        mask: ``(B, L)`` bool.
        index: ``(B, R)``, the row of each packed cell.
        real: ``(B, R)`` bool, false after a sequence's last cell.
    """

    mask: Tensor
    index: Tensor
    real: Tensor

    @classmethod
    def from_mask(cls, mask: Tensor) -> Rows:
        """Rows of a mask ``(B, L)``; R is the largest number of true cells."""
        count = mask.sum(-1)
        index = mask.logical_not().to(torch.uint8).sort(dim=-1, stable=True).indices[:, : int(count.max())]
        return cls(mask, index, torch.arange(index.shape[1], device=mask.device) < count[:, None])

    def gather(self, x: Tensor) -> Tensor:
        """``(B, L, D)`` to ``(B, R, D)``; rows that are not real are zero."""
        return zero_masked(x.gather(1, self.index.unsqueeze(-1).expand(-1, -1, x.shape[-1])), self.real)

    def scatter(self, x: Tensor, rows: Tensor) -> Tensor:
        """``x`` ``(B, L, D)`` with its rows replaced by ``rows`` ``(B, R, D)``."""
        return x.index_put((self.mask,), rows[self.real].to(x.dtype))


@dataclass
class MixerContext:
    """What the mixers of one forward pass share.

    Attributes:
        latents: ``(B, M, D)``.
        image, language: the rows of the two sides in this pass.
        all_image, all_language: and those of the earlier passes too.
        attention_masks: ``(B, Q, S)`` bool for ("img", "lang") and the other pairs of sides.
        expert_choice: ``(mixers, 2)`` numbers of the one expert of each side, or None for soft gates.
        mixer_cache: of each mixer all rows that came in so far, ``(B, cached, D)``; grows with the pass. None: the
            prompt comes in one pass.
    """

    latents: Tensor
    image: Rows
    language: Rows
    all_image: Rows
    all_language: Rows
    attention_masks: dict[tuple[str, str], Tensor]
    expert_choice: Tensor | None = None
    mixer_cache: list[Tensor] | None = None


def attention_masks(
    queries: dict[str, Rows],
    sources: dict[str, Rows],
    config: MoAIConfig,
    cached: int = 0,
    attention_mask: Tensor | None = None,
) -> dict[tuple[str, str], Tensor]:
    """The masks ``(B, Q, S)`` of `MixerContext`: released, everything to everything; otherwise backwards and within a
    picture.

    Args:
        queries: the sides "img" and "lang" of a pass, which begins at row ``cached``.
        sources: the sides of everything up to the pass's end.
        attention_mask: ``(B, L, L)`` bool, see `MoAI.set_context`.
    """
    allowed = {}
    for side, a in queries.items():
        at = a.index + cached
        for other, b in sources.items():
            mask = b.real.unsqueeze(1).expand(-1, at.shape[1], -1)
            if not config.compat and not (config.image_reads_prompt and (side, other) == ("img", "lang")):
                mask = mask & _backwards(at, b, same_picture=side == other == "img")
            if attention_mask is not None and not side == other == "img":
                row = torch.arange(len(at), device=at.device)[:, None, None]
                mask = mask & attention_mask[row, at.unsqueeze(-1), b.index.unsqueeze(1)]
            allowed[side, other] = mask
    return allowed


def _backwards(at: Tensor, source: Rows, *, same_picture: bool) -> Tensor:
    """``(B, Q, S)`` bool: sources at or before the rows ``at`` ``(B, Q)``, or in the same picture if that counts."""
    backwards = at.unsqueeze(-1) >= source.index.unsqueeze(1)
    if not same_picture:
        return backwards
    picture = (source.mask & ~F.pad(source.mask, (1, 0))[:, :-1]).cumsum(-1)
    same = picture.gather(1, at).unsqueeze(-1) == picture.gather(1, source.index).unsqueeze(1)
    return backwards | same
