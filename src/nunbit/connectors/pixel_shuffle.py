"""s x s neighbouring features become one wide feature, then one token: s squared times fewer tokens.

Source: Idefics3, arXiv 2408.12637 (linear map after it); InternVL 1.5, arXiv 2404.16821, sec. 3.1 (an MLP
after it). The parts of a wide feature stand row by row, as in transformers' `Idefics3Connector.pixel_shuffle`.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from nunbit.connectors.base import CONNECTORS, ConnectorConfig, Grid, TokenConnector, blank, square_grid
from nunbit.errors import UserError


@dataclass(frozen=True)
class PixelShuffleConfig(ConnectorConfig):
    """Args:
    factor: s, features a side that become one token.
    mlp: norm, linear, GELU, linear as InternVL does; otherwise one linear map without a bias as Idefics3 does.
    """

    factor: int = 2
    mlp: bool = True


@CONNECTORS.register("pixel_shuffle")
class PixelShuffleConnector(TokenConnector):
    """``(B, h * w, Dv)`` to ``(B, ceil(h / s) * ceil(w / s), Dt)``; other grids get zeros below and right.

    Features after the first ``h * w`` are padding and are left out.
    """

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

    def forward(self, features: Tensor, mask: Tensor | None = None, *, grid: Grid | None = None) -> Tensor:
        shuffled = self.project(self.shuffle(blank(features, mask), grid))
        return shuffled if mask is None else blank(shuffled, self.output_mask(mask, grid))

    def shuffle(self, features: Tensor, grid: Grid | None = None) -> Tensor:
        """``(B, h * w, D)`` to ``(B, M, s * s * D)``."""
        (rows, columns), s = self._grid(features.shape[1], grid), self.factor
        x = features[:, : rows * columns].unflatten(1, (rows, columns))
        x = F.pad(x, (0, 0, 0, -columns % s, 0, -rows % s))
        x = x.unflatten(2, (-1, s)).unflatten(1, (-1, s))  # (B, h/s, s, w/s, s, D)
        return x.transpose(2, 3).flatten(3).flatten(1, 2)

    def tokens(self, n_features: int, grid: Grid | None = None) -> int:
        rows, columns = self._grid(n_features, grid)
        return -(-rows // self.factor) * -(-columns // self.factor)

    def output_mask(self, mask: Tensor, grid: Grid | None = None) -> Tensor:
        return self.shuffle(mask.unsqueeze(-1).float(), grid).any(-1)

    @staticmethod
    def _grid(n_features: int, grid: Grid | None) -> Grid:
        if grid is None:
            return square_grid(n_features)
        if grid[0] * grid[1] > n_features:
            raise UserError(
                f"a grid of {grid[0]} x {grid[1]} for {n_features} features",
                allowed=f"a grid of at most {n_features} cells",
                todo="pass the rows and columns of the features, without a class token",
            )
        return grid
