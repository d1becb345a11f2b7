"""Two linear maps with a GELU between. Source: LLaVA-1.5, arXiv 2310.03744, sec. 3.2 (`mlp2x_gelu`)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from nunbit.connectors.base import CONNECTORS, ConnectorConfig, Grid, PerFeatureConnector, activation, blank


@dataclass(frozen=True)
class MLPConfig(ConnectorConfig):
    """Args: activation: between the two layers."""

    activation: str = "gelu"


@CONNECTORS.register("mlp")
class MLPConnector(PerFeatureConnector):
    """``(B, N, Dv)`` to ``(B, N, Dt)``; the parameters are named as in transformers' `LlavaMultiModalProjector`."""

    config_class = MLPConfig
    paper = "LLaVA-1.5, arXiv 2310.03744, sec. 3.2"

    def __init__(self, config: MLPConfig) -> None:
        super().__init__(config)
        self.linear_1 = nn.Linear(config.vision_width, config.text_width)
        self.act = activation(config.activation)
        self.linear_2 = nn.Linear(config.text_width, config.text_width)

    def forward(self, features: Tensor, mask: Tensor | None = None, *, grid: Grid | None = None) -> Tensor:
        return blank(self.linear_2(self.act(self.linear_1(blank(features, mask)))), mask)
