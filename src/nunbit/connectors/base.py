"""What every connection module shares: its config, its contract and the registry.

A *token* connector turns features of an encoder into tokens that are spliced into the language model's sequence. A
*layer* connector acts inside the decoder layers. Both are registered in `CONNECTORS` by exact name.

Letters: B pictures (or sounds), N features, M tokens, Dv width of the encoder, Dt width of the language model.
"""

from __future__ import annotations

import difflib
import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nunbit.errors import UserError
from nunbit.registry import Registry

CONNECTORS: Registry[type[nn.Module]] = Registry("connector")

Grid = tuple[int, int]
"""Rows and columns of a picture's features, row by row from the top left."""


@dataclass(frozen=True)
class ConnectorConfig:
    """Fields common to all connectors; a connector's own config adds to them.

    Args:
        name: the registered name.
        vision_width: Dv, width of the encoder's features.
        text_width: Dt, width of the language model.
    """

    name: str
    vision_width: int
    text_width: int


class TokenConnector(nn.Module, ABC):
    """Features ``(B, N, Dv)`` to tokens ``(B, M, Dt)``, where M is `tokens(N, grid)`.

    A mask is ``(B, N)`` bool, true where a feature is real. A masked feature never changes a token of a real
    one, whatever its value, and `output_mask` says which of the M tokens stand for something real.
    """

    config_class: ClassVar[type[ConnectorConfig]] = ConnectorConfig
    paper: ClassVar[str]

    def __init__(self, config: ConnectorConfig) -> None:
        super().__init__()
        self.config = config

    @abstractmethod
    def forward(self, features: Tensor, mask: Tensor | None = None, *, grid: Grid | None = None) -> Tensor:
        """``(B, N, Dv)`` to ``(B, M, Dt)``; ``grid`` is one size for the whole batch, a square when it is not given."""

    @abstractmethod
    def tokens(self, n_features: int, grid: Grid | None = None) -> int:
        """M, the number of tokens that ``n_features`` features become."""

    def output_mask(self, mask: Tensor, grid: Grid | None = None) -> Tensor:
        """``(B, N)`` bool to ``(B, M)`` bool: which tokens stand for something real. Here: all of a fixed number."""
        return mask.new_ones(mask.shape[0], self.tokens(mask.shape[-1], grid))


class PerFeatureConnector(TokenConnector):
    """One token a feature; tokens of masked features are zero."""

    def tokens(self, n_features: int, grid: Grid | None = None) -> int:
        return n_features

    def output_mask(self, mask: Tensor, grid: Grid | None = None) -> Tensor:
        return mask.bool()


def blank(features: Tensor, mask: Tensor | None) -> Tensor:
    """Features ``(..., N, D)`` with zeros where the mask ``(..., N)`` is false, so that not even a NaN can leak."""
    return features if mask is None else features.masked_fill(~mask.bool().unsqueeze(-1), 0)


def square_grid(n_features: int) -> Grid:
    """The grid of a square picture with this many features."""
    side = math.isqrt(n_features)
    if side * side != n_features:
        raise UserError(
            f"{n_features} features are not a square picture",
            allowed="a square number of features, or an explicit grid",
            todo="pass grid=(rows, columns)",
        )
    return side, side


def build(name: str, **values: Any) -> nn.Module:
    """Build a connector from its name and the fields of its config: ``build("mlp", vision_width=8, text_width=16)``."""
    cls = CONNECTORS[name]
    config_class = getattr(cls, "config_class", ConnectorConfig)
    known = [f.name for f in fields(config_class) if f.name != "name"]
    for key in values:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            todo = f"did you mean '{near[0]}'?" if near else "name one of these"
            raise UserError(f"the connector '{name}' has no field '{key}'", allowed=", ".join(known), todo=todo)
    missing = [key for key in ("vision_width", "text_width") if key not in values]
    if missing:
        raise UserError(f"the connector '{name}' was given no {' and no '.join(missing)}", todo="give both widths")
    return cls(config_class(name=name, **values))


class CrossAttention(nn.Module):
    """Multi-head attention without biases whose keys and values come from another sequence."""

    def __init__(self, width: int, source_width: int, heads: int, head_dim: int) -> None:
        super().__init__()
        self.heads = heads
        self.q_proj = nn.Linear(width, heads * head_dim, bias=False)
        self.k_proj = nn.Linear(source_width, heads * head_dim, bias=False)
        self.v_proj = nn.Linear(source_width, heads * head_dim, bias=False)
        self.out_proj = nn.Linear(heads * head_dim, width, bias=False)

    def keys_values(self, source: Tensor) -> tuple[Tensor, Tensor]:
        """``(B, S, Ds)`` to keys and values ``(B, heads, S, d)``."""
        return self._split(self.k_proj(source)), self._split(self.v_proj(source))

    def forward(self, x: Tensor, keys_values: tuple[Tensor, Tensor], mask: Tensor | None = None) -> Tensor:
        """``(B, T, D)`` to ``(B, T, D)``; bool ``mask`` broadcasts to ``(B, heads, T, S)``, true where one may look."""
        seen = F.scaled_dot_product_attention(self._split(self.q_proj(x)), *keys_values, attn_mask=mask)
        return self.out_proj(seen.transpose(1, 2).flatten(2))

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)


def feed_forward(width: int, mult: int, act: str) -> nn.Sequential:
    """Norm, up, activation, down; no biases. Source: Flamingo, arXiv 2204.14198, fig. 4 and app. A.1."""
    inner = width * mult
    return nn.Sequential(
        nn.LayerNorm(width), nn.Linear(width, inner, bias=False), activation(act), nn.Linear(inner, width, bias=False)
    )


class SquaredReLU(nn.Module):
    """max(x, 0) squared. Source: Flamingo, arXiv 2204.14198, app. A."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x).square()


ACTIVATIONS: dict[str, type[nn.Module]] = {
    "gelu": nn.GELU, "relu": nn.ReLU, "silu": nn.SiLU, "squared_relu": SquaredReLU,
}  # fmt: skip


def activation(name: str) -> nn.Module:
    if name not in ACTIVATIONS:
        raise UserError(f"unknown activation '{name}'", allowed=", ".join(ACTIVATIONS), todo="name one of these")
    return ACTIVATIONS[name]()
