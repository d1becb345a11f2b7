"""Linear layers whose weights also stand in the order in which a processor's kernel reads them.

A batched step multiplies few rows by large matrices. torch's own product lays a matrix out anew each time; oneDNN's, on
weights packed once,
does not: 8 rows take two thirds of the time, 256 rows the same. A single row is faster without, so the plain weights
    stay.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from nunbit.engine.replace_layer import swap

MOST_BYTES = 1 << 30
"""Packed copies take as much memory as the weights: a model with more than this stays as it is."""


class PackedLinear(nn.Module):
    """A linear layer for inference; the same arithmetic as the layer it stands for, up to rounding."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.weight, self.bias = linear.weight, linear.bias
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.packed = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach(), None)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``(..., Din)`` to ``(..., Dout)``."""
        if x.numel() == self.in_features:
            return F.linear(x, self.weight, self.bias)
        return torch.ops.mkldnn._linear_pointwise(x, self.packed, self.bias, "none", [], "")


def pack(model: Any, most_bytes: int = MOST_BYTES) -> list[str]:
    """Pack the linear layers of a model; returns the names of those packed: none where it cannot be done, or would take
    more memory."""
    linears = [(n, m) for n, m in model.named_modules() if type(m) is nn.Linear]
    fits = all(m.weight.device.type == "cpu" and m.weight.dtype == torch.float32 for _, m in linears)
    if not fits or not torch.backends.mkldnn.is_available() or sum(m.weight.nbytes for _, m in linears) > most_bytes:
        return []
    for name, linear in linears:
        swap(model, name, PackedLinear(linear))
    return [n for n, _ in linears]
