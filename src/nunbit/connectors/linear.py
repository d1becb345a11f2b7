"""One linear map a feature. Source: LLaVA, arXiv 2304.08485, sec. 4.1, eq. (1)."""

from __future__ import annotations

from torch import Tensor, nn

from nunbit.connectors.base import CONNECTORS, ConnectorConfig, Grid, PerFeatureConnector, blank


@CONNECTORS.register("linear")
class LinearConnector(PerFeatureConnector):
    """H = W Z: ``(B, N, Dv)`` to ``(B, N, Dt)``."""

    paper = "LLaVA, arXiv 2304.08485, sec. 4.1"

    def __init__(self, config: ConnectorConfig) -> None:
        super().__init__(config)
        self.linear = nn.Linear(config.vision_width, config.text_width)

    def forward(self, features: Tensor, mask: Tensor | None = None, *, grid: Grid | None = None) -> Tensor:
        return blank(self.linear(blank(features, mask)), mask)
