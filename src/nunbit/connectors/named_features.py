"""A connector that starts from words: at each place the weighted sum of the word embeddings of a classifier's names.

Features of a classification network are pooled to a few cells and the whole picture. Each cell's class probabilities
weigh the word embeddings of the class names, so that before any training a picture token lies where the language
model keeps the word for what is there. A direct linear path, zero at first, learns what names leave out.
`NamedFeaturesConnector.start` sets it up from a classifier and a table of embeddings.

Source: class activation mapping, arXiv 1512.04150, sec. 2 (a classifier applied to each cell); the rest is ours.
Letters: B pictures, N features, M tokens, K names, Dv width of the encoder, Dt width of the language model.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nunbit.connectors.base import CONNECTORS, Grid, TokenConnector, square_grid
from nunbit.connectors.config import ConnectorConfig


@dataclass(frozen=True)
class NamedFeaturesConfig(ConnectorConfig):
    """Sizes of `NamedFeaturesConnector`.

    Args:
        names: K, how many names the classifier has.
        side: cells a side that the features are pooled to.
    """

    names: int = 1000
    side: int = 4


@CONNECTORS.register("named_features")
class NamedFeaturesConnector(TokenConnector):
    """``(B, N, Dv)`` to ``(B, side * side + 1, Dt)``: the cells row by row, then the whole picture."""

    config_class = NamedFeaturesConfig
    paper = "Class activation mapping, arXiv 1512.04150; ours"

    def __init__(self, config: NamedFeaturesConfig) -> None:
        super().__init__(config)
        self.side = config.side
        self.classify = nn.Linear(config.vision_width, config.names)
        self.words = nn.Linear(config.names, config.text_width, bias=False)
        self.direct = nn.Linear(config.vision_width, config.text_width, bias=False)
        self.place = nn.Parameter(torch.zeros(config.side**2 + 1, config.text_width))
        self.sharpness = nn.Parameter(torch.ones(()))
        nn.init.zeros_(self.direct.weight)

    @torch.no_grad()
    def start(self, weight: Tensor, bias: Tensor, embeddings: Tensor) -> None:
        """Start from a classifier: its weight ``(K, Dv)``, bias ``(K)`` and the embeddings ``(K, Dt)`` of its names."""
        self.classify.weight.copy_(weight)
        self.classify.bias.copy_(bias)
        self.words.weight.copy_(embeddings.t())

    def _count(self, n_features: int, grid: Grid | None) -> int:
        return self.side**2 + 1

    def _connect(self, features: Tensor, mask: Tensor | None, grid: Grid | None) -> Tensor:
        pooled = self.pool(features, mask, grid)
        names = (self.sharpness * self.classify(pooled)).softmax(-1)
        return self.words(names) + self.direct(pooled) + self.place

    def pool(self, features: Tensor, mask: Tensor | None = None, grid: Grid | None = None) -> Tensor:
        """``(B, N, Dv)`` to ``(B, M, Dv)``: means over the cells of the part of the grid that is real, then over all
        of it."""
        rows, columns = grid or square_grid(features.shape[1])
        n = rows * columns
        given = features.new_ones(features.shape[:2], dtype=torch.bool) if mask is None else mask.bool()
        real = given[:, :n].unflatten(1, (rows, columns))
        weights = torch.einsum(
            "bir,bjc,brc->bijrc", _bins(real.any(2), self.side), _bins(real.any(1), self.side), real.float()
        )
        weights = torch.cat([weights.flatten(3).flatten(1, 2), real.float().flatten(1)[:, None]], 1).to(features.dtype)
        return weights @ features[:, :n] / weights.sum(-1, keepdim=True).clamp(min=1)


def _bins(real: Tensor, side: int) -> Tensor:
    """``(B, n)`` which rows are real -> ``(B, side, n)`` which rows belong to each of ``side`` bins, as adaptive
    pooling divides them."""
    place = torch.arange(real.shape[1], device=real.device)
    length = ((place + 1) * real).amax(1)[:, None] if real.shape[1] else place.new_zeros((len(real), 1))
    bins = torch.arange(side, device=real.device)
    start, end = bins * length // side, -(-(bins + 1) * length // side)
    return ((place >= start[..., None]) & (place < end[..., None])).float()
