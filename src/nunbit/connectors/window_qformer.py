"""Window-level Q-Former: the same Q-Former on each window, so a long sound gives more tokens than a short one.

Source: SALMONN, arXiv 2310.13289, sec. 3.1. There 1500 frames (30 s) in windows of 17 give 88 tokens. Features of an
image are read in the order of its grid, row by row, as frames are read in time.

Letters: B sounds (or images), N features, W windows, Q queries a window, M = W * Q tokens, Dv and Dt widths of the
encoder and the language model.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from nunbit.connectors.base import CONNECTORS, Grid, add_grid_positions
from nunbit.connectors.blocks import zero_masked
from nunbit.connectors.qformer import QFormerBase, QFormerConfig


@dataclass(frozen=True)
class WindowQFormerConfig(QFormerConfig):
    """Sizes of `WindowQFormerConnector`; those of `QFormerConfig`, and:

    Args:
        queries: Q, tokens a window.
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
    """``(B, N, Dv)`` to ``(B, M, Dt)``; real features come first, padding after them."""

    config_class = WindowQFormerConfig
    paper = "SALMONN, arXiv 2310.13289, sec. 3.1"
    config: WindowQFormerConfig

    def windows(self, n_features: int) -> int:
        """W for this many features; fewer than a window's still have one, none have none."""
        rest = max(n_features - self.config.window, 0)
        more = -(-rest // self.config.stride) if self.config.keep_tail else rest // self.config.stride
        return 1 + more if n_features else 0

    def _connect(self, features: Tensor, mask: Tensor | None, grid: Grid | None) -> Tensor:
        if self.config.grid_positions:
            features = add_grid_positions(features, mask, grid)
        length, size, stride = features.shape[1], self.config.window, self.config.stride
        real = features.new_ones(features.shape[:2], dtype=torch.bool) if mask is None else mask.bool()
        windows = self.windows(length)
        missing = max((windows - 1) * stride + size - length, 0)
        x = F.pad(features, (0, 0, 0, missing)).unfold(1, size, stride)[:, :windows].transpose(2, 3)
        x_real = F.pad(real, (0, missing)).unfold(1, size, stride)[:, :windows]
        tokens = self.query(x.flatten(0, 1), x_real.flatten(0, 1))  # (B * W, Q, Dt)
        tokens = tokens.reshape(len(features), windows * self.config.queries, self.config.text_width)
        return zero_masked(tokens, self._token_mask(real, grid))

    def _count(self, n_features: int, grid: Grid | None) -> int:
        return self.windows(n_features) * self.config.queries

    def _token_mask(self, mask: Tensor, grid: Grid | None) -> Tensor:
        counts = [self._count(n, grid) for n in mask.sum(-1).tolist()]
        real = torch.tensor(counts, device=mask.device, dtype=torch.long)
        return torch.arange(self._count(mask.shape[-1], grid), device=mask.device) < real[:, None]
