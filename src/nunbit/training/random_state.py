"""The random number generators of every process and device: part of a checkpoint, so that a resumed run draws what the
uninterrupted one would have drawn (dropout, random experts)."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from nunbit.training.distributed import Group

State = dict[str, Any]
"""Generator -> state. The keys of accelerators are their devices: ``cuda:0``, ``mps``."""


def random_state() -> State:
    """The generators of this process: Python's, NumPy's, torch's on the processor and on each accelerator in use."""
    version, keys, gauss = random.getstate()
    kind, words, position, has_gauss, cached = np.random.get_state(legacy=True)
    assert kind == "MT19937"
    state: State = {
        "python": [version, list(keys), gauss],
        "numpy": [torch.from_numpy(np.asarray(words).astype(np.int64)), int(position), int(has_gauss), float(cached)],
        "cpu": torch.get_rng_state(),
    }
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        own = [i for i in range(torch.cuda.device_count()) if torch.cuda.memory_reserved(i)]
        state |= {f"cuda:{i}": torch.cuda.get_rng_state(i) for i in own}
    if torch.backends.mps.is_available():
        state["mps"] = torch.mps.get_rng_state()
    return state


def set_random_state(state: Mapping[str, Any]) -> None:
    """Set the generators to what `random_state` returned; those of a device that is not here are left out."""
    version, keys, gauss = state["python"]
    random.setstate((version, tuple(keys), gauss))
    words, position, has_gauss, cached = state["numpy"]
    np.random.set_state(("MT19937", words.numpy().astype(np.uint32), position, has_gauss, cached))
    torch.set_rng_state(state["cpu"])
    for name, value in state.items():
        kind, _, index = name.partition(":")
        if kind == "cuda" and torch.cuda.is_available() and int(index) < torch.cuda.device_count():
            torch.cuda.set_rng_state(value, int(index))
        if kind == "mps" and torch.backends.mps.is_available():
            torch.mps.set_rng_state(value)


def restore_random_states(kept: Any, group: Group) -> bool:
    """Give each process its own state back.

    Args:
        kept: a state for each process, in order of rank; earlier versions kept the first process's torch state alone.

    Returns:
        Whether this process has the state it had. False where the number of processes has changed: what is drawn then
        follows from the seed.
    """
    if isinstance(kept, torch.Tensor):
        if group.rank == 0:
            torch.set_rng_state(kept)
        return group.size == 1
    states: Sequence[State] = kept
    if len(states) != group.size:
        return False
    set_random_state(states[group.rank])
    return True
