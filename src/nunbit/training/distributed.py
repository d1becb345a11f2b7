"""Several processes (torchrun, accelerate launch, one node or many): ranks, sums over all, states whole or sharded.

Each process runs its share of a step's micro-batches. A micro-batch's loss is already over the answers of the whole
batch, so gradients are summed, not averaged, and the result is that of one process whatever their number. Gradients are
summed in `nunbit.training.gradient_sums`, those of a sharded model by FSDP (`nunbit.training.sharding`).
"""

from __future__ import annotations

import atexit
import os
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.tensor import DTensor, distribute_tensor

from nunbit.errors import UserError


@dataclass(frozen=True, slots=True)
class Group:
    """The processes of a run; of one, every method does nothing."""

    rank: int = 0
    size: int = 1

    def sum(self, values: dict[str, float]) -> dict[str, float]:
        """Add up figures by name; a process that lacks one (its pieces showed no Hangul, say) counts as zero."""
        if self.size == 1:
            return values
        every = self.every(values)
        return {k: sum(one.get(k, 0.0) for one in every) for one in every for k in one}

    def every(self, value: Any) -> list[Any]:
        """The value of each process, in order of rank."""
        if self.size == 1:
            return [value]
        found: list[Any] = [None] * self.size
        dist.all_gather_object(found, value)
        return found

    def agree(self, stop: bool, device: str) -> bool:
        """Whether the first process wants to stop."""
        if self.size == 1:
            return stop
        flag = torch.tensor(int(stop), device=device)
        dist.broadcast(flag, 0)
        return bool(flag)

    def any(self, flag: bool, device: str) -> bool:
        """Whether the flag is true in some process."""
        if self.size == 1:
            return flag
        found = torch.tensor(int(flag), device=device)
        dist.all_reduce(found, dist.ReduceOp.MAX)
        return bool(found)

    def wait(self) -> None:
        """Return once every process has come here."""
        if self.size > 1:
            dist.barrier()

    def same_start(self, modules: Iterable[nn.Module]) -> None:
        """Everybody begins with the first process's weights."""
        if self.size > 1:
            for m in modules:
                for p in m.parameters():
                    if not isinstance(p, DTensor):
                        dist.broadcast(p.data, 0)


ALONE = Group()


def own_device(device: str) -> str:
    """The device of this process: with several processes on graphics cards the card of its local rank."""
    if torch.device(device).type == "cuda" and int(os.environ.get("WORLD_SIZE", "1")) > 1:
        return f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
    return device


def on_device(place: torch.device, device: str) -> bool:
    """Whether a place is the named device: any card is "cuda", one of them "cuda:1"."""
    wanted = torch.device(device)
    return place.type == wanted.type and wanted.index in (None, place.index)


def join(device: str) -> Group:
    """The group that the launcher's environment describes (RANK, WORLD_SIZE, MASTER_ADDR ...); one process without it.

    On a graphics card that of this process becomes the current one.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    card = torch.device(own_device(device))
    if card.type == "cuda" and card.index is not None:
        torch.cuda.set_device(card)
    if size == 1:
        return ALONE
    if not dist.is_initialized():
        if "MASTER_ADDR" not in os.environ:
            raise UserError(
                "WORLD_SIZE without MASTER_ADDR",
                allowed="torchrun or accelerate launch",
                todo="start with: torchrun --nproc-per-node 2 -m nunbit train ...",
            )
        dist.init_process_group("nccl" if device.startswith("cuda") else "gloo")
        atexit.register(_leave_group)
    return Group(dist.get_rank(), dist.get_world_size())


def _leave_group() -> None:
    """End the group's threads before the interpreter ends: one that still runs then aborts the process."""
    if dist.is_initialized():
        dist.destroy_process_group()


def is_sharded(parameters: Iterable[nn.Parameter]) -> bool:
    """Whether some of the parameters are spread over the processes."""
    return any(isinstance(p, DTensor) for p in parameters)


def clip_gradients(parameters: Sequence[nn.Parameter], most: float) -> torch.Tensor:
    """`torch.nn.utils.clip_grad_norm_` for whole and sharded gradients together.

    Returns:
        The norm over everything, a scalar.
    """
    if not is_sharded(parameters):
        return torch.nn.utils.clip_grad_norm_(parameters, most)
    whole = [p.grad for p in parameters if p.grad is not None and not isinstance(p.grad, DTensor)]
    parts = [p.grad.to_local() for p in parameters if isinstance(p.grad, DTensor)]
    mine = torch.stack([g.float().square().sum() for g in parts]).sum()
    dist.all_reduce(mine)
    norm = (mine + sum((g.float().square().sum() for g in whole), torch.zeros_like(mine))).sqrt()
    factor = torch.clamp(most / (norm + 1e-6), max=1.0)
    for g in (*whole, *parts):
        g.mul_(factor)
    return norm


