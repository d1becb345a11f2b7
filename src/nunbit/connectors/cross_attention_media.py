"""What gated cross-attention blocks attend to: the media tokens of one batch, and which picture each token may see.

Letters: B sequences, T rows of one forward pass, L rows of the prompt, I pictures (or videos), M media tokens a
picture, Dv width of the media tokens, d width of a head.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from nunbit.errors import UserError


@dataclass
class Media:
    """Media tokens, and for each text token the number of the last picture at or before it.

    Attributes:
        tokens: ``(B, I, M, Dv)``.
        real: ``(B, I, M)`` bool, false for padding.
        given: ``(B, L)``: pictures at or before each token, where the caller knows.
        history: the same for every token that the model has read, the cached ones included; it outlives a decode step.
        now: ``(B, T)``, the part of it for the running forward pass.
        keys_values: of each block ``(B, heads, I * M, d)``, kept while no gradient is needed: the pictures do not
            change from step to step.
    """

    tokens: Tensor
    real: Tensor
    given: Tensor | None = None
    history: Tensor | None = None
    now: Tensor | None = None
    keys_values: dict[int, tuple[Tensor, Tensor]] = field(default_factory=dict)

    def expand(self, batch: int) -> None:
        """Repeat every sequence for beams and several samples, as `generate` repeats its prompts.

        Raises:
            UserError: the batch is no multiple of the sequences.
        """
        times = batch // max(len(self.tokens), 1)
        if times * len(self.tokens) != batch:
            raise UserError(
                f"media for {len(self.tokens)} sequences and a batch of {batch}",
                allowed="as many sequences as the batch, or a divisor of it",
                todo="call set_context() with the media of this batch",
            )
        if times > 1:
            self.tokens, self.real = (x.repeat_interleave(times, 0) for x in (self.tokens, self.real))
            self.given = None if self.given is None else self.given.repeat_interleave(times, 0)
            self.history = None if self.history is None else self.history.repeat_interleave(times, 0)
            self.keys_values.clear()

    def visible(self, only_last: bool) -> Tensor:
        """``(B, 1, T, I * M)`` bool: which media tokens each text token of this pass may attend to."""
        assert self.now is not None
        number = torch.arange(1, self.tokens.shape[1] + 1, device=self.now.device)
        current = self.now.unsqueeze(-1)
        pictures = (number == current) if only_last else (number <= current)  # (B, T, I)
        return (pictures.unsqueeze(-1) & self.real.unsqueeze(1)).flatten(2).unsqueeze(1)

    def advance(self, ids: Tensor | None, image_token_id: int | None, cached: int, length: int) -> None:
        """Set `now` for the pass that reads rows ``cached : cached + length``, and extend `history`.

        The history is cut to the cached rows first, as a cache may be rolled back.

        Args:
            ids: ``(B, length)`` token ids of the pass, if it reads ids.
            image_token_id: the token that stands for a picture, if there is one.

        Raises:
            UserError: nothing says where the pictures are, or there are more image tokens than pictures.
        """
        if self.given is not None and cached + length <= self.given.shape[1]:
            self.history = self.given[:, : cached + length]
            self.now = self.given[:, cached : cached + length].to(self.tokens.device)
            return
        places = None if ids is None or image_token_id is None else ids == image_token_id
        history = self.history if self.history is not None else self.given
        known = 0 if history is None else history.shape[1]
        if known < cached or (not cached and places is None):
            raise UserError(
                f"the pictures' places are known for {known} of {cached + length} tokens",
                allowed="input_ids with the image token in them, or an index for the whole prompt",
                todo="pass index to set_context(), or set image_token_id and pass input_ids",
            )
        now = torch.zeros(len(self.tokens), length, dtype=torch.long, device=self.tokens.device)
        if places is not None:
            now = places.long().cumsum(-1)
        if history is not None and cached:
            now = now + history[:, cached - 1 : cached]
        pictures = self.real.any(-1).sum(-1)
        if not cached:
            check_pictures(now[:, -1], pictures)
            history = now[:, :0]
        assert history is not None
        self.now = now.minimum(pictures[:, None])  # an image token that the model itself wrote brings no picture
        self.history = torch.cat([history[:, :cached], self.now], dim=1)


def check_pictures(image_tokens: Tensor, pictures: Tensor) -> None:
    """Compare ``(B,)`` image tokens with ``(B,)`` pictures.

    Raises:
        UserError: a sequence with more image tokens than pictures.
    """
    for row, (places, given) in enumerate(zip(image_tokens.tolist(), pictures.tolist(), strict=True)):
        if places > given:
            raise UserError(
                f"sequence {row} has {places} image tokens and {given} pictures",
                allowed="one picture for each image token",
                todo="call set_context() with the pictures of this batch, or leave out the image tokens",
            )
