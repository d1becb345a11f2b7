"""MoAI's compressor: aux tokens become a few latents, a Perceiver resampler without positions.

Source: MoAI, arXiv 2403.07508, sec. 3; the resampler: Flamingo, arXiv 2204.14198, sec. 2.1.

Letters: B sequences, N aux tokens, M latents, D width of the decoder.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from nunbit.connectors.blocks import attend, feed_forward, latents_mask, zero_masked
from nunbit.connectors.moai_config import MoAIConfig


class CompressorAttention(nn.Module):
    """Latents attend to the aux tokens and to themselves. Parameters are named as in the released checkpoint."""

    def __init__(self, config: MoAIConfig) -> None:
        super().__init__()
        width, inner = config.text_width, config.heads * config.head_dim
        self.heads = config.heads
        self.norm_media, self.norm_latents = nn.LayerNorm(width), nn.LayerNorm(width)
        self.to_q = nn.Linear(width, inner, bias=False)
        self.to_kv = nn.Linear(width, 2 * inner, bias=False)
        self.to_out = nn.Linear(inner, width, bias=False)

    def forward(self, media: Tensor, latents: Tensor, mask: Tensor | None) -> Tensor:
        """``(B, N, D)`` and ``(B, M, D)`` to ``(B, M, D)``; ``mask`` is ``(B, 1, 1, N + M)``."""
        latents = self.norm_latents(latents)
        keys, values = self.to_kv(torch.cat([self.norm_media(media), latents], dim=1)).chunk(2, dim=-1)
        return self.to_out(attend(self.to_q(latents), keys, values, self.heads, mask))


class MoAICompressor(nn.Module):
    """Aux tokens ``(B, N, D)`` to latents ``(B, M, D)``; no positions: the order of the aux tokens does not matter."""

    def __init__(self, config: MoAIConfig) -> None:
        super().__init__()
        width = config.text_width
        self.latents = nn.Parameter(torch.randn(config.latents, width))
        self.layers = nn.ModuleList(
            nn.ModuleList([CompressorAttention(config), feed_forward(width, config.ff_mult, "gelu")])
            for _ in range(config.depth)
        )
        self.norm = nn.LayerNorm(width)

    def forward(self, aux: Tensor, mask: Tensor | None = None) -> Tensor:
        """``(B, N, D)`` to ``(B, M, D)``; ``mask`` is ``(B, N)`` bool, false for padding."""
        aux = zero_masked(aux, mask)
        latents = self.latents.expand(len(aux), -1, -1)
        attention_mask = latents_mask(mask, latents.shape[1])
        for layer in self.layers:
            pair: Any = layer
            latents = latents + pair[0](aux, latents, attention_mask)
            latents = latents + pair[1](latents)
        return self.norm(latents)
