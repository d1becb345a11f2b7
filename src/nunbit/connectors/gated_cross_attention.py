"""Gated cross-attention: text attends to pictures inside the decoder layers of a frozen language model.

Source: Flamingo, arXiv 2204.14198, sec. 2.2 to 2.4, fig. 4. The blocks' places are those of
OpenFlamingo, arXiv 2308.01390, sec. 3.1: the first one stands before layer k - 1, not before layer 0.

    y = y + tanh(a) * attention(y, media);  y = y + tanh(b) * ff(y);  then the frozen layer.   (a = b = 0 at the start)

Letters: B sequences, T text tokens, L rows of the prompt, I pictures (or videos), F frames, S features a frame, M media
tokens a picture, Dv and Dt the widths of features and text, d width of a head.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from nunbit.connectors.base import CONNECTORS
from nunbit.connectors.blocks import CrossAttention, feed_forward
from nunbit.connectors.config import ConnectorConfig
from nunbit.connectors.cross_attention_media import Media, check_pictures
from nunbit.connectors.layer import DecoderInputs, LayerConnector
from nunbit.connectors.perceiver import PerceiverConfig, PerceiverConnector
from nunbit.errors import UserError


@dataclass(frozen=True)
class GatedCrossAttentionConfig(ConnectorConfig):
    """Sizes of `GatedCrossAttention`.

    Args:
        layers: decoder layers of the language model.
        every: one block before every how many layers; layer i (from 0) has one when ``(i + 1) % every == 0``.
        heads, head_dim: of the attention.
        ff_mult, activation: of the feed-forward layer.
        only_last: a token attends only to the last picture before it; otherwise to all pictures before it.
        image_token_id: where the pictures are in ``input_ids``; without it the caller passes ``index`` to
            `GatedCrossAttention.set_context`.
        latents: M, media tokens a picture after the resampler; 0 for no resampler.
        resampler_depth, resampler_heads, resampler_head_dim, max_frames: of the resampler, see `PerceiverConfig`.
    """

    layers: int = 24
    every: int = 4
    heads: int = 8
    head_dim: int = 64
    ff_mult: int = 4
    activation: str = "squared_relu"
    only_last: bool = True
    image_token_id: int | None = None
    latents: int = 64
    resampler_depth: int = 6
    resampler_heads: int = 8
    resampler_head_dim: int = 64
    max_frames: int = 8


class GatedCrossAttentionBlock(nn.Module):
    """``(B, T, Dt)`` to ``(B, T, Dt)``, the identity when both gates are 0."""

    def __init__(self, config: GatedCrossAttentionConfig) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(config.text_width)
        self.attention = CrossAttention(config.text_width, config.vision_width, config.heads, config.head_dim)
        self.attention_gate = nn.Parameter(torch.zeros(1))
        self.feed_forward = feed_forward(config.text_width, config.ff_mult, config.activation)
        self.feed_forward_gate = nn.Parameter(torch.zeros(1))

    def forward(self, text: Tensor, keys_values: tuple[Tensor, Tensor] | None, visible: Tensor | None) -> Tensor:
        """``(B, T, Dt)`` to ``(B, T, Dt)``.

        Args:
            text: the decoder's rows.
            keys_values: ``(B, heads, I * M, d)`` of the media; None: there is no picture.
            visible: ``(B, 1, T, I * M)`` bool, which media tokens a text token may attend to.
        """
        if keys_values is not None and visible is not None:
            text = text + self.attention_gate.tanh() * self.attend(text, keys_values, visible)
        return text + self.feed_forward_gate.tanh() * self.feed_forward(text)

    def attend(self, text: Tensor, keys_values: tuple[Tensor, Tensor], visible: Tensor) -> Tensor:
        """The attention's output ``(B, T, Dt)``: exactly 0 for a token with no visible media."""
        blind = ~visible.any(-1, keepdim=True)  # (B, 1, T, 1); a softmax over nothing would be NaN
        return self.attention(self.norm(text), keys_values, visible | blind).masked_fill(blind.squeeze(1), 0)


