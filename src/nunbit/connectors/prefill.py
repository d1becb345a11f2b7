"""Layer connectors that act on the rows of a prompt, in the forward pass that reads them: `crayon` and `moai`.

`set_context` says where the prompt's rows are. The connector works in the forward pass that reads those rows, and does
nothing while an answer is decoded.

Letters: B sequences, L rows of the prompt (the images' rows included), T rows of one forward pass.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from nunbit.connectors.layer import DecoderInputs, LayerConnector
from nunbit.errors import UserError


class PrefillConnector(LayerConnector):
    """Build, `attach` to a language model, then ``set_context`` before each batch.

    The context stays until the next ``set_context`` or `clear_context`, so that a backward pass that recomputes
    activations still has it.
    """

    def __init__(self, layers: int) -> None:
        super().__init__(layers)
        self._context: Any = None
        self._active: Any = None

    def clear_context(self) -> None:
        """Forget the context: the language model runs as if the connector were not there."""
        self._context = self._active = None

    @abstractmethod
    def _window(self, context: Any, times: int, cached: int, length: int) -> Any:
        """What the hooks need for rows ``cached : cached + length``, each sequence ``times`` times; None: nothing."""

    def _before_decoder(self, inputs: DecoderInputs) -> None:
        self._active = None
        if self._context is not None:
            batch, length = inputs.shape
            times = repeats_of(batch, len(self._context))
            self._active = self._window(self._context, times, inputs.cached, length)


def repeats_of(batch: int, prompts: int) -> int:
    """How many times `generate` repeated each prompt, for beams or several samples.

    Raises:
        UserError: the batch is no multiple of the prompts.
    """
    if not prompts or batch % prompts:
        raise UserError(
            f"a context of {prompts} prompts and a batch of {batch} sequences",
            allowed="as many sequences as prompts, or a multiple of it",
            todo="call set_context() with this batch, or clear_context() for a batch without pictures",
        )
    return batch // prompts


def window_of(mask: Tensor, times: int, cached: int, length: int) -> Tensor:
    """``(B, L)`` to ``(B * times, length)`` from row ``cached`` on; rows beyond the prompt are false (or 0)."""
    part = mask[:, cached : cached + length].repeat_interleave(times, 0)
    return F.pad(part, (0, length - part.shape[1]))


def check_mask(mask: Tensor, name: str) -> Tensor:
    """A mask ``(B, L)`` as bool.

    Raises:
        UserError: another number of axes.
    """
    if mask.ndim != 2:
        raise UserError(
            f"{name} has the shape {tuple(mask.shape)}", allowed="(sequences, rows)", todo="pass a 2-d mask"
        )
    return mask.to(torch.bool)
