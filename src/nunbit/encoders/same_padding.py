"""Convolutions with TensorFlow's SAME padding, which networks trained there expect.

Legend: B pictures, C channels, H and W sides in pixels.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F


class SameConv(nn.Conv2d):
    """A convolution ``(B, C, H, W) -> (B, C', ceil(H / stride), ceil(W / stride))``.

    For an even side and stride 2 TensorFlow pads more at the right and the bottom; PyTorch's own padding is symmetric.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, *, groups: int = 1, bias: bool = True
    ) -> None:
        super().__init__(
            inputs, outputs, kernel, stride, padding=(kernel - 1) // 2 if stride == 1 else 0, groups=groups, bias=bias
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``(B, C, H, W) -> (B, C', H', W')``."""
        if self.stride[0] == 1:
            return super().forward(x)
        high, wide = (
            max((-(-n // s) - 1) * s + k - n, 0)
            for n, s, k in zip(x.shape[2:], self.stride, self.kernel_size, strict=True)
        )
        return super().forward(F.pad(x, (wide // 2, wide - wide // 2, high // 2, high - high // 2)))


def depthwise(channels: int, kernel: int, stride: int = 1, *, bias: bool = True) -> SameConv:
    """One filter for each channel."""
    return SameConv(channels, channels, kernel, stride, groups=channels, bias=bias)
