"""CenterNet on MobileNetV3: a small detector of COCO's 80 names, trained on photographs.

The network gives a heat map for each class and the distances from each cell to the four sides of the box around it.
An object is a local
maximum of the heat. Source: CenterNet, arXiv 1904.07850, sec. 4; MobileNetV3-Large, arXiv 1905.02244, table 1, with a
feature pyramid
that joins strides 4 to 32. Batch norms are folded into the convolutions.

Legend: B pictures, C channels, H and W sides in pixels (multiples of 32), h = H/4 and w = W/4 cells, K = 80 classes,
T kept peaks.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple, cast

import torch
from torch import nn
from torch.nn import functional as F

from nunbit.encoders.compact import load_compact
from nunbit.encoders.same_padding import SameConv, depthwise

WEIGHTS = Path(__file__).parents[1] / "perception" / "weights" / "coco-detector" / "model.safetensors"
STRIDE = 4
CLASSES = 80
DISTANCE_SCALE = 16.0
"""The network predicts distances in units of 16 pixels."""
SIXTH = 0.1666259765625
"""1/6 in float16: the constant of hard swish as the weights were stored."""

BLOCKS = (
    # in, kernel, expanded, out, squeeze, hard swish, stride
    (16, 3, 16, 16, 0, False, 1), (16, 3, 64, 24, 0, False, 2), (24, 3, 72, 24, 0, False, 1),
    (24, 5, 72, 32, 24, False, 2), (32, 5, 96, 32, 24, False, 1), (32, 5, 96, 32, 24, False, 1),
    (32, 3, 192, 64, 0, True, 2), (64, 3, 160, 64, 0, True, 1),
    (64, 3, 144, 64, 0, True, 1), (64, 3, 144, 64, 0, True, 1),
    (64, 3, 384, 88, 96, True, 1), (88, 3, 528, 88, 136, True, 1),
    (88, 5, 528, 120, 136, True, 2), (120, 5, 720, 120, 184, True, 1), (120, 5, 720, 120, 184, True, 1),
)  # fmt: skip


def hard_sigmoid(x: torch.Tensor) -> torch.Tensor:
    """Elementwise; same shape as the input."""
    return SIXTH * F.relu6(x + 3)


def hard_swish(x: torch.Tensor) -> torch.Tensor:
    """Elementwise; same shape as the input."""
    return x * hard_sigmoid(x)


class SqueezeExcite(nn.Module):
    """Scales each channel by what the whole picture shows. arXiv 1905.02244, sec. 5.3."""

    def __init__(self, channels: int, squeezed: int) -> None:
        super().__init__()
        self.reduce, self.expand = nn.Conv2d(channels, squeezed, 1), nn.Conv2d(squeezed, channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``(B, C, H, W) -> (B, C, H, W)``."""
        return x * hard_sigmoid(self.expand(F.relu(self.reduce(x.mean((2, 3), keepdim=True)))))


