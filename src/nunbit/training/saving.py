"""Trained models in the form that transformers opens; of a sharded one each process writes its own part, and nobody
holds it whole."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from nunbit.models.checkpoint import save, save_new
from nunbit.training.adapters import save_adapter
from nunbit.training.distributed import Group, gathered, is_sharded, write_model_shards

FILE_BYTES = 4 << 30
"""Size from which a model's weights are in several files."""
PARTS = "sharded"
"""Folder of the processes' parts, until they are joined file by file."""


def save_trained(model: Any, processor: Any, folder: Path, group: Group) -> None:
    """Save a model that learnt; all processes call it."""
    model.requires_grad_(True).eval()
    if is_sharded(model.parameters()):
        save_sharded(model, processor, folder, group)
    elif group.rank == 0:
        save(model.cpu(), processor, folder)
    group.wait()


def save_base(model: Any, processor: Any, folder: Path, group: Group) -> None:
    """Save a model as the base of adapters, unless the folder is there already; all processes call it."""
    model.requires_grad_(True).eval()
    if not folder.exists() and is_sharded(model.parameters()):
        aside = folder.with_name(folder.name + ".part")
        save_sharded(model, processor, aside, group)
        if group.rank == 0:
            aside.rename(folder)
    elif not folder.exists() and group.rank == 0:
        save_new(model, processor, folder)
    group.wait()


def save_sharded(model: Any, processor: Any, folder: Path, group: Group) -> None:
    """Write a sharded model's weights under the names that transformers gives them, then its config and processor."""
    from transformers.core_model_loading import revert_weight_conversion

    own = {name for name, _ in model.named_parameters()} | {name for name, _ in model.named_buffers()}  # tied ones once
    state = {k: v for k, v in model.state_dict().items() if k in own}
    state = revert_weight_conversion(model, state)
    folder.mkdir(parents=True, exist_ok=True)
    group.wait()
    places = files_of(state)
    write_model_shards(folder, state, places)
    if group.rank == 0:
        shutil.rmtree(folder / PARTS)
        if max(places.values()) == 1:
            (folder / "model-00001-of-00001.safetensors").rename(folder / "model.safetensors")
            (folder / "model.safetensors.index.json").unlink()
        model.config.architectures = [type(model).__name__]
        model.config.save_pretrained(folder)
        if model.can_generate():
            model.generation_config.save_pretrained(folder)
        processor.save_pretrained(folder)
    group.wait()


def files_of(state: Mapping[str, torch.Tensor]) -> dict[str, int]:
    """The file of each tensor, numbered from 1, none larger than `FILE_BYTES` unless one tensor is."""
    out: dict[str, int] = {}
    number, held = 1, 0
    for name, tensor in state.items():
        size = tensor.numel() * tensor.element_size()
        if held and held + size > FILE_BYTES:
            number, held = number + 1, 0
        out[name], held = number, held + size
    return out


def save_trained_adapter(model: Any, processor: Any, folder: Path, group: Group) -> None:
    """Save a peft model's adapters and the connector beside them; all processes call it, the first holds them whole."""
    small = {k: v for k, v in model.state_dict().items() if "lora_" in k or "modules_to_save" in k}
    state = gathered(small, keep=group.rank == 0) if group.size > 1 else None
    if group.rank == 0:
        save_adapter(model if state else model.cpu(), processor, folder, state)
    group.wait()
