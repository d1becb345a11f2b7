"""s x s neighbouring features become one wide feature, then one token: s squared times fewer tokens.

Source: Idefics3, arXiv 2408.12637 (linear map after it); InternVL 1.5, arXiv 2404.16821, sec. 3.1 (an MLP
after it). The parts of a wide feature stand row by row, as in transformers' `Idefics3Connector.pixel_shuffle`.

Letters: B images, h and w rows and columns of the grid, s the factor, M tokens, D a width, Dv and Dt widths of the
encoder and the language model.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from nunbit.connectors.base import CONNECTORS, Grid, TokenConnector, square_grid
from nunbit.connectors.blocks import zero_masked
from nunbit.connectors.config import ConnectorConfig


@dataclass(frozen=True)
class PixelShuffleConfig(ConnectorConfig):
    """Sizes of `PixelShuffleConnector`.

    Args:
        factor: s, features a side that become one token.
        mlp: norm, linear, GELU, linear as InternVL does; otherwise one linear map without a bias as Idefics3 does.
    """

    factor: int = 2
    mlp: bool = True


@CONNECTORS.register("pixel_shuffle")
class PixelShuffleConnector(TokenConnector):
    """``(B, h * w, Dv)`` to ``(B, ceil(h / s) * ceil(w / s), Dt)``; other grids get zeros below and to the right."""

    config_class = PixelShuffleConfig
    paper = "InternVL 1.5, arXiv 2404.16821, sec. 3.1; Idefics3, arXiv 2408.12637"

    def __init__(self, config: PixelShuffleConfig) -> None:
        super().__init__(config)
        wide, out = config.vision_width * config.factor**2, config.text_width
        self.factor = config.factor
        self.project: nn.Module
        if config.mlp:
            self.project = nn.Sequential(nn.LayerNorm(wide), nn.Linear(wide, out), nn.GELU(), nn.Linear(out, out))
        else:
            self.project = nn.Linear(wide, out, bias=False)

    def shuffle(self, features: Tensor, grid: Grid | None = None) -> Tensor:
        """``(B, h * w, D)`` to ``(B, M, s * s * D)``."""
        (rows, columns), s = grid or square_grid(features.shape[1]), self.factor
        x = features.unflatten(1, (rows, columns))
        x = F.pad(x, (0, 0, 0, -columns % s, 0, -rows % s))
        x = x.unflatten(2, (-1, s)).unflatten(1, (-1, s))  # (B, h / s, s, w / s, s, D)
        return x.transpose(2, 3).flatten(3).flatten(1, 2)

    def _connect(self, features: Tensor, mask: Tensor | None, grid: Grid | None) -> Tensor:
        tokens = self.project(self.shuffle(features, grid))
        return tokens if mask is None else zero_masked(tokens, self._token_mask(mask, grid))

    def _count(self, n_features: int, grid: Grid | None) -> int:
        rows, columns = grid or square_grid(n_features)
        return -(-rows // self.factor) * -(-columns // self.factor)

    def _token_mask(self, mask: Tensor, grid: Grid | None) -> Tensor:
        return self.shuffle(mask.unsqueeze(-1).float(), grid).any(-1)
