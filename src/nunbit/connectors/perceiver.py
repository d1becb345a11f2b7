"""Perceiver resampler: any number of features, of an image or of video frames, becomes a fixed number of tokens.

Source: Flamingo, arXiv 2204.14198, sec. 2.1, fig. 5, and app. A.1.1. OpenFlamingo (arXiv 2308.01390) has GELU and
8 heads of 64.

Letters: B images, F frames, N features a frame, M latents (the tokens that come out), Dv and Dt widths of the encoder
and the language model.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nunbit.connectors.base import CONNECTORS, Grid, TokenConnector, add_grid_positions
from nunbit.connectors.blocks import CrossAttention, feed_forward, latents_mask
from nunbit.connectors.config import ConnectorConfig
from nunbit.errors import UserError


@dataclass(frozen=True)
class PerceiverConfig(ConnectorConfig):
    """Sizes of `PerceiverConnector`.

    Args:
        latents: M, tokens that come out.
        depth: layers.
        heads, head_dim: of the attention; Flamingo has 16 of 96.
        ff_mult: width of the feed-forward layer in multiples of Dv.
        activation: ``squared_relu`` (Flamingo), ``gelu`` (OpenFlamingo) or ``relu`` (Idefics).
        max_frames: frames with a learned time embedding; 0 for none.
        project: map Dv to Dt at the end. Without it the tokens are Dv wide, as gated cross-attention reads them.
        grid_positions: add fixed 2-D positions to the features, for encoders without positions (convolutional ones).
    """

    latents: int = 64
    depth: int = 6
    heads: int = 8
    head_dim: int = 64
    ff_mult: int = 4
    activation: str = "squared_relu"
    max_frames: int = 8
    project: bool = True
    grid_positions: bool = False


class PerceiverLayer(nn.Module):
    """Latents attend to the features and to themselves, then a feed-forward layer."""

    def __init__(self, config: PerceiverConfig) -> None:
        super().__init__()
        width = config.vision_width
        self.features_norm, self.latents_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = CrossAttention(width, width, config.heads, config.head_dim)
        self.feed_forward = feed_forward(width, config.ff_mult, config.activation)

    def forward(self, features: Tensor, latents: Tensor, mask: Tensor | None) -> Tensor:
        """``(B, N, Dv)`` and ``(B, M, Dv)`` to ``(B, M, Dv)``; ``mask`` is ``(B, 1, 1, N + M)``."""
        queries = self.latents_norm(latents)
        source = torch.cat([self.features_norm(features), queries], dim=1)
        latents = latents + self.attention(queries, self.attention.keys_values(source), mask)
        return latents + self.feed_forward(latents)


@CONNECTORS.register("perceiver")
class PerceiverConnector(TokenConnector):
    """``(B, N, Dv)`` or, for video, ``(B, F, N, Dv)`` to ``(B, M, Dt)``; an image is a video of one frame."""

    config_class = PerceiverConfig
    paper = "Flamingo, arXiv 2204.14198, sec. 2.1"
    config: PerceiverConfig

    def __init__(self, config: PerceiverConfig) -> None:
        super().__init__(config)
        width = config.vision_width
        self.latents = nn.Parameter(torch.randn(config.latents, width))
        self.time = nn.Parameter(torch.randn(config.max_frames, width)) if config.max_frames else None
        self.layers = nn.ModuleList(PerceiverLayer(config) for _ in range(config.depth))
        self.norm = nn.LayerNorm(width)
        self.project = nn.Linear(width, config.text_width) if config.project else nn.Identity()

    def time_embeddings(self, frames: int) -> Tensor:
        """``(F, 1, Dv)``: the learned ones, interpolated linearly when there are more frames than were learned.

        Raises:
            UserError: several frames and no time embeddings.
        """
        if self.time is None:
            if frames > 1:
                raise UserError(
                    f"{frames} frames for a resampler without time embeddings",
                    allowed="one picture at a time",
                    todo="build it with max_frames > 0",
                )
            return self.latents.new_zeros(1, 1, 1)
        if frames <= len(self.time):
            return self.time[:frames, None]
        stretched = F.interpolate(self.time.T[None], size=frames, mode="linear", align_corners=True)
        return stretched[0].T[:, None]

    def _connect(self, features: Tensor, mask: Tensor | None, grid: Grid | None) -> Tensor:
        if self.config.grid_positions:
            features = add_grid_positions(features, mask, grid)
        if features.ndim == 3:
            features, mask = features.unsqueeze(1), None if mask is None else mask.unsqueeze(1)
        flat = (features + self.time_embeddings(features.shape[1])).flatten(1, 2)
        latents = self.latents.expand(len(flat), -1, -1)
        attention_mask = latents_mask(None if mask is None else mask.flatten(1), latents.shape[1])
        for layer in self.layers:
            latents = layer(flat, latents, attention_mask)
        return self.project(self.norm(latents))

    def _count(self, n_features: int, grid: Grid | None) -> int:
        return len(self.latents)