@CONNECTORS.register("gated_cross_attention")
class GatedCrossAttention(LayerConnector):
    """A resampler and the blocks before every k-th layer. Build, `attach`, then `set_context` before each batch."""

    config_class = GatedCrossAttentionConfig
    paper = "Flamingo, arXiv 2204.14198, sec. 2.2"

    def __init__(self, config: GatedCrossAttentionConfig) -> None:
        super().__init__(config.layers)
        if not 1 <= config.every <= config.layers:
            raise UserError(
                f"a block every {config.every} layers of {config.layers}",
                allowed=f"1 to {config.layers}",
                todo="set 'layers' to the language model's number of layers and 'every' to at most that",
            )
        self.config = config
        self.resampler = PerceiverConnector(_resampler_config(config)) if config.latents else None
        places = range(config.every - 1, config.layers, config.every)
        self.blocks = nn.ModuleDict({str(i): GatedCrossAttentionBlock(config) for i in places})
        self._media: Media | None = None

    def media_tokens(self, features: Tensor, mask: Tensor | None = None) -> Tensor:
        """Features ``(B, I, S, Dv)`` or of videos ``(B, I, F, S, Dv)`` to media tokens ``(B, I, M, Dv)``.

        Args:
            features: of the encoder.
            mask: bool, the features' shape without the last axis; false for padding.
        """
        if self.resampler is None:
            return features.flatten(2, -2)
        batch, pictures = features.shape[:2]
        tokens = self.resampler(features.flatten(0, 1), None if mask is None else mask.flatten(0, 1))
        return tokens.unflatten(0, (batch, pictures))

    def set_context(self, tokens: Tensor | None, mask: Tensor | None = None, *, index: Tensor | None = None) -> None:
        """Set the media of the next forward passes, decode steps included, until it is called again or cleared.

        Args:
            tokens: ``(B, I, M, Dv)`` from `media_tokens`; None or I = 0 for a batch without pictures.
            mask: ``(B, I)`` or ``(B, I, M)`` bool, false for padding.
            index: ``(B, L)``, how many pictures stand at or before each token, where the ids do not say.
        """
        self.clear_context()
        if tokens is None or not tokens.shape[1]:
            return
        real = torch.ones(tokens.shape[:3], dtype=torch.bool, device=tokens.device) if mask is None else mask.bool()
        if real.ndim == 2:
            real = real.unsqueeze(-1).expand(tokens.shape[:3])
        self._media = Media(tokens.masked_fill(~real.unsqueeze(-1), 0), real, index)

    def set_media(self, media: Media | None) -> None:
        """Set media made before as the context: a batching engine changes them from pass to pass."""
        self._media = media

    def clear_context(self) -> None:
        """Forget the media: the next passes have no picture."""
        self.set_media(None)

    def _register_hooks(self, layers: nn.ModuleList) -> list[Any]:
        return [
            layers[int(i)].register_forward_pre_hook(partial(self._before_layer, int(i)), with_kwargs=True)
            for i in self.blocks
        ]

    def _before_layer(self, place: int, _layer: nn.Module, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
        if args:
            return (self._run(place, args[0]), *args[1:]), kwargs
        return args, {**kwargs, "hidden_states": self._run(place, kwargs["hidden_states"])}

    def _run(self, place: int, hidden: Tensor) -> Tensor:
        """One block in its own precision: a 16-bit language model may have 32-bit blocks."""
        block: Any = self.blocks[str(place)]
        text = hidden.to(block.norm.weight.dtype)
        if self._media is None:
            return block(text, None, None).to(hidden.dtype)
        visible = self._media.visible(self.config.only_last)
        return block(text, self._keys_values(place, block), visible).to(hidden.dtype)

    def _keys_values(self, place: int, block: GatedCrossAttentionBlock) -> tuple[Tensor, Tensor]:
        assert self._media is not None
        source = self._media.tokens.flatten(1, 2).to(block.norm.weight.dtype)
        if torch.is_grad_enabled():
            return block.attention.keys_values(source)
        if place not in self._media.keys_values:
            self._media.keys_values[place] = block.attention.keys_values(source)
        return self._media.keys_values[place]

    def _before_decoder(self, inputs: DecoderInputs) -> None:
        """Find out, for each token of this pass, how many pictures stand at or before it."""
        ids, token = inputs.ids, self.config.image_token_id
        if self._media is None:
            if ids is not None and token is not None and not inputs.cached:
                check_pictures((ids == token).sum(-1), ids.new_zeros(len(ids)))
            return
        batch, length = inputs.shape
        self._media.expand(batch)
        self._media.advance(ids, token, inputs.cached, length)


def _resampler_config(config: GatedCrossAttentionConfig) -> PerceiverConfig:
    return PerceiverConfig(
        "perceiver",
        config.vision_width,
        config.vision_width,
        latents=config.latents,
        depth=config.resampler_depth,
        heads=config.resampler_heads,
        head_dim=config.resampler_head_dim,
        ff_mult=config.ff_mult,
        activation=config.activation,
        max_frames=config.max_frames,
        project=False,
    )