class InvertedResidual(nn.Module):
    """Expand, filter each channel, project. The first block has nothing to expand."""

    def __init__(
        self, inputs: int, kernel: int, expanded: int, outputs: int, squeezed: int, swish: bool, stride: int
    ) -> None:
        super().__init__()
        self.expand = nn.Conv2d(inputs, expanded, 1) if expanded != inputs else None
        self.depthwise = depthwise(expanded, kernel, stride)
        self.squeeze_excite = SqueezeExcite(expanded, squeezed) if squeezed else None
        self.project = nn.Conv2d(expanded, outputs, 1)
        self.activation = hard_swish if swish else F.relu
        self.residual = stride == 1 and inputs == outputs

    def widen(self, x: torch.Tensor) -> torch.Tensor:
        """The expanded features, ``(B, C, H, W)``; the pyramid reads some of them at their full resolution."""
        return x if self.expand is None else self.activation(self.expand(x))

    def narrow(self, wide: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """Expanded features ``(B, C, H, W)`` and the block's input -> the block's output ``(B, C', H', W')``."""
        y = self.activation(self.depthwise(wide))
        if self.squeeze_excite is not None:
            y = self.squeeze_excite(y)
        y = self.project(y)
        return x + y if self.residual else y


class Lateral(nn.Module):
    """A backbone stage brought to the pyramid's width."""

    def __init__(self, inputs: int, squeezed: int, outputs: int) -> None:
        super().__init__()
        self.reduce, self.depthwise = nn.Conv2d(inputs, squeezed, 1), depthwise(squeezed, 5, bias=False)
        self.project = nn.Conv2d(squeezed, outputs, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``(B, C, H, W) -> (B, C', H, W)``."""
        return self.project(self.depthwise(F.relu(self.reduce(x))))


class Upsample(nn.Module):
    """Two filters of different size, added, then twice the resolution."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.depthwise_x, self.project_x = depthwise(inputs, 3, bias=False), nn.Conv2d(inputs, outputs, 1)
        self.depthwise_y, self.project_y = depthwise(inputs, 5, bias=False), nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``(B, C, H, W) -> (B, C', 2H, 2W)``."""
        return _double(self.project_x(self.depthwise_x(x)) + self.project_y(self.depthwise_y(x)))


def _double(x: torch.Tensor) -> torch.Tensor:
    """TensorFlow's first bilinear resize: cell i of the result reads position i / 2, ``(B, C, H, W) -> (B, C, 2H,
    2W)``."""
    for side in (2, 3):
        after = torch.cat([x.narrow(side, 1, x.shape[side] - 1), x.narrow(side, x.shape[side] - 1, 1)], side)
        x = torch.stack([x, (x + after) / 2], side + 1).flatten(side, side + 1)
    return x


class Peaks(NamedTuple):
    """The strongest local maxima: boxes ``(B, T, 4)`` in input pixels, scores ``(B, T)``, classes ``(B, T)``."""

    boxes: torch.Tensor
    scores: torch.Tensor
    classes: torch.Tensor


class CenterNet(nn.Module):
    """The detector. `forward` gives the maps, `peaks` the boxes in them."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = SameConv(3, 16, 3, 2)
        self.blocks = nn.ModuleList(InvertedResidual(*row) for row in BLOCKS)
        self.top = nn.Conv2d(120, 480, 1)
        self.lateral = nn.ModuleDict({"2": Lateral(72, 18, 64), "3": Lateral(96, 24, 96), "4": Lateral(88, 22, 128)})
        self.upsample = nn.ModuleDict({"5": Upsample(480, 128), "4": Upsample(256, 96), "3": Upsample(192, 64)})
        self.gate_reduce, self.gate_expand = nn.Conv2d(128, 32, 1), nn.Conv2d(32, 128, 1, bias=False)
        self.class_filter, self.class_out = depthwise(128, 3, bias=False), nn.Conv2d(128, CLASSES, 1)
        self.side_filter, self.side_out = depthwise(128, 3, bias=False), nn.Conv2d(128, 4, 1)

    @classmethod
    def from_pretrained(cls, file: Path = WEIGHTS) -> CenterNet:
        """The detector with the weights that ship with the package."""
        net = cls()
        net.load_state_dict(load_compact(file))
        return net.eval()

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """RGB values 0 to 255 ``(B, 3, H, W)`` -> class heat and side distances.

        The heat is ``(B, K, h, w)`` in 0 to 1, the distances ``(B, 4, h, w)`` in pixels.
        """
        c2, c3, c4, c5 = self._backbone(pixels)
        x = self.upsample["5"](c5)
        x = self.upsample["4"](F.relu(torch.cat([self.lateral["4"](c4), x], 1)))
        x = self.upsample["3"](F.relu(torch.cat([self.lateral["3"](c3), x], 1)))
        x = F.relu(torch.cat([self.lateral["2"](c2), x], 1))
        x = x * self.gate_expand(F.relu(self.gate_reduce(x.mean((2, 3), keepdim=True)))).sigmoid()
        return self.class_out(self.class_filter(x)).sigmoid(), self.side_out(self.side_filter(x)) * DISTANCE_SCALE

    def _backbone(self, pixels: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Features at strides 4, 8, 16 and 32."""
        x = hard_swish(self.stem(pixels))
        c2 = c3 = c4 = x
        for i, block in enumerate(cast(Iterable[InvertedResidual], self.blocks)):
            wide = block.widen(x)
            c2, c3 = (wide, c3) if i == 3 else (c2, wide) if i == 5 else (c2, c3)
            x = block.narrow(wide, x)
            c4 = x if i == 11 else c4
        return c2, c3, c4, hard_swish(self.top(x))

    @staticmethod
    def peaks(heat: torch.Tensor, sides: torch.Tensor, count: int = 100) -> Peaks:
        """Local maxima of the heat ``(B, K, h, w)`` in 3 x 3 cells, the strongest T = ``count`` over all classes."""
        best = heat * (heat == F.max_pool2d(heat, 3, 1, 1))
        wide = heat.shape[3]
        scores, places = best.flatten(1).topk(min(count, best[0].numel()))
        classes, cells = places // (heat.shape[2] * wide), places % (heat.shape[2] * wide)
        left, top, right, bottom = (sides.flatten(2)[:, i].gather(1, cells) for i in range(4))
        x, y = cells % wide * STRIDE, cells // wide * STRIDE
        return Peaks(torch.stack([x - left, y - top, x + right, y + bottom], -1), scores, classes)
