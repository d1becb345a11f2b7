"""Checkpoints: everything a run needs to continue bit for bit, there whole or not at all, whatever kills the process.

  last.pt           one file of whole tensors, written beside and renamed: the default
  shards-STEP/      for models that no process could hold whole: each process its own part (safetensors), and
                    ``state.pt`` with the rest; written as shards-STEP.part and renamed. All processes must see the same
                    folder.

Either resumes with any number of processes, sharded or not.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from nunbit.errors import UserError
from nunbit.files import whole
from nunbit.training.aliases import saved_entry
from nunbit.training.distributed import (
    ALONE,
    Group,
    gathered,
    is_sharded,
    load_module,
    load_optimiser,
    read_shards,
    shapes_of_shards,
    write_shards,
)
from nunbit.training.random_state import random_state, restore_random_states

if TYPE_CHECKING:
    from nunbit.training.stage import Stage

Modules = Mapping[str, torch.nn.Module]
Optimisers = Sequence[torch.optim.Optimizer]
LARGE = 1_000_000_000
"""Learning parameters from which a sharded run writes shards: whole, they and their moments are 12 GB in one
process."""


def checkpoint(
    folder: Path,
    modules: Modules,
    optimisers: Optimisers,
    step: int,
    stage: Stage,
    group: Group = ALONE,
    sampler_state: Mapping[str, Any] | None = None,
) -> None:
    """Write the run's state; all processes call it.

    Args:
        sampler_state: the sampler's, for a resumed run to compare with its own.

    Raises:
        OSError: it could not be written; the checkpoint before is as it was.
    """
    state = {
        "step": step,
        "stage": asdict(stage),
        "rng": group.every(random_state()),
        "sampler_state": dict(sampler_state or {}),
    }
    try:
        if in_shards(stage, modules):
            _write_shards(folder, modules, optimisers, state, group)
        else:
            _write_whole(folder, modules, optimisers, state, group)
    finally:
        group.wait()


def in_shards(stage: Stage, modules: Modules) -> bool:
    """Whether this run's checkpoints are shards."""
    if stage.checkpoints != "auto":
        return stage.checkpoints == "shards"
    learning = [p for m in modules.values() for p in m.parameters()]
    return is_sharded(learning) and sum(p.numel() for p in learning) >= LARGE


def restore(folder: Path, modules: Modules, optimisers: Optimisers = ()) -> int:
    """Load the newest checkpoint into the modules (and the optimisers, if given); returns its step, 0 if there is none.

    Raises:
        UserError: a damaged file, or one of another model.
    """
    return int(resume(folder, modules, optimisers)["step"])


def resume(folder: Path, modules: Modules, optimisers: Optimisers = (), group: Group = ALONE) -> dict[str, Any]:
    """As `restore`; returns ``step``, the sampler's ``sampler_state``, whether random numbers continue: ``rng``, and
    the settings of the ``stage`` that wrote it."""
    path = newest(folder)
    if path is None:
        return {"step": 0, "sampler_state": {}, "rng": True, "stage": {}}
    try:
        state = (_read_shards if path.is_dir() else _read_whole)(path, modules, optimisers)
        same = restore_random_states(state["rng"], group) if optimisers else True
        position = saved_entry(state, "sampler_state", {})
        return {"step": int(state["step"]), "sampler_state": position, "rng": same, "stage": dict(state["stage"])}
    except Exception as e:  # torch raises many kinds for one thing
        raise UserError(
            f"the checkpoint '{path}' is damaged or of another model ({type(e).__name__}: {str(e)[:200]})",
            allowed="a checkpoint of this recipe and these sizes",
            todo="name another folder with -o, or remove the file",
        ) from None


def newest(folder: Path) -> Path | None:
    """The checkpoint to resume from. There are two only where a kill came between writing one and removing the
    other."""
    shards = [p for p in sorted(folder.glob("shards-*")) if p.suffix != ".part"]
    last = folder / "last.pt"
    if not shards:
        return last if last.exists() else None
    if last.exists() and torch.load(last, weights_only=True, mmap=True)["step"] > int(shards[-1].name[7:]):
        return last
    return shards[-1]


