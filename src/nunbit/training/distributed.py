"""Several processes (torchrun, accelerate launch, one node or many): ranks, sums over all, layers sharded by FSDP2.

Each process runs its share of a step's micro-batches. A micro-batch's loss is already over the answers of the whole
batch, so gradients are summed, not averaged, and the result is that of one process whatever their number. What FSDP2
shards (the decoder's layers) it sums itself; the rest is replicated and summed here. One process needs none of this.
"""

from __future__ import annotations

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

    def sum_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Add up the gradients of replicated parameters.

        One that some process's micro-batches reached counts as zero in the others; one that nobody's reached keeps no
        gradient, so that no optimiser moves it: adapters and experts that were not drawn rest, as they do in one
            process.
        """
        whole = [p for p in parameters if not isinstance(p, DTensor)]
        if self.size == 1 or not whole:
            return
        reached = torch.tensor([p.grad is not None for p in whole], dtype=torch.int32, device=whole[0].device)
        dist.all_reduce(reached, dist.ReduceOp.MAX)
        grads = []
        for p, anywhere in zip(whole, reached.tolist(), strict=True):
            if anywhere:
                p.grad = torch.zeros_like(p) if p.grad is None else p.grad
                grads.append(p.grad)
        for same in _buckets(grads):
            flat = torch.cat([g.flatten() for g in same])
            dist.all_reduce(flat)
            for g, part in zip(same, flat.split([g.numel() for g in same]), strict=True):
                g.copy_(part.view_as(g))

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


def join(device: str) -> Group:
    """The group that the launcher's environment describes (RANK, WORLD_SIZE, MASTER_ADDR ...); one process without
    it."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        return ALONE
    if not dist.is_initialized():
        if "MASTER_ADDR" not in os.environ:
            raise UserError(
                "WORLD_SIZE without MASTER_ADDR",
                allowed="torchrun or accelerate launch",
                todo="start with: torchrun --nproc-per-node 2 -m nunbit train ...",
            )
        if device.startswith("cuda"):
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
        dist.init_process_group("nccl" if device.startswith("cuda") else "gloo")
    return Group(dist.get_rank(), dist.get_world_size())


def shard_layers(layers: Iterable[nn.Module], device: str) -> None:
    """Spread each layer's parameters, gradients and moments over the processes (FSDP2). Source: PyTorch FSDP, arXiv
    2304.11277."""
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    mesh = init_device_mesh(device.partition(":")[0], (dist.get_world_size(),))
    for layer in layers:
        fully_shard(layer, mesh=mesh)
        layer.set_gradient_divide_factor(1.0)  # type: ignore[operator]  # sums, as everywhere here
        layer.set_force_sum_reduction_for_comms(True)  # type: ignore[operator]  # gloo can do no other


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


def gathered(state: Any) -> Any:
    """The same nested state with every sharded tensor whole. All processes must call it."""
    if isinstance(state, DTensor):
        return state.full_tensor().cpu()
    if isinstance(state, dict):
        return {k: gathered(v) for k, v in state.items()}
    if isinstance(state, list | tuple):
        return [gathered(v) for v in state]
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
    from torch.distributed.checkpoint.api import CheckpointException

    writer = checkpoint.HuggingFaceStorageWriter(str(folder), save_distributed=True)
    try:
        with warnings.catch_warnings(action="ignore", category=UserWarning):  # that one process is one process
            checkpoint.save(tensors, storage_writer=writer, no_dist=group.size == 1)
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


def _buckets(grads: Sequence[torch.Tensor], most: int = 25_000_000) -> Iterable[list[torch.Tensor]]:
    out: list[torch.Tensor] = []
    held = 0
    for g in grads:
        if out and (held + g.numel() > most or g.dtype != out[0].dtype):
            yield out
            out, held = [], 0
        out.append(g)
        held += g.numel()
    if out:
        yield out
