"""How many samples a forward pass shows, where nobody says: as many as fit in the memory that is free.

One and two of the longest samples are run forward and backward, and counted: from the second on, each sample takes the
same. On a graphics card the size that follows is tried, and halved where the allocator fails; a processor has no such
failure, so that a share of its memory stays unused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from nunbit.errors import UserError
from nunbit.models.free_memory import as_text, available_bytes
from nunbit.training.distributed import Group, local
from nunbit.training.memory import MemoryLimit, local_processes, metered
from nunbit.training.random_state import random_state, set_random_state
from nunbit.training.stage import Batch, Stage

SHARE = 0.75
"""Of the free memory that a step may take: kernels take some of their own, and other programs want some too."""
Run = Callable[[Batch], Any]
"""Forward and backward of a micro-batch."""


@dataclass(frozen=True, slots=True)
class Probe:
    """What a step takes, by samples in a micro-batch.

    Attributes:
        first, each: bytes of the first sample and of every further one.
        state: bytes of gradients and moments, which are there beside them.
        tokens: of the longest sample.
    """

    first: int
    each: int
    state: int
    tokens: int

    def bytes(self, samples: int) -> int:
        """Peak of a step with so many samples in a micro-batch."""
        return self.state + self.first + (samples - 1) * self.each


def measured_stage(
    task: Any,
    stage: Stage,
    device: str,
    group: Group,
    optimisers: Sequence[torch.optim.Optimizer],
    run: Run,
    begun: int,
) -> tuple[Stage, str]:
    """The stage with a micro-batch that fits, and a line for the log; unchanged if it names one.

    All processes call it, and take the size of the one with the least memory. Random numbers and gradients are as
    before.

    Args:
        run: forward and backward of a micro-batch.
        begun: the micro-batch of the run that is resumed, which is kept if it fits; 0 if none.

    Raises:
        UserError: a single sample does not fit.
    """
    piece = task.longest(1, stage) if hasattr(task, "longest") else None
    if stage.micro_batch_size or piece is None:
        return stage, ""
    state, budget = random_state(), min(group.every(SHARE * available_bytes(device) / _sharers(device)))
    try:
        probe = _measure(task, stage, device, run, optimisers, budget)
        wanted = min(begun or stage.batch, stage.batch, -(-stage.batch // group.size))
        fits = _most(probe, budget, wanted) if budget else wanted
        fits = min(group.every(fits))
        if torch.device(device).type == "cuda":
            fits = _tried(task, stage, device, run, group, fits)
    except MemoryLimit as e:
        raise _too_small(stage, len(piece["ids"][0]), budget, str(e)) from None
    finally:
        set_random_state(state)
        _forget_gradients(optimisers)
    if fits < 1:
        raise _too_small(stage, probe.tokens, budget, f"{as_text(probe.bytes(1))} are needed")
    return replace(stage, micro_batch_size=fits), _line(stage, probe, fits, budget)


def _measure(
    task: Any, stage: Stage, device: str, run: Run, optimisers: Sequence[torch.optim.Optimizer], budget: float
) -> Probe:
    gradients, moments = _state_bytes(optimisers)
    most = max(1.0, budget - moments) if budget else None

    def peak(rows: int) -> int:
        return _peak(task.longest(rows, stage), device, run, optimisers, most)

    first = peak(1)
    try:
        each = max(peak(2) - first, 1)
    except MemoryLimit:
        each = int(budget)  # one fits, and no second one
    return Probe(first, each, gradients + moments, int(task.longest(1, stage)["ids"].shape[1]))


def _peak(batch: Batch, device: str, run: Run, optimisers: Sequence[torch.optim.Optimizer], most: float | None) -> int:
    _forget_gradients(optimisers)
    with metered(device, most) as peak:
        run(batch)
    found: int = peak()
    return found


def _most(probe: Probe, budget: float, wanted: int) -> int:
    """The wanted size, halved until it fits; 0 if not even one sample does."""
    while wanted and probe.bytes(wanted) > budget:
        wanted //= 2
    return wanted


def _tried(task: Any, stage: Stage, device: str, run: Run, group: Group, size: int) -> int:
    """The size, halved until its longest samples run on the card. All processes halve together."""
    while size:
        try:
            with metered(device):
                run(task.longest(size, stage))
            failed = False
        except MemoryLimit:
            failed = True
        if not group.any(failed, device):
            return size
        torch.cuda.empty_cache()
        size //= 2
    return 0


def _state_bytes(optimisers: Sequence[torch.optim.Optimizer]) -> tuple[int, int]:
    """Bytes of the gradients of what learns, and of the moments that are not there yet: two under AdamW, one under
    Muon."""
    gradients = moments = 0
    for o in optimisers:
        each = 2 if isinstance(o, torch.optim.AdamW) else 1
        for p in (p for group in o.param_groups for p in group["params"]):
            size = local(p.detach()).nbytes
            gradients, moments = gradients + size, moments + (0 if p in o.state else each * size)
    return gradients, moments


def _forget_gradients(optimisers: Sequence[torch.optim.Optimizer]) -> None:
    for o in optimisers:
        o.zero_grad(set_to_none=True)


def _sharers(device: str) -> int:
    """How many processes share the device's memory."""
    return 1 if torch.device(device).type == "cuda" else local_processes()


def _line(stage: Stage, probe: Probe, fits: int, budget: float) -> str:
    need = f"a step takes {as_text(probe.bytes(fits))}, each further sample {as_text(probe.each)}"
    free = f"of {as_text(budget)} that it may take" if budget else "the free memory is unknown"
    what = f"micro-batches of {fits} of {stage.batch} samples (up to {probe.tokens} tokens)"
    return f"{stage.name}: {what}: {need}, {free}"


def _too_small(stage: Stage, tokens: int, budget: float, why: str) -> UserError:
    return UserError(
        f"one sample of {tokens} tokens does not fit in memory ({why})",
        allowed=f"at most {as_text(budget)} for the stage '{stage.name}'",
        todo="recompute activations (--recompute), leave out long samples (max_tokens=N), train an adapter "
        "(lora.rank=N), or end what else runs here",
    )