def _write_whole(folder: Path, modules: Modules, optimisers: Optimisers, state: dict[str, Any], group: Group) -> None:
    state = state | {
        "optimisers": [o.state_dict() for o in optimisers],
        "modules": {k: m.state_dict() for k, m in modules.items()},
    }
    if group.size > 1:
        state = gathered(state, keep=group.rank == 0)
    if group.rank == 0:
        with whole(folder / "last.pt") as beside:
            _save(state, beside)
        _remove_older(folder, folder / "last.pt")


def _write_shards(folder: Path, modules: Modules, optimisers: Optimisers, state: dict[str, Any], group: Group) -> None:
    done = folder / f"shards-{state['step']:08}"
    beside = done.with_name(done.name + ".part")
    if done.exists():  # the last step of a run is often one that was saved already
        return
    if group.rank == 0:
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir()
    group.wait()
    kept = [o.state_dict() for o in optimisers]
    write_shards(beside, _tensors(modules) | {k: v for k, v in _moments(kept) if isinstance(v, torch.Tensor)}, group)
    if group.rank == 0:
        _save(state | {"groups": [k["param_groups"] for k in kept]}, beside / "state.pt")
        os.replace(beside, done)
        _remove_older(folder, done)


def _read_whole(path: Path, modules: Modules, optimisers: Optimisers) -> dict[str, Any]:
    state: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
    for name, module in modules.items():
        load_module(module, saved_entry(state["modules"], name))
    if optimisers:
        for optimiser, kept in zip(optimisers, state["optimisers"], strict=True):
            load_optimiser(optimiser, kept)
    return state


def _read_shards(path: Path, modules: Modules, optimisers: Optimisers) -> dict[str, Any]:
    state: dict[str, Any] = torch.load(path / "state.pt", weights_only=True, map_location="cpu")
    found, wanted = shapes_of_shards(path), _tensors(modules)
    theirs = {
        k: shape for k, (shape, _) in found.items() if k.split("/")[0] == "modules" and k.split("/")[1] in modules
    }
    if theirs != {k: v.shape for k, v in wanted.items()}:
        raise ValueError(f"{len(theirs)} tensors, where the model has {len(wanted)}, or others in shape")
    states: list[dict[str, Any]] = []
    for number, optimiser in enumerate(optimisers):
        parameters = [p for g in optimiser.param_groups for p in g["params"]]
        moments: dict[int, dict[str, torch.Tensor]] = {}
        for key, (shape, dtype) in found.items():
            kind, *where = key.split("/")
            if kind == "optimisers" and where[0] == str(number):
                p = parameters[int(where[1])]
                own = torch.zeros_like(p, dtype=dtype) if shape == p.shape else torch.zeros(shape, dtype=dtype)
                moments.setdefault(int(where[1]), {})[where[2]] = own
        states.append({"state": moments, "param_groups": state["groups"][number]})
    read_shards(path, wanted | dict(_moments(states)))
    for optimiser, kept in zip(optimisers, states, strict=True):
        load_optimiser(optimiser, kept)
    return state


def _tensors(modules: Modules) -> dict[str, torch.Tensor]:
    return {f"modules/{part}/{k}": v for part, m in modules.items() for k, v in m.state_dict().items()}


def _moments(states: Sequence[Mapping[str, Any]]) -> list[tuple[str, Any]]:
    """Every entry of the optimisers' states under a name of its own: optimisers/NUMBER/PARAMETER/ENTRY."""
    return [
        (f"optimisers/{n}/{i}/{k}", v)
        for n, s in enumerate(states)
        for i, one in s["state"].items()
        for k, v in one.items()
    ]


def _save(state: dict[str, Any], path: Path) -> None:
    try:
        with path.open("wb") as f:
            torch.save(state, f)
            f.flush()
            os.fsync(f.fileno())
    except RuntimeError as e:  # torch's own writer has one kind of error for a full disk and for all else
        raise OSError(
            f"the checkpoint of step {state['step']} could not be written into '{path.parent}' ({str(e)[:80]})"
        ) from None


def _remove_older(folder: Path, kept: Path) -> None:
    """Remove the checkpoints that the new one follows."""
    remove: Callable[[Path], Any]
    for path in (folder / "last.pt", *folder.glob("shards-*")):
        if path != kept and path.exists():
            remove = shutil.rmtree if path.is_dir() else Path.unlink
            remove(path)
