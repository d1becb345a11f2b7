"""What every connection module shares: its config, its contract and the registry.

A *token* connector turns features of an encoder into tokens that are spliced into the language model's sequence. A
*layer* connector acts inside the decoder layers (`nunbit.connectors.layer`). Both are registered in `CONNECTORS` by
exact name, built with `build(name, **config)` and described by a config that `config_to_dict` turns into JSON values.

A new token connector is one file: a config (if it has fields of its own), a class with `_connect` and `_count`, and
``@CONNECTORS.register``. The contract tests then cover it.

Letters: B images (or sounds), N features, M tokens, Dv width of the encoder, Dt width of the language model,
F frames of a video.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor, nn

from nunbit.connectors.blocks import grid_positions, zero_masked
from nunbit.connectors.config import ConnectorConfig, make_config
from nunbit.errors import UserError
from nunbit.registry import Registry

CONNECTORS: Registry[type[nn.Module]] = Registry("connector")

Grid = tuple[int, int]
"""Rows and columns of an image's features, row by row from the top left."""


class TokenConnector(nn.Module, ABC):
    """Features ``(B, N, Dv)`` to tokens ``(B, M, Dt)``, where M is `tokens(N, grid)`.

    Features come from any encoder: a class token is left out by the caller, and a convolutional encoder's map
    ``(B, Dv, rows, columns)`` is flattened to ``(B, rows * columns, Dv)`` and comes with its grid.

    A mask is ``(B, N)`` bool, true where a feature is real. A masked feature never changes a token of a real one,
    whatever its value, and `output_mask` says which of the M tokens stand for something real. A grid is one size for
    the whole batch; its cells are the first features, and features after them are dropped as padding.

    A connector implements `_connect` and `_count`, and `_token_mask` where some of its tokens may be padding.
    """

    config_class: ClassVar[type[ConnectorConfig]] = ConnectorConfig
    paper: ClassVar[str]

    def __init__(self, config: ConnectorConfig) -> None:
        super().__init__()
        self.config = config

    def forward(self, features: Tensor, mask: Tensor | None = None, *, grid: Grid | None = None) -> Tensor:
        """``(B, N, Dv)`` to ``(B, M, Dt)``.

        Args:
            features: of the encoder.
            mask: ``(B, N)`` bool, true where a feature is real; all are, if it is not given.
            grid: rows and columns of the features; a connector that needs one takes a square if it is not given.

        Raises:
            UserError: another width, a mask of another shape, or a grid with more cells than there are features.
        """
        if features.ndim < 3 or features.shape[-1] != self.config.vision_width:
            raise UserError(
                f"features of shape {tuple(features.shape)}",
                allowed=f"(images, features, {self.config.vision_width})",
                todo="build the connector with the encoder's width as vision_width",
            )
        if mask is not None and mask.shape != features.shape[:-1]:
            raise UserError(
                f"a mask of shape {tuple(mask.shape)} for features of shape {tuple(features.shape)}",
                allowed=f"{tuple(features.shape[:-1])}",
            )
        cells = grid_cells(features.shape[-2], grid)
        if cells < features.shape[-2]:
            features, mask = features[..., :cells, :], None if mask is None else mask[..., :cells]
        return self._connect(zero_masked(features, mask), mask, grid)

    def tokens(self, n_features: int, grid: Grid | None = None) -> int:
        """M, the number of tokens that ``n_features`` features (in this grid) become."""
        return self._count(grid_cells(n_features, grid), grid)

    def output_mask(self, mask: Tensor, grid: Grid | None = None) -> Tensor:
        """``(B, N)`` bool to ``(B, M)`` bool: which tokens stand for something real."""
        return self._token_mask(mask[..., : grid_cells(mask.shape[-1], grid)].bool(), grid)

    @abstractmethod
    def _connect(self, features: Tensor, mask: Tensor | None, grid: Grid | None) -> Tensor:
        """``(B, N, Dv)``, zero where masked, to ``(B, M, Dt)``; N is the grid's cells if there is a grid."""

    @abstractmethod
    def _count(self, n_features: int, grid: Grid | None) -> int:
        """M for ``n_features`` features, which are the grid's cells if there is a grid."""

    def _token_mask(self, mask: Tensor, grid: Grid | None) -> Tensor:
        """``(B, N)`` bool to ``(B, M)`` bool. Here: all of a fixed number of tokens are real."""
        return mask.new_ones(mask.shape[0], self._count(mask.shape[-1], grid))


class PerFeatureConnector(TokenConnector):
    """One token for each feature; tokens of masked features are zero. A connector implements `_project`."""

    @abstractmethod
    def _project(self, features: Tensor) -> Tensor:
        """``(B, N, Dv)`` to ``(B, N, Dt)``, feature by feature."""

    def _connect(self, features: Tensor, mask: Tensor | None, grid: Grid | None) -> Tensor:
        return zero_masked(self._project(features), mask)

    def _count(self, n_features: int, grid: Grid | None) -> int:
        return n_features

    def _token_mask(self, mask: Tensor, grid: Grid | None) -> Tensor:
        return mask


def grid_cells(n_features: int, grid: Grid | None) -> int:
    """How many features belong to the grid; all of them without one.

    Raises:
        UserError: a grid with no cell, or with more cells than there are features.
    """
    if grid is None:
        return n_features
    rows, columns = grid
    if rows < 0 or columns < 0 or rows * columns > n_features:
        raise UserError(
            f"a grid of {rows} x {columns} for {n_features} features",
            allowed=f"a grid of at most {n_features} cells",
            todo="pass the rows and columns of the features, without a class token",
        )
    return rows * columns


def square_grid(n_features: int) -> Grid:
    """The grid of a square image with this many features.

    Raises:
        UserError: the number is not a square.
    """
    side = math.isqrt(n_features)
    if side * side != n_features:
        raise UserError(
            f"{n_features} features are not a square picture",
            allowed="a square number of features, or an explicit grid",
            todo="pass grid=(rows, columns)",
        )
    return side, side


def add_grid_positions(features: Tensor, mask: Tensor | None, grid: Grid | None) -> Tensor:
    """Features ``(B, N, Dv)`` or ``(B, F, N, Dv)`` plus fixed 2-D positions, zero again where masked.

    For queries, which cannot tell otherwise where a convolutional encoder's feature lies. Source of the idea:
    Qwen-VL, arXiv 2308.12966, sec. 2.1.
    """
    rows, columns = grid or square_grid(features.shape[-2])
    return zero_masked(features + grid_positions(rows, columns, features.shape[-1], features), mask)


def build(name: str, **values: Any) -> nn.Module:
    """Build a connector from its name and the fields of its config.

        build("mlp", vision_width=8, text_width=16)
        build(**config_to_dict(connector.config))       # an equal config, freshly initialised weights

    Raises:
        UserError: an unknown name or field (it names the nearest), a missing width, or a value of another type.
    """
    cls = CONNECTORS[name]
    return cls(make_config(_config_class(cls), name, values))


def config_from_dict(values: Mapping[str, Any]) -> ConnectorConfig:
    """The config that `config_to_dict` wrote, of the class that its ``name`` says; for errors see `build`."""
    if "name" not in values:
        raise UserError("the config of a connector without a name", allowed=", ".join(CONNECTORS))
    rest = {k: v for k, v in values.items() if k != "name"}
    return make_config(_config_class(CONNECTORS[values["name"]]), values["name"], rest)


def _config_class(cls: type[nn.Module]) -> type[ConnectorConfig]:
    return getattr(cls, "config_class", ConnectorConfig)
