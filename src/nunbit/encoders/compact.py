"""Small weight files: matrices and convolutions as int8 with one scale an output channel, the rest as float16.

A convolutional network whose batch norms are folded loses nothing that a test can measure by this, and its file is a
quarter as large.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch

from nunbit.errors import UserError
from nunbit.files import whole

SCALE = ".scale"
INT8_MIN_VALUES = 4096
"""Smaller tensors stay float16: they cost little, and depthwise filters have few values to share a scale."""


def save_compact(
    state: Mapping[str, torch.Tensor], path: Path, *, int8: bool, metadata: dict[str, str] | None = None
) -> None:
    """Write a state dict in float16, and with ``int8`` its large tensors in int8 with scales."""
    from safetensors.torch import save_file

    out: dict[str, torch.Tensor] = {}
    for name, value in state.items():
        if int8 and value.dim() > 1 and value.numel() >= INT8_MIN_VALUES and value.shape[1] > 1:
            out[name], out[name + SCALE] = _quantise(value.float())
        else:
            out[name] = value.to(torch.float16).contiguous()
    with whole(path) as beside:
        save_file(out, beside, metadata=metadata)


def load_compact(path: Path) -> dict[str, torch.Tensor]:
    """The state dict of `save_compact` in float32.

    Raises:
        UserError: the file is missing or damaged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        held = load_file(path)
    except (OSError, SafetensorError) as e:
        raise UserError(f"'{path}' cannot be opened ({type(e).__name__})", allowed="a file written by nunbit") from None
    state = {}
    for name, value in held.items():
        if name.endswith(SCALE) and name.removesuffix(SCALE) in held:
            continue
        scale = held.get(name + SCALE)
        state[name] = (
            value.float() if scale is None else value.float() * scale.float().view(-1, *[1] * (value.dim() - 1))
        )
    return state


def _quantise(value: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """``(O, ...)`` float -> int8 of the same shape and ``(O,)`` float32 scales."""
    scale = value.flatten(1).abs().amax(1).clamp(min=1e-12) / 127
    codes = (value / scale.view(-1, *[1] * (value.dim() - 1))).round().clamp(-127, 127).to(torch.int8)
    return codes.contiguous(), scale
