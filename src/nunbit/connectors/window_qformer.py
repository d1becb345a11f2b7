"""Window-level Q-Former: the same Q-Former on each window in time, so a long sound gives more tokens than a short one.

Source: SALMONN, arXiv 2310.13289, sec. 3.1. There 1500 frames (30 s) in windows of 17 give 88 tokens.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from nunbit.connectors.base import CONNECTORS, Grid, blank
from nunbit.connectors.qformer import QFormerBase, QFormerConfig


@dataclass(frozen=True)
class WindowQFormerConfig(QFormerConfig):
    """Args:
    queries: tokens a window.
    window: features a window; SALMONN's 17 frames of 50 Hz are 0.33 s.
    stride: features from the start of a window to the start of the next.
    keep_tail: give the features after the last whole window a window of their own. SALMONN drops them.
    """

    queries: int = 1
    depth: int = 2
    window: int = 17
    stride: int = 17
    keep_tail: bool = False


@CONNECTORS.register("window_qformer")
class WindowQFormerConnector(QFormerBase):
    """``(B, N, Dv)`` to ``(B, windows * queries, Dt)``; real features come first, padding after them."""

    config_class = WindowQFormerConfig
    paper = "SALMONN, arXiv 2310.13289, sec. 3.1"
    config: WindowQFormerConfig

    def forward(self, features: Tensor, mask: Tensor | None = None, *, grid: Grid | None = None) -> Tensor:
        length = features.shape[1]
        real = features.new_ones(features.shape[:2], dtype=torch.bool) if mask is None else mask.bool()
        features, size, stride = blank(features, real), self.config.window, self.config.stride
        windows = self.windows(length)
        missing = max((windows - 1) * stride + size - length, 0)
        x = F.pad(features, (0, 0, 0, missing)).unfold(1, size, stride)[:, :windows].transpose(2, 3)
        seen = F.pad(real, (0, missing)).unfold(1, size, stride)[:, :windows]
        tokens = self.query(x.flatten(0, 1), seen.flatten(0, 1))  # (B * windows, queries, Dt)
        tokens = tokens.reshape(len(features), windows * self.config.queries, self.config.text_width)
        return blank(tokens, self.output_mask(real))

    def windows(self, n_features: int) -> int:
        """Windows of a sound of this length; one shorter than a window still has one."""
        rest = max(n_features - self.config.window, 0)
        more = -(-rest // self.config.stride) if self.config.keep_tail else rest // self.config.stride
        return 1 + more if n_features else 0

    def tokens(self, n_features: int, grid: Grid | None = None) -> int:
        return self.windows(n_features) * self.config.queries

    def output_mask(self, mask: Tensor, grid: Grid | None = None) -> Tensor:
        real = torch.tensor([self.tokens(n) for n in mask.sum(-1).tolist()], device=mask.device, dtype=torch.long)
        return torch.arange(self.tokens(mask.shape[-1]), device=mask.device) < real[:, None]
