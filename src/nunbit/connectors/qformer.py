"""Q-Former: learned queries read the features; its blocks are those of transformers' BLIP-2.

Source: BLIP-2, arXiv 2301.12597, sec. 3.1.

Letters: B images, N features, M queries (the tokens that come out), Dv and Dt widths of the encoder and the language
model.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nunbit.connectors.base import CONNECTORS, Grid, TokenConnector, add_grid_positions
from nunbit.connectors.config import ConnectorConfig


@dataclass(frozen=True)
class QFormerConfig(ConnectorConfig):
    """Sizes of `QFormerConnector`.

    Args:
        queries: M, tokens that come out.
        width: of the queries and of all layers, a multiple of ``heads``.
        depth: layers.
        heads: attention heads.
        cross_every: every how many layers the queries attend to the features, from the first on.
        ff_mult: width of the feed-forward layer in multiples of ``width``.
        dropout: in training, of the attention and of the layers' outputs.
        grid_positions: add fixed 2-D positions to the features, for encoders without positions (convolutional ones).
    """

    queries: int = 32
    width: int = 768
    depth: int = 12
    heads: int = 12
    cross_every: int = 2
    ff_mult: int = 4
    dropout: float = 0.1
    grid_positions: bool = False


class QFormerBase(TokenConnector):
    """Queries, blocks and the map to Dt, shared by the Q-Former of images and the windowed one of sounds."""

    config: QFormerConfig

    def __init__(self, config: QFormerConfig) -> None:
        from transformers import Blip2QFormerConfig, Blip2QFormerModel

        super().__init__(config)
        self.queries = nn.Parameter(torch.randn(config.queries, config.width) * 0.02)
        self.qformer = Blip2QFormerModel(
            Blip2QFormerConfig(
                hidden_size=config.width,
                num_hidden_layers=config.depth,
                num_attention_heads=config.heads,
                intermediate_size=config.width * config.ff_mult,
                encoder_hidden_size=config.vision_width,
                cross_attention_frequency=config.cross_every,
                hidden_dropout_prob=config.dropout,
                attention_probs_dropout_prob=config.dropout,
            )
        )
        self.project = nn.Linear(config.width, config.text_width)

    def query(self, features: Tensor, mask: Tensor | None) -> Tensor:
        """``(B, N, Dv)`` to ``(B, M, Dt)``; a row without a real feature gives finite tokens of no meaning.

        Args:
            features: zero where masked.
            mask: ``(B, N)`` bool, true where a feature is real.
        """
        if not len(features):
            return self.project(self.queries.expand(0, -1, -1))
        if mask is not None:
            mask = mask.bool() | ~mask.bool().any(-1, keepdim=True)  # a softmax over nothing would be NaN
        queries = self.queries.expand(len(features), -1, -1)
        out = self.qformer(query_embeds=queries, encoder_hidden_states=features, encoder_attention_mask=mask)
        return self.project(out.last_hidden_state)


@CONNECTORS.register("qformer")
class QFormerConnector(QFormerBase):
    """``(B, N, Dv)`` to ``(B, M, Dt)``."""

    config_class = QFormerConfig
    paper = "BLIP-2, arXiv 2301.12597, sec. 3.1"

    def _connect(self, features: Tensor, mask: Tensor | None, grid: Grid | None) -> Tensor:
        if self.config.grid_positions:
            features = add_grid_positions(features, mask, grid)
        return self.query(features, mask)

    def _count(self, n_features: int, grid: Grid | None) -> int:
        return len(self.queries)
