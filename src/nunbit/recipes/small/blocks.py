"""A model's weights in blocks of 32 with four or eight bits a value: a third of bfloat16, for a way that takes few
bytes.

Weights that were opened from a file in such blocks (GGUF's Q4_1 and Q8_0) lose no more than bfloat16's rounding: the
ends of a block's sixteen levels are its smallest and its largest value.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch

BLOCK = 32
LOW, STEP, CODES, SHAPE = ".low", ".step", ".codes", ".shape"


def pack_blocks(
    state: Mapping[str, torch.Tensor], eight_bits: tuple[str, ...] = ("embed_tokens",)
) -> dict[str, torch.Tensor]:
    """Matrices as codes with a lowest value and a step for each block; everything else as it is.

    Args:
        eight_bits: parts of names whose matrices keep eight bits.
    """
    out: dict[str, torch.Tensor] = {}
    for name, value in state.items():
        if value.dim() != 2 or value.shape[1] % (2 * BLOCK):
            out[name] = value.contiguous()
            continue
        levels = 255 if any(part in name for part in eight_bits) else 15
        blocks = value.float().reshape(-1, BLOCK)
        low = blocks.amin(1, keepdim=True)
        step = ((blocks.amax(1, keepdim=True) - low) / levels).clamp(min=1e-12)
        codes = ((blocks - low) / step).round().clamp(0, levels).to(torch.uint8).flatten()
        if levels == 15:
            codes = codes[::2] | codes[1::2] << 4
        out |= {
            name + CODES: codes,
            name + LOW: low.flatten().half(),
            name + STEP: step.flatten().half(),
            name + SHAPE: torch.tensor(value.shape),
        }
    return out


def unpack_blocks(held: Mapping[str, torch.Tensor], dtype: torch.dtype = torch.bfloat16) -> dict[str, torch.Tensor]:
    """The state dict of `pack_blocks`."""
    out: dict[str, torch.Tensor] = {}
    for key, value in held.items():
        if not key.endswith((CODES, LOW, STEP, SHAPE)):
            out[key] = value
        elif key.endswith(CODES):
            name = key.removesuffix(CODES)
            shape = held[name + SHAPE].tolist()
            codes = value if len(value) == shape[0] * shape[1] else torch.stack((value & 15, value >> 4), 1).flatten()
            blocks = (
                codes.view(-1, BLOCK).float() * held[name + STEP].float()[:, None] + held[name + LOW].float()[:, None]
            )
            out[name] = blocks.view(shape).to(dtype)
    return out


def shrink(folder: Path, out: Path) -> None:
    """A model's folder with its weights in blocks."""
    import shutil

    from safetensors.torch import load_file, save_file

    out.mkdir(parents=True, exist_ok=True)
    for file in folder.iterdir():
        if file.suffix == ".safetensors":
            save_file(pack_blocks(load_file(file)), out / (file.stem + ".blocks"))
        elif file.is_file():
            shutil.copy(file, out / file.name)


def grow(folder: Path) -> None:
    """The weights back in bfloat16, beside the blocks."""
    from safetensors.torch import load_file, save_file

    for file in folder.glob("*.blocks"):
        target = file.with_suffix(".safetensors")
        if not target.exists():
            save_file(unpack_blocks(load_file(file)), target, metadata={"format": "pt"})
