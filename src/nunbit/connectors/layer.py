"""Layer connectors: modules that act inside the decoder layers of a language model, through forward hooks.

The language model's own modules, parameter names and checkpoints stay as they are. A connector is attached once; then
`set_context` (each connector has its own arguments) says what the next forward passes work with, and `clear_context`
ends that. One thread at a time may run the language model, as a connector holds the context of one batch.

Letters: B sequences, T rows of one forward pass, D width of the decoder.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from nunbit.errors import UserError

NORMS = ("input_layernorm", "attention_norm", "ln_1", "self_attn_layer_norm")
"""Names of the norm before attention, as decoders of transformers call it."""


@dataclass(frozen=True)
class DecoderInputs:
    """What one forward pass of the decoder reads.

    Attributes:
        ids: ``(B, T)`` token ids, if it reads ids.
        embeds: ``(B, T, D)``, if it reads embeddings.
        cached: rows that are in the cache already.
    """

    ids: Tensor | None
    embeds: Tensor | None
    cached: int

    @property
    def shape(self) -> tuple[int, int]:
        """B and T."""
        rows = self.embeds if self.ids is None else self.ids
        assert rows is not None, "a decoder reads ids or embeddings"
        return rows.shape[0], rows.shape[1]


class LayerConnector(nn.Module, ABC):
    """A connector that is attached to the decoder layers of a language model.

    Args:
        layers: decoder layers of the language model.
    """

    def __init__(self, layers: int) -> None:
        super().__init__()
        self.layers = layers
        self._hooks: list[Any] = []

    def attach(self, language_model: nn.Module) -> None:
        """Register the forward hooks on any decoder of transformers.

        Raises:
            UserError: the connector is attached already, or the model has another number of layers.
        """
        if self._hooks:
            raise UserError("the connector is already attached to a language model", todo="call detach() first")
        decoder, layers = decoder_layers(language_model, self.layers)
        self._hooks = self._register_hooks(layers)
        self._hooks.append(decoder.register_forward_pre_hook(self._read_inputs, with_kwargs=True))

    def detach(self) -> None:
        """Remove the hooks: the language model is as it was before `attach`."""
        for hook in self._hooks:
            hook.remove()
        self._hooks.clear()

    @abstractmethod
    def clear_context(self) -> None:
        """Forget the context: the language model runs without one."""

    @abstractmethod
    def _register_hooks(self, layers: nn.ModuleList) -> list[Any]:
        """Register the hooks on the decoder's layers and return their handles."""

    @abstractmethod
    def _before_decoder(self, inputs: DecoderInputs) -> None:
        """Prepare what the layers' hooks need in the forward pass that begins."""

    def _read_inputs(self, decoder: nn.Module, args: tuple, kwargs: dict) -> None:
        given = inspect.signature(decoder.forward).bind_partial(*args, **kwargs).arguments
        past = given.get("past_key_values")
        cached = 0 if past is None else int(past.get_seq_length())
        self._before_decoder(DecoderInputs(given.get("input_ids"), given.get("inputs_embeds"), cached))


def decoder_layers(language_model: nn.Module, layers: int) -> tuple[nn.Module, nn.ModuleList]:
    """The decoder and its list of layers: the first list as long as the model is deep (Llama, Qwen3, OPT ...).

    Raises:
        UserError: there is no list of that length.
    """
    lengths = set()
    for module in language_model.modules():
        for child in module.children():
            if isinstance(child, nn.ModuleList) and len(child):
                if len(child) == layers:
                    return module, child
                lengths.add(len(child))
    raise UserError(
        f"no list of {layers} decoder layers in {type(language_model).__name__}",
        allowed="layers = " + (" or ".join(map(str, sorted(lengths))) or "none: the model has no list of layers"),
        todo="set 'layers' to the language model's number of layers",
    )


def input_norm(layer: nn.Module) -> nn.Module:
    """The norm before a decoder layer's attention.

    Raises:
        UserError: a layer without one.
    """
    for name in NORMS:
        if isinstance(getattr(layer, name, None), nn.Module):
            return getattr(layer, name)
    raise UserError(
        f"{type(layer).__name__} has no norm before its attention",
        allowed="decoders whose layers have " + ", ".join(NORMS),
        todo="use a pre-norm decoder such as Llama, Qwen3 or InternLM2",
    )


def linear_maps(layer: nn.Module, targets: Sequence[str]) -> dict[str, nn.Module]:
    """The linear maps of a decoder layer whose last name is one of the targets, by their name in the layer.

    Raises:
        UserError: a target that is not there.
    """
    maps = {n: m for n, m in layer.named_modules() if n and hasattr(m, "out_features")}
    found = {n: m for n, m in maps.items() if n.rsplit(".", 1)[-1] in targets}
    missing = sorted(set(targets) - {n.rsplit(".", 1)[-1] for n in found})
    if missing:
        raise UserError(
            f"{type(layer).__name__} has no linear map named {' or '.join(missing)}",
            allowed=", ".join(sorted({n.rsplit(".", 1)[-1] for n in maps})),
            todo="set 'targets' to names of this list",
        )
    return found
