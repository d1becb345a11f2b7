"""One linear map for each feature. Source: LLaVA, arXiv 2304.08485, sec. 4.1, eq. (1).

Letters: B images, N features, Dv and Dt widths of the encoder and the language model.
"""

from __future__ import annotations

from torch import Tensor, nn

from nunbit.connectors.base import CONNECTORS, PerFeatureConnector
from nunbit.connectors.config import ConnectorConfig


@CONNECTORS.register("linear")
class LinearConnector(PerFeatureConnector):
    """H = W Z: ``(B, N, Dv)`` to ``(B, N, Dt)``."""

    paper = "LLaVA, arXiv 2304.08485, sec. 4.1"

    def __init__(self, config: ConnectorConfig) -> None:
        super().__init__(config)
        self.linear = nn.Linear(config.vision_width, config.text_width)

    def _project(self, features: Tensor) -> Tensor:
        return self.linear(features)
