"""Gated cross-attention in the engine: what each prompt's words look at, and the rows of a decode step side by side.

Such a model reads one token a picture; what the picture shows stays outside the sequence, as keys and values of each block. They are made
once a prompt, in its first pass, and stacked for decoding only when other rows come together than in the step before.

Letters: B rows, I pictures, M media tokens a picture, Dv their width, T tokens of a prompt, L tokens a slot holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from nunbit.connectors.gated_cross_attention import GatedCrossAttention, Media


class Gated(Protocol):
    """What the engine needs of a model with gated cross-attention, beside its decoder.

    Attributes:
        connector: attached to the decoder, with the image token's id in its config.
    """

    @property
    def connector(self) -> GatedCrossAttention: ...

    def media(self, pixels: Tensor) -> Tensor:
        """Pictures ``(I, 3, H, W)`` as media tokens ``(I, M, Dv)``; each depends on its own picture alone."""


class CrossAttentionState:
    """Shows the connector what the rows of the next pass look at."""

    def __init__(self, gated: Gated, length: int) -> None:
        self.gated, self.connector, self.length = gated, gated.connector, length
        assert gated.connector.config.image_token_id is not None, "pictures have their places in the prompt"
        self.image_id: int = gated.connector.config.image_token_id
        self._rows: list[Media | None] = []
        self._beside: Media | None = None

    def of(self, tokens: Tensor, ids: Tensor) -> Media:
        """Media of one prompt: its pictures ``(I, M, Dv)`` and ids ``(1, T)``."""
        before = (ids == self.image_id).long().cumsum(-1)
        real = torch.ones(tokens.shape[:2], dtype=torch.bool, device=tokens.device)
        return Media(tokens[None], real[None], before)

    def read(self, media: Media | None) -> None:
        """The next pass reads a prompt, or a piece of it."""
        self.connector.set_media(media)

    def answer(self, rows: Sequence[Media | None]) -> None:
        """The next pass adds a token to each row; None: a row without pictures."""
        same = len(rows) == len(self._rows) and all(a is b for a, b in zip(rows, self._rows, strict=True))
        if not same:
            self._rows, self._beside = list(rows), self._stack(rows)
        self.connector.set_media(self._beside)

    def forget(self) -> None:
        """Nothing is shown until the next pass."""
        self.connector.set_media(None)

    def _stack(self, rows: Sequence[Media | None]) -> Media | None:
        """Rows beside each other, those with fewer pictures padded. A word of an answer stands after all its pictures."""
        some = next((m for m in rows if m is not None), None)
        if some is None:
            return None
        none = Media(some.tokens[:, :0], some.real[:, :0])
        none.keys_values = {place: (k[:, :, :0], v[:, :, :0]) for place, (k, v) in some.keys_values.items()}
        each = [none if m is None else m for m in rows]
        pictures = torch.tensor([m.tokens.shape[1] for m in each], device=some.tokens.device)
        beside = Media(
            pad_sequence([m.tokens[0] for m in each], batch_first=True),
            pad_sequence([m.real[0] for m in each], batch_first=True),
            pictures.unsqueeze(1).expand(-1, self.length),
        )
        for place in some.keys_values:
            beside.keys_values[place] = (_padded([m.keys_values[place][0] for m in each]),
                                         _padded([m.keys_values[place][1] for m in each]))  # fmt: skip
        return beside


def _padded(parts: Sequence[Tensor]) -> Tensor:
    """Keys or values ``(1, heads, I * M, d)`` of each row to ``(B, heads, most, d)``."""
    return pad_sequence([p[0].transpose(0, 1) for p in parts], batch_first=True).transpose(1, 2)