def local(value: torch.Tensor) -> torch.Tensor:
    """This process's part ``(local rows, ...)`` of a tensor: all of it, unless it is sharded."""
    return value.to_local() if isinstance(value, DTensor) else value


def gathered(state: Any, keep: bool = True) -> Any:
    """The same nested state with every sharded tensor whole, one after another. All processes must call it.

    Args:
        keep: hold the whole tensors; the processes that do not write them need none.
    """
    if isinstance(state, DTensor):
        whole = state.full_tensor()
        return whole.cpu() if keep else None
    if isinstance(state, dict):
        return {k: gathered(v, keep) for k, v in state.items()}
    if isinstance(state, list | tuple):
        return [gathered(v, keep) for v in state]
    return state


def like(value: torch.Tensor, model: torch.Tensor) -> torch.Tensor:
    """A whole tensor, laid out over the processes as ``model`` is, which has the same shape as it."""
    if isinstance(model, DTensor):
        return distribute_tensor(value.to(model.device), model.device_mesh, model.placements)
    return value


def load_module(module: nn.Module, state: dict[str, torch.Tensor]) -> None:
    """As ``module.load_state_dict``, whole tensors laid out as the module's are."""
    held = module.state_dict()
    module.load_state_dict({k: like(v, held[k]) if k in held else v for k, v in state.items()})


def load_optimiser(optimiser: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """As ``optimiser.load_state_dict``, moments laid out as their parameters are."""
    parameters = [p for group in optimiser.param_groups for p in group["params"]]
    moments = {
        i: {
            k: like(v, parameters[i]) if isinstance(v, torch.Tensor) and v.shape == parameters[i].shape else v
            for k, v in one.items()
        }
        for i, one in state["state"].items()
    }
    # The layout may have changed since: how a step is computed is the new optimiser's business, not the checkpoint's.
    kept = ("fused", "foreach")
    groups = [
        {**g, **{k: now[k] for k in kept if k in now}}
        for g, now in zip(state["param_groups"], optimiser.param_groups, strict=True)
    ]
    optimiser.load_state_dict({"state": moments, "param_groups": groups})


def write_shards(folder: Path, tensors: dict[str, torch.Tensor], group: Group) -> None:
    """Each process writes its part of the tensors into the folder, as safetensors: nothing is pickled. All processes
    must call it."""
    from torch.distributed import checkpoint

    writer = checkpoint.HuggingFaceStorageWriter(str(folder), save_distributed=True)
    _write(folder, tensors, writer, group.size == 1)


def write_model_shards(folder: Path, tensors: dict[str, torch.Tensor], files: dict[str, int]) -> None:
    """As `write_shards`, then the first process joins the parts into files of whole tensors, a piece at a time.

    Args:
        files: number of each tensor's file, from 1.
    """
    from torch.distributed import checkpoint

    writer = checkpoint.HuggingFaceStorageWriter(
        str(folder), fqn_to_index_mapping=files, save_distributed=True, enable_consolidation=True
    )
    _write(folder, tensors, writer, False)


def _write(folder: Path, tensors: dict[str, torch.Tensor], writer: Any, alone: bool) -> None:
    from torch.distributed import checkpoint
    from torch.distributed.checkpoint.api import CheckpointException

    try:
        with warnings.catch_warnings(action="ignore", category=UserWarning):  # that one process is one process
            checkpoint.save(tensors, storage_writer=writer, no_dist=alone)
    except CheckpointException as e:  # no Exception to Python, and it would pass every handler
        raise OSError(f"'{folder}' could not be written ({str(e)[:200]})") from None


def shapes_of_shards(folder: Path) -> dict[str, tuple[torch.Size, torch.dtype]]:
    """Whole shape and type of every tensor in a folder of `write_shards`."""
    from torch.distributed.checkpoint import HuggingFaceStorageReader

    found: Any = HuggingFaceStorageReader(str(folder)).read_metadata().state_dict_metadata
    return {k: (one.size, one.properties.dtype) for k, one in found.items()}


def read_shards(folder: Path, tensors: dict[str, torch.Tensor]) -> None:
    """Fill the tensors, whole or sharded over any number of processes, from a folder of `write_shards`. All processes
    must call it."""
    from torch.distributed import checkpoint
    from torch.distributed.checkpoint.api import CheckpointException

    reader = checkpoint.HuggingFaceStorageReader(str(folder))
    try:
        with warnings.catch_warnings(action="ignore", category=UserWarning):
            checkpoint.load(tensors, storage_reader=reader, no_dist=not dist.is_initialized())
    except CheckpointException as e:
        raise ValueError(str(e)[:200]) from None
