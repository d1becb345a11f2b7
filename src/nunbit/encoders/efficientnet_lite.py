"""EfficientNet-Lite as a transformers model: ImageNet's 1,000 names, and a feature map for a connector.

Source: EfficientNet, arXiv 1905.11946, table 1 (scaling of width and depth); the Lite variants have no
squeeze-and-excite, ReLU6
instead of swish, and a stem and head of fixed width. Batch norms are folded into the convolutions.

Legend: B pictures, C channels, H and W sides in pixels, N = h*w cells of the last map (stride 32), K = 1,000 classes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from transformers import AutoConfig, AutoModel, AutoModelForImageClassification, PretrainedConfig, PreTrainedModel
from transformers.utils import ModelOutput

from nunbit.encoders.compact import load_compact
from nunbit.encoders.same_padding import SameConv, depthwise
from nunbit.errors import unknown_name

WEIGHTS = Path(__file__).parents[1] / "perception" / "weights" / "image-names"
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
"""Repeats, kernel, stride, expansion and channels of each stage."""
VARIANTS = {
    "lite0": (1.0, 1.0, 224),
    "lite1": (1.0, 1.1, 240),
    "lite2": (1.1, 1.2, 260),
    "lite3": (1.2, 1.4, 280),
    "lite4": (1.4, 1.8, 300),
}
"""Width, depth and side in pixels."""
STEM, HEAD, BATCH_NORM_EPS = 32, 1280, 1e-3
MEAN, SCALE = 127.0, 128.0
"""Pixel values 0 to 255 become ``(x - 127) / 128``."""


class EfficientNetLiteConfig(PretrainedConfig):
    """Size of the network.

    Args:
        width, depth: factors of the channels and of the repeats.
        image_size: side in pixels that the weights were trained at; others work.
    """

    model_type = "efficientnet-lite"

    def __init__(
        self, width: float = 1.0, depth: float = 1.0, image_size: int = 224, num_labels: int = 1000, **kwargs: Any
    ) -> None:
        self.width, self.depth, self.image_size, self.hidden_size = width, depth, image_size, HEAD
        super().__init__(**{"num_labels": num_labels, **kwargs})

    @classmethod
    def of_variant(cls, name: str) -> EfficientNetLiteConfig:
        """The configuration of ``lite0`` to ``lite4``."""
        if name not in VARIANTS:
            raise unknown_name("EfficientNet-Lite", name, VARIANTS)
        width, depth, side = VARIANTS[name]
        return cls(width, depth, side)


@dataclass
class FeatureMap(ModelOutput):
    """What a connector reads.

    Attributes:
        last_hidden_state: ``(B, N, 1280)``, row by row.
        pooler_output: their mean, ``(B, 1280)``.
        hidden_states: the last map alone, ``(B, 1280, H, W)``, for models that pick a layer by number (-1).
        grid: rows and columns of the map.
    """

    last_hidden_state: torch.Tensor | None = None
    pooler_output: torch.Tensor | None = None
    hidden_states: tuple[torch.Tensor, ...] | None = None
    grid: tuple[int, int] | None = None


@dataclass
class NameLogits(ModelOutput):
    """Logits ``(B, K)`` of the whole picture, and of each cell of the map ``(B, N, K)`` with its grid."""

    logits: torch.Tensor | None = None
    cell_logits: torch.Tensor | None = None
    grid: tuple[int, int] | None = None


class Block(nn.Module):
    """Expand, filter each channel, project. arXiv 1801.04381, sec. 3.3."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = inputs * expansion
        self.expand = nn.Conv2d(inputs, wide, 1) if expansion > 1 else None
        self.depthwise, self.project = depthwise(wide, kernel, stride), nn.Conv2d(wide, outputs, 1)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``(B, C, H, W) -> (B, C', H', W')``."""
        y = x if self.expand is None else F.relu6(self.expand(x))
        y = self.project(F.relu6(self.depthwise(y)))
        return x + y if self.residual else y


class EfficientNetLite(PreTrainedModel):
    """The encoder: pixels -> a map of features."""

    config_class = EfficientNetLiteConfig
    main_input_name = "pixel_values"
    _no_split_modules = ["Block"]

    def __init__(self, config: EfficientNetLiteConfig) -> None:
        super().__init__(config)
        self.stem = SameConv(3, STEM, 3, 2)
        rows = block_rows(config.width, config.depth)
        self.blocks = nn.ModuleList(Block(*row) for row in rows)
        self.head = nn.Conv2d(rows[-1][1], HEAD, 1)
        self.post_init()

    def forward(self, pixel_values: torch.Tensor, output_hidden_states: bool = False, **_: Any) -> FeatureMap:
        """``(B, 3, H, W)`` of ``(x - 127) / 128`` -> features ``(B, N, 1280)`` and their grid."""
        x = F.relu6(self.stem(pixel_values))
        for block in self.blocks:
            x = block(x)
        x = F.relu6(self.head(x))
        cells = x.flatten(2).transpose(1, 2)
        return FeatureMap(cells, cells.mean(1), (x,) if output_hidden_states else None, (x.shape[2], x.shape[3]))


class EfficientNetLiteForImageClassification(PreTrainedModel):
    """The encoder with its classifier."""

    config_class = EfficientNetLiteConfig
    main_input_name = "pixel_values"

    def __init__(self, config: EfficientNetLiteConfig) -> None:
        super().__init__(config)
        self.encoder, self.classifier = EfficientNetLite(config), nn.Linear(HEAD, int(config.num_labels or 0))
        self.post_init()

    @classmethod
    def shipped(cls, folder: Path = WEIGHTS) -> EfficientNetLiteForImageClassification:
        """The one that ships with the package (lite2, int8 file, computed in float32)."""
        model = cls(EfficientNetLiteConfig.from_pretrained(folder))
        model.load_state_dict(load_compact(folder / "model.safetensors"))
        return model.eval()

    def forward(self, pixel_values: torch.Tensor, cells: bool = False, **_: Any) -> NameLogits:
        """``(B, 3, H, W) -> (B, K)``. With ``cells`` also the class activation of each cell (arXiv 1512.04150), ``(B,
        N, K)``."""
        found = self.encoder(pixel_values)
        return NameLogits(
            self.classifier(found.pooler_output),
            self.classifier(found.last_hidden_state) if cells else None,
            found.grid,
        )


def block_rows(width: float, depth: float) -> list[tuple[int, int, int, int, int]]:
    """Input channels, output channels, kernel, stride and expansion of each block. First and last stage are not
    repeated more often."""
    rows, inputs = [], STEM
    for i, (repeats, kernel, stride, expansion, channels) in enumerate(STAGES):
        outputs = round_channels(channels * width)
        for j in range(repeats if i in (0, len(STAGES) - 1) else math.ceil(repeats * depth)):
            rows.append((inputs, outputs, kernel, stride if j == 0 else 1, expansion))
            inputs = outputs
    return rows


def round_channels(channels: float, step: int = 8) -> int:
    """The nearest multiple of 8 that is not below nine tenths of what was asked for."""
    near = max(step, int(channels + step / 2) // step * step)
    return near if near >= 0.9 * channels else near + step


def fold_package_state(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The published state dict (names of ``efficientnet_pytorch``) -> ours, batch norms folded into the convolutions
    before them."""
    out = {"classifier.weight": state["_fc.weight"], "classifier.bias": state["_fc.bias"]}

    def fold(ours: str, conv: str, norm: str) -> None:
        gain = state[f"{norm}.weight"] / (state[f"{norm}.running_var"] + BATCH_NORM_EPS).sqrt()
        out[f"encoder.{ours}.weight"] = state[f"{conv}.weight"] * gain.view(-1, 1, 1, 1)
        out[f"encoder.{ours}.bias"] = state[f"{norm}.bias"] - state[f"{norm}.running_mean"] * gain

    fold("stem", "_conv_stem", "_bn0")
    fold("head", "_conv_head", "_bn1")
    for i in range(1 + max(int(k.split(".")[1]) for k in state if k.startswith("_blocks."))):
        there = f"_blocks.{i}."
        for ours, conv, norm in (
            ("expand", "_expand_conv", "_bn0"),
            ("depthwise", "_depthwise_conv", "_bn1"),
            ("project", "_project_conv", "_bn2"),
        ):
            if f"{there}{conv}.weight" in state:
                fold(f"blocks.{i}.{ours}", there + conv, there + norm)
    return out


AutoConfig.register(EfficientNetLiteConfig.model_type, EfficientNetLiteConfig, exist_ok=True)
AutoModel.register(EfficientNetLiteConfig, EfficientNetLite, exist_ok=True)
AutoModelForImageClassification.register(EfficientNetLiteConfig, EfficientNetLiteForImageClassification, exist_ok=True)
