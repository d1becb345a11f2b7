"""Gated cross-attention: the words look at pictures inside the decoder layers of a frozen language model.

Source: Flamingo, arXiv 2204.14198, sec. 2.2 to 2.4, fig. 4. The blocks' places are those of
OpenFlamingo, arXiv 2308.01390, sec. 3.1: the first one stands before layer k - 1, not before layer 0.

    y = y + tanh(a) * attention(y, media);  y = y + tanh(b) * ff(y);  then the frozen layer.   (a = b = 0 at the start)

The blocks hang on the language model as hooks before its layers: its modules, parameter names and
checkpoints stay as they are.

Letters: B sequences, T text tokens, I pictures (or videos), F frames, S features a frame, M media tokens a picture,
Dv and Dt the widths of features and text.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from nunbit.connectors.base import CONNECTORS, ConnectorConfig, CrossAttention, feed_forward
from nunbit.connectors.perceiver import PerceiverConfig, PerceiverConnector
from nunbit.errors import UserError


@dataclass(frozen=True)
class GatedCrossAttentionConfig(ConnectorConfig):
    """Args:
    layers: decoder layers of the language model.
    every: one block before every how many layers; layer i (from 0) has one when ``(i + 1) % every == 0``.
    heads, head_dim: of the attention.
    ff_mult, activation: of the feed-forward layer.
    only_last: a word sees only the last picture before it; otherwise all pictures before it.
    image_token_id: where the pictures are in ``input_ids``; without it the caller passes ``index`` to `set_context`.
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


