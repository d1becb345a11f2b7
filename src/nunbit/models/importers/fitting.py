"""Reading the tensors of a released checkpoint, and fitting those whose shapes differ in a known way.

Letters: n rows and columns of CLIP's grid of patches, V words of the vocabulary, D a width.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from nunbit.models.importers.report import LoadReport

POSITIONS = "vit.vision_tower.vision_model.embeddings.position_embedding.weight"
WORDS = "model.tok_embeddings.weight"


def weight_files(root: Path) -> list[Path]:
    """The folder's safetensors files; where there is an index, only its files."""
    index = root / "model.safetensors.index.json"
    if index.is_file():
        named = json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()
        return [root / name for name in sorted(set(named))]
    return sorted(root.glob("model*.safetensors")) or sorted(root.glob("*.safetensors"))


def tensors(root: Path) -> Iterator[tuple[str, Tensor]]:
    """Name and tensor, such as ``(V, D)``, of everything in the folder's safetensors files, one at a time."""
    for file in weight_files(root):
        for key in tensor_shapes(file):
            yield key, read_tensor(file, key)


def tensor_shapes(file: Path) -> dict[str, tuple[tuple[int, ...], str]]:
    """Name -> shape and type of the tensors in a file, from its header alone."""
    from safetensors import safe_open

    with safe_open(str(file), framework="pt") as opened:
        parts = {key: opened.get_slice(key) for key in opened.keys()}  # noqa: SIM118 - not a dictionary
        return {key: (tuple(part.get_shape()), part.get_dtype()) for key, part in parts.items()}


def read_tensor(file: Path, key: str) -> Tensor:
    """One tensor, such as ``(V, D)``.

    The file is opened for it alone: an open file keeps every page that was read in memory.
    """
    from safetensors import safe_open

    with safe_open(str(file), framework="pt") as opened:
        return opened.get_tensor(key)


def fit(key: str, value: Tensor, shape: tuple[int, ...]) -> tuple[Tensor | None, str]:
    """The tensor in the wanted shape, and how it was changed; None where nothing known explains the difference.

    Positions ``(1 + n * n, D)`` are resized, and word embeddings ``(V, D)`` may grow.
    """
    if tuple(value.shape) == shape:
        return value, ""
    if key == POSITIONS and value.shape[1:] == shape[1:]:
        return resize_positions(value, shape[0]), f"resized from {len(value)} to {shape[0]} rows"
    if key == WORDS and len(value) < shape[0] and value.shape[1:] == shape[1:]:
        mean = value.float().mean(0, keepdim=True).to(value.dtype)
        rows = mean.expand(shape[0] - len(value), -1)
        return torch.cat([value, rows]), f"{len(rows)} rows for new tokens added"
    return None, f"{tuple(value.shape)} is not {shape}"


def resize_positions(table: Tensor, rows: int) -> Tensor:
    """CLIP's positions ``(1 + n * n, D)`` to ``(rows, D)``: bicubic, through float16 as released; row 0 stays."""
    old, new = round((len(table) - 1) ** 0.5), round((rows - 1) ** 0.5)
    grid = table[1:].float().T.reshape(1, -1, old, old)
    patches = F.interpolate(grid, size=(new, new), mode="bicubic", align_corners=False).flatten(2)[0].T
    return torch.cat([table[:1], patches.half().to(table.dtype)])


def note(report: LoadReport, key: str, change: str) -> None:
    """Enter a loaded tensor in the report, with what was changed, if anything."""
    if change:
        report.remade[key] = change
    else:
        report.matched.append(key)
