"""Two linear maps with a GELU between them. Source: LLaVA-1.5, arXiv 2310.03744, sec. 3.2 (`mlp2x_gelu`).

Letters: B images, N features, Dv and Dt widths of the encoder and the language model.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from nunbit.connectors.base import CONNECTORS, PerFeatureConnector
from nunbit.connectors.blocks import activation
from nunbit.connectors.config import ConnectorConfig


@dataclass(frozen=True)
class MLPConfig(ConnectorConfig):
    """Sizes of `MLPConnector`.

    Args:
        activation: between the two layers.
    """

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

    def _project(self, features: Tensor) -> Tensor:
        return self.linear_2(self.act(self.linear_1(features)))
