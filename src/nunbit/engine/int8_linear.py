"""8-bit linear layers on a processor: weights in int8 per output channel, activations quantised as they come.

One kernel of torch (FBGEMM / oneDNN), the fastest measured for prefill on processors with VNNI. Embeddings, norms,
convolutions and the
LM head keep their precision: the head decides between close answers.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from nunbit.engine.replace_layer import swap
from nunbit.errors import UserError

NARROW = not torch.cpu._is_vnni_supported()
"""Without VNNI pairs of products are added in 16 bits and would overflow: activations get seven bits there instead of
eight."""


class Int8Linear(nn.Module):
    """A linear layer for inference; input ``(..., in)``, output ``(..., out)`` in float32."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        weight = linear.weight.detach().float()
        scale = (weight.abs().amax(1) / 127).clamp_min(1e-8)
        held = torch.quantize_per_channel(
            weight, scale.double(), torch.zeros(len(scale), dtype=torch.long), 0, torch.qint8
        )
        bias = None if linear.bias is None else linear.bias.detach().float()
        self.packed = torch.ops.quantized.linear_prepack(held, bias)
        self.in_features, self.out_features = linear.in_features, linear.out_features

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``(..., Din)`` to ``(..., Dout)``."""
        return torch.ops.quantized.linear_dynamic(x, self.packed, reduce_range=NARROW)


def quantise(model: Any, *, skip: tuple[str, ...] = ("lm_head",)) -> list[str]:
    """Replace the linear layers of a model on the processor; returns the names of those replaced.

    Raises:
        UserError: the model is not on a processor in float32, or this processor has no such kernel.
    """
    first = next(model.parameters())
    if first.device.type != "cpu" or first.dtype != torch.float32:
        raise UserError(f"int8 for a model in {first.dtype} on {first.device}", allowed="float32 on cpu")
    if "none" in (engine := torch.backends.quantized.engine):
        raise UserError(f"int8 on a processor without a kernel for it ({engine})", todo="leave --int8 out")
    linears = [
        (n, m)
        for n, m in model.named_modules()
        if isinstance(m, nn.Linear) and not any(s in n.split(".") for s in skip)
    ]
    for name, linear in linears:
        swap(model, name, Int8Linear(linear))
    return [n for n, _ in linears]
