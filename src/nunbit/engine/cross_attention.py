"""Gated cross-attention in the engine: what each prompt attends to, and the rows of a decode step side by side.

Such a model reads one token a picture; the pictures stay outside the sequence, as keys and values of each block. They
are made once a
prompt, in its first pass, and stacked for decoding only when other rows come together than in the step before.

Letters: B rows, I pictures, M media tokens a picture, Dv their width, T tokens of a prompt, L tokens a slot holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from nunbit.connectors.gated_cross_attention import Media


class CrossAttentionState:
    """Sets what the rows of the next forward pass attend to.

    Args:
        model: a `ComposedModel` with gated cross-attention.
        length: L.
    """

    def __init__(self, model: Any, length: int) -> None:
        self.model, self.connector, self.length = model, model.connector, length
        self.image_id = int(model.config.image_token_id)
        self._rows: list[Media | None] = []
        self._stacked: Media | None = None

    def media_of(self, tokens: Tensor, ids: Tensor) -> Media:
        """Media of one prompt: its pictures ``(I, M, Dv)`` and ids ``(1, T)``."""
        before = (ids == self.image_id).long().cumsum(-1)
        real = torch.ones(tokens.shape[:2], dtype=torch.bool, device=tokens.device)
        return Media(tokens[None], real[None], before)

    def set_prefill(self, media: Media | None) -> None:
        """The next pass reads a prompt, or a chunk of it."""
        self.connector.set_media(media)

    def set_decode(self, rows: Sequence[Media | None]) -> None:
        """The next pass adds a token to each row; None: a row without pictures."""
        same = len(rows) == len(self._rows) and all(a is b for a, b in zip(rows, self._rows, strict=True))
        if not same:
            self._rows, self._stacked = list(rows), self._stack(rows)
        self.connector.set_media(self._stacked)

    def clear_context(self) -> None:
        """The next pass attends to nothing."""
        self.connector.set_media(None)

    def _stack(self, rows: Sequence[Media | None]) -> Media | None:
        """Rows beside each other, those with fewer pictures padded. A word of an answer stands after all its
        pictures."""
        some = next((m for m in rows if m is not None), None)
        if some is None:
            return None
        none = Media(some.tokens[:, :0], some.real[:, :0])
        none.keys_values = {place: (k[:, :, :0], v[:, :, :0]) for place, (k, v) in some.keys_values.items()}
        each = [none if m is None else m for m in rows]
        pictures = torch.tensor([m.tokens.shape[1] for m in each], device=some.tokens.device)
        stacked = Media(
            pad_sequence([m.tokens[0] for m in each], batch_first=True),
            pad_sequence([m.real[0] for m in each], batch_first=True),
            pictures.unsqueeze(1).expand(-1, self.length),
        )
        for place in some.keys_values:
            stacked.keys_values[place] = (
                _padded([m.keys_values[place][0] for m in each]),
                _padded([m.keys_values[place][1] for m in each]),
            )
        return stacked


def _padded(parts: Sequence[Tensor]) -> Tensor:
    """Keys or values ``(1, heads, I * M, d)`` of each row to ``(B, heads, most, d)``."""
    return pad_sequence([p[0].transpose(0, 1) for p in parts], batch_first=True).transpose(1, 2)