@dataclass
class Media:
    """What the blocks look at, and which picture each token saw last.

    Args:
        tokens: media tokens ``(B, I, M, Dv)``.
        real: ``(B, I, M)`` bool, false for padding.
        given: ``(B, L)``: pictures up to and with each token, where the caller said so.
        history: the same for every token that the model has read, the cached ones included; it outlives a decode step.
        now: ``(B, T)``, the part of it for the running forward pass.
        keys_values: of each block, kept while no gradient is wanted: the pictures do not change from step to step.
    """

    tokens: Tensor
    real: Tensor
    given: Tensor | None = None
    history: Tensor | None = None
    now: Tensor | None = None
    keys_values: dict[int, tuple[Tensor, Tensor]] = field(default_factory=dict)

    def expand(self, batch: int) -> None:
        """Repeat every sequence for beams and several samples, as `generate` repeats its prompts."""
        if (times := batch // max(len(self.tokens), 1)) * len(self.tokens) != batch:
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
        """``(B, 1, T, I * M)`` bool: which media tokens each text token of this pass may look at."""
        assert self.now is not None
        number = torch.arange(1, self.tokens.shape[1] + 1, device=self.now.device)
        seen = self.now.unsqueeze(-1)
        pictures = (number == seen) if only_last else (number <= seen)  # (B, T, I)
        return (pictures.unsqueeze(-1) & self.real.unsqueeze(1)).flatten(2).unsqueeze(1)


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
        """``visible`` is ``(B, 1, T, I * M)`` bool; without keys and values there is no picture to see."""
        if keys_values is not None and visible is not None:
            text = text + self.attention_gate.tanh() * self.look(text, keys_values, visible)
        return text + self.feed_forward_gate.tanh() * self.feed_forward(text)

    def look(self, text: Tensor, keys_values: tuple[Tensor, Tensor], visible: Tensor) -> Tensor:
        """The attention's output: exactly 0 for a token that may see nothing."""
        blind = ~visible.any(-1, keepdim=True)  # (B, 1, T, 1); a softmax over nothing would be NaN
        return self.attention(self.norm(text), keys_values, visible | blind).masked_fill(blind.squeeze(1), 0)


@CONNECTORS.register("gated_cross_attention")
class GatedCrossAttention(nn.Module):
    """A resampler and the blocks before every k-th layer. Build, `attach`, then `set_context` before each batch.

    It holds the media of one batch at a time, so one thread at a time may run the language model.
    """

    config_class = GatedCrossAttentionConfig
    paper = "Flamingo, arXiv 2204.14198, sec. 2.2"

    def __init__(self, config: GatedCrossAttentionConfig) -> None:
        super().__init__()
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
        self._hooks: list[Any] = []

    def media_tokens(self, features: Tensor, mask: Tensor | None = None) -> Tensor:
        """Features ``(B, I, S, Dv)`` or of videos ``(B, I, F, S, Dv)`` to media tokens ``(B, I, M, Dv)`` for `set_context`.

        ``mask`` is bool without the last axis, false for padding.
        """
        if self.resampler is None:
            return features.flatten(2, -2)
        batch, pictures = features.shape[:2]
        tokens = self.resampler(features.flatten(0, 1), None if mask is None else mask.flatten(0, 1))
        return tokens.unflatten(0, (batch, pictures))

    def set_context(self, tokens: Tensor | None, mask: Tensor | None = None, *, index: Tensor | None = None) -> None:
        """Set the media of the next forward passes, decode steps included, until `set_context` or `clear_context` is called.

        Args:
            tokens: ``(B, I, M, Dv)``; None or I = 0 for a batch without pictures.
            mask: ``(B, I)`` or ``(B, I, M)`` bool, false for padding.
            index: ``(B, L)``, how many pictures stand before or at each token, where the ids do not tell.
        """
        self.clear_context()
        if tokens is None or not tokens.shape[1]:
            return
        real = torch.ones(tokens.shape[:3], dtype=torch.bool, device=tokens.device) if mask is None else mask.bool()
        if real.ndim == 2:
            real = real.unsqueeze(-1).expand(tokens.shape[:3])
        self._media = Media(tokens.masked_fill(~real.unsqueeze(-1), 0), real, index)

    def set_media(self, media: Media | None) -> None:
        """Media made before, for the next forward passes: a batching engine changes them from pass to pass."""
        self._media = media

    def clear_context(self) -> None:
        """No media: the words see no picture."""
        self.set_media(None)

    def attach(self, language_model: nn.Module) -> None:
        """Hang the blocks on any decoder of transformers. The model's own parameters and names do not change."""
        if self._hooks:
            raise UserError("the connector is already attached to a language model", todo="call detach() first")
        owner, layers = decoder_layers(language_model, self.config.layers)
        self._hooks.append(owner.register_forward_pre_hook(self._before_decoder, with_kwargs=True))
        for place, block in self.blocks.items():
            assert isinstance(block, GatedCrossAttentionBlock)
            hook = self._before_layer(int(place), block)
            self._hooks.append(layers[int(place)].register_forward_pre_hook(hook, with_kwargs=True))

    def detach(self) -> None:
        """Take the blocks off again: the language model is as it was."""
        for hook in self._hooks:
            hook.remove()
        self._hooks.clear()

    def _before_layer(self, place: int, block: GatedCrossAttentionBlock):
        def hook(_layer: nn.Module, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
            if args:
                return (self._run(place, block, args[0]), *args[1:]), kwargs
            return args, {**kwargs, "hidden_states": self._run(place, block, kwargs["hidden_states"])}

        return hook

    def _run(self, place: int, block: GatedCrossAttentionBlock, hidden: Tensor) -> Tensor:
        """One block in its own precision: a 16-bit language model may have 32-bit blocks."""
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

    def _before_decoder(self, decoder: nn.Module, args: tuple, kwargs: dict) -> None:
        """Find out, for each token of this pass, how many pictures stand before it."""
        inputs = inspect.signature(decoder.forward).bind_partial(*args, **kwargs).arguments
        ids, embeds = inputs.get("input_ids"), inputs.get("inputs_embeds")
        past = inputs.get("past_key_values")
        cached = 0 if past is None else int(past.get_seq_length())
        if self._media is None:
            if ids is not None and self.config.image_token_id is not None and not cached:
                _check_pictures((ids == self.config.image_token_id).sum(-1), ids.new_zeros(len(ids)))
            return
        read = ids if ids is not None else embeds
        assert read is not None, "a decoder reads ids or embeddings"
        batch, length = read.shape[:2]
        self._media.expand(batch)
        self._media.now = self._index(self._media, ids, cached, length)

    def _index(self, media: Media, ids: Tensor | None, cached: int, length: int) -> Tensor:
        """``(B, length)``; also extends the history, cut to the cached tokens first: a cache may be rolled back."""
        if media.given is not None and cached + length <= media.given.shape[1]:
            now = media.given[:, cached : cached + length]
            media.history = media.given[:, : cached + length]
            return now.to(media.tokens.device)
        history = media.history if media.history is not None else media.given
        known = 0 if history is None else history.shape[1]
        if known < cached or (not cached and (ids is None or self.config.image_token_id is None)):
            raise UserError(
                f"the pictures' places are known for {known} of {cached + length} tokens",
                allowed="input_ids with the image token in them, or an index for the whole prompt",
                todo="pass index to set_context(), or set image_token_id and pass input_ids",
            )
        now = torch.zeros(len(media.tokens), length, dtype=torch.long, device=media.tokens.device)
        if ids is not None and self.config.image_token_id is not None:
            now = (ids == self.config.image_token_id).long().cumsum(-1)
        if history is not None and cached:
            now = now + history[:, cached - 1 : cached]
        pictures = media.real.any(-1).sum(-1)
        if not cached:
            _check_pictures(now[:, -1], pictures)
            history = now[:, :0]
        assert history is not None
        now = now.minimum(pictures[:, None])  # an image token that the model itself wrote brings no picture
        media.history = torch.cat([history[:, :cached], now], dim=1)
        return now


def _resampler_config(config: GatedCrossAttentionConfig) -> PerceiverConfig:
    return PerceiverConfig(
        "perceiver", config.vision_width, config.vision_width, latents=config.latents, depth=config.resampler_depth,
        heads=config.resampler_heads, head_dim=config.resampler_head_dim, ff_mult=config.ff_mult,
        activation=config.activation, max_frames=config.max_frames, project=False,
    )  # fmt: skip


def _check_pictures(placeholders: Tensor, pictures: Tensor) -> None:
    """Each sequence has at most as many image tokens as pictures."""
    for row, (places, given) in enumerate(zip(placeholders.tolist(), pictures.tolist(), strict=True)):
        if places > given:
            raise UserError(
                f"sequence {row} has {places} image tokens and {given} pictures",
                allowed="one picture for each image token",
                todo="call set_context() with the pictures of this batch, or leave out the image tokens",
            )


def decoder_layers(language_model: nn.Module, layers: int) -> tuple[nn.Module, nn.ModuleList]:
    """The decoder and its list of layers: the first list as long as the model is deep (Llama, Qwen3, OPT ...)."""
    found = []
    for module in language_model.modules():
        for child in module.children():
            if isinstance(child, nn.ModuleList) and len(child):
                if len(child) == layers:
                    return module, child
                found.append(len(child))
    raise UserError(
        f"no list of {layers} decoder layers in {type(language_model).__name__}",
        allowed="layers = " + (" or ".join(map(str, sorted(set(found)))) or "none: the model has no list of layers"),
        todo="set 'layers' to the language model's number of layers",
    )
