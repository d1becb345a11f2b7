"""Layer connectors that act on the rows of a prompt, in the pass that reads it: what `crayon` and `moai` share.

Such a connector is told where the prompt's rows are (`set_context`), works in the forward pass that reads them, and does
nothing while an answer is decoded. It hangs on the language model as hooks: the model's own modules, names and
checkpoints stay as they are.

Letters: B sequences, L rows of the prompt (pictures' rows included), T rows of one forward pass.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nunbit.connectors.gated_cross_attention import decoder_layers
from nunbit.errors import UserError


class PrefillConnector(nn.Module, ABC):
    """Build, `attach` to a language model, then `set_context` before each batch. One thread at a time may run the model.

    What was seen stays until the next `set_context` or `clear_context`, so that a backward pass that recomputes activations finds it.
    """

    def __init__(self, layers: int) -> None:
        super().__init__()
        self.layers = layers
        self._context: Any = None
        self._now: Any = None
        self._hooks: list[Any] = []

    @abstractmethod
    def _register_hooks(self, layers: nn.ModuleList) -> list[Any]:
        """Register the hooks on the decoder's layers and return their handles."""

    @abstractmethod
    def _window(self, seen: Any, times: int, cached: int, length: int) -> Any:
        """What the hooks need for rows ``cached : cached + length``, each sequence ``times`` times; None: nothing."""

    def attach(self, language_model: nn.Module) -> None:
        """Hang the hooks on any decoder of transformers."""
        if self._hooks:
            raise UserError("the connector is already attached to a language model", todo="call detach() first")
        owner, layers = decoder_layers(language_model, self.layers)
        self._hooks = self._register_hooks(layers)
        self._hooks.append(owner.register_forward_pre_hook(self._before_decoder, with_kwargs=True))

    def detach(self) -> None:
        """Take the hooks off again: the language model is as it was."""
        for hook in self._hooks:
            hook.remove()
        self._hooks.clear()

    def clear_context(self) -> None:
        """Nothing to see: the language model runs as if the connector were not there."""
        self._context = self._now = None

    def _before_decoder(self, decoder: nn.Module, args: tuple, kwargs: dict) -> None:
        self._now = None
        if self._context is None:
            return
        inputs = inspect.signature(decoder.forward).bind_partial(*args, **kwargs).arguments
        past = inputs.get("past_key_values")
        rows = inputs["inputs_embeds"] if inputs.get("input_ids") is None else inputs["input_ids"]
        cached = 0 if past is None else int(past.get_seq_length())
        batch, length = rows.shape[:2]
        self._now = self._window(self._context, repeats(batch, len(self._context)), cached, length)


def repeats(batch: int, prompts: int) -> int:
    """How often `generate` repeated each prompt, for beams or several samples."""
    if not prompts or batch % prompts:
        raise UserError(
            f"{prompts} prompts were seen and the batch has {batch} sequences",
            allowed="as many sequences as prompts, or a multiple of it",
            todo="call set_context() with this batch, or clear_context() for a batch without pictures",
        )
    return batch // prompts


def cut(mask: Tensor, times: int, cached: int, length: int) -> Tensor:
    """``(B, L)`` to ``(B * times, length)`` from row ``cached`` on; rows beyond the prompt are false (or 0)."""
    part = mask[:, cached : cached + length].repeat_interleave(times, 0)
    return F.pad(part, (0, length - part.shape[1]))


def check_mask(mask: Tensor, name: str) -> Tensor:
    if mask.ndim != 2:
        raise UserError(
            f"{name} has the shape {tuple(mask.shape)}", allowed="(sequences, rows)", todo="pass a 2-d mask"
        )
    return mask.to(torch.bool)
