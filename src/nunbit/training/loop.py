"""The smallest honest training loop: one stage, a schedule that is a function of the step, true resume.

A batch is a function of the step number, the schedule too, so a checkpoint needs only weights, optimiser, step and the random
state to continue bit for bit.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import torch

from nunbit.errors import UserError, unknown_name
from nunbit.lock import held
from nunbit.training.checkpoints import WAYS, checkpoint, resume
from nunbit.training.distributed import ALONE, Group, clip, join
from nunbit.training.flops import ceiling
from nunbit.training.optimisers import make_optimisers
from nunbit.training.tracking import Journal, step_figures

__all__ = ["Batch", "Stage", "Task", "batches", "share_of_peak", "train"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """What one stage of a recipe does.

    Attributes:
        steps: optimiser steps in all.
        batch: pictures a step.
        micro_batch_size: pictures a forward pass, for tasks that can take a batch in pieces; 0 takes it whole.
        lr: peak learning rate; warm-up is linear, the last ``decay`` part of the steps falls to zero linearly.
        part_lr, part_decay: peak learning rate and weight decay of a task's part where they are not ``lr`` and ``weight_decay``.
        schedule: "flat" as above, or "cosine": linear warm-up from zero, then half a cosine to zero.
        fused: AdamW in one kernel for all tensors.
        muon_lr: peak learning rate of hidden matrices under Muon; 0 leaves everything to AdamW.
        radius: such a matrix may grow until its singular values are this large on average; 0 sets no bound.
        save_every: steps between checkpoints.
        checkpoints: "whole" in one file, "shards" in one a process, or "auto" (`nunbit.training.checkpoints`).
    """

    name: str
    steps: int
    batch: int
    lr: float
    micro_batch_size: int = 0
    part_lr: dict[str, float] = field(default_factory=dict)
    part_decay: dict[str, float] = field(default_factory=dict)
    schedule: str = "flat"
    beta2: float = 0.98
    fused: bool = False
    muon_lr: float = 0.0
    radius: float = 0.0
    warmup: int = 100
    decay: float = 0.3
    weight_decay: float = 0.05
    clip: float = 1.0
    seed: int = 0
    save_every: int = 200
    checkpoints: str = "auto"

    def __post_init__(self) -> None:
        for name, least in (("batch", 1), ("save_every", 1), ("steps", 0), ("micro_batch_size", 0), ("warmup", 0)):
            if getattr(self, name) < least:
                raise UserError(f"{name}={getattr(self, name)} in the stage '{self.name}'", allowed=f"{least} or more")
        if self.checkpoints not in WAYS:
            raise unknown_name("way to write checkpoints", self.checkpoints, WAYS)

    def rate(self, part: str) -> float:
        """Peak learning rate of a part."""
        return self.part_lr.get(part, self.lr)


Batch = dict[str, torch.Tensor]


class Task(Protocol):
    """What the loop needs of a thing that learns.

    A task may also have

    - ``micro_batches(batch, stage)``: parts of a batch whose losses and figures add up to the batch's, each run alone;
    - ``prepare(device, shard)``, called once before anything else;
    - ``sampler_state(step, stage)``: where its sampler stands before a step, kept in checkpoints; the numbers under ``drawn`` are logged;
    - ``operations(batch)``: what a step on the batch has to compute (`nunbit.training.flops`), for the MFU.
    """

    def modules(self) -> dict[str, torch.nn.Module]: ...

    def batch(self, step: int, stage: Stage) -> Batch:
        """The batch of a step, a function of the step alone: may run in another process."""
        ...

    def loss(self, batch: Batch) -> tuple[torch.Tensor, dict[str, float]]: ...


def share_of_peak(step: int, stage: Stage) -> float:
    """Warm-up, plateau, linear decay to zero (at step 0 the first warm-up fraction); or warm-up (from zero) and cosine."""
    if stage.schedule == "cosine":
        if step < stage.warmup:
            return step / stage.warmup
        return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - stage.warmup) / max(1, stage.steps - stage.warmup))))
    falling = max(1, int(stage.steps * stage.decay))
    return min(1.0, (step + 1) / max(1, stage.warmup), max(0.0, (stage.steps - step) / falling))


Examine = Callable[[Any, int, Path], Mapping[str, float]]
"""(task, step, folder) -> figures: asks the model in training something, and leaves the training as it was."""


def train(
    task: Task,
    stage: Stage,
    folder: str | Path,
    *,
    say: Callable[[str], None] = print,
    minutes: float = math.inf,
    device: str = "cpu",
    workers: int = 0,
    shard: bool = False,
    track: Sequence[str] = (),
    examine: Examine | None = None,
    examine_every: int = 0,
) -> int:
    """Train until ``stage.steps`` or until the minutes are over; resume from the folder's checkpoint if there is one.

    Args:
        device: where the model learns; on ``cuda`` in bfloat16 autocast, on a processor in float32 (bfloat16 is slower there).
        workers: processes that draw batches ahead; 0 draws them in this one.
        shard: spread the decoder's layers over the processes of the launcher (`nunbit.training.distributed`).
        track: trackers beside ``log.jsonl`` (`nunbit.training.tracking`).
        examine: called by every process after every ``examine_every`` steps; its figures are logged with the step's.

    Returns:
        The number of steps done in all.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    run = _ready(task, stage, device, shard)
    group = run.group
    with held(folder) if group.rank == 0 else nullcontext():
        step = _resume(run, folder, say)
        journal = Journal(folder, stage.name, stage.steps, track, say) if group.rank == 0 else None
        if journal:
            journal.begin(step)
        began = start = time.perf_counter()
        for batch in batches(task, run.stage, step, workers):
            if group.agree(time.perf_counter() - began >= minutes * 60, device):
                break
            figures = _step(run, batch, step)
            seconds = time.perf_counter() - start
            figures["seconds"] = round(seconds, 4)
            step += 1
            if examine and examine_every and step % examine_every == 0:
                figures |= examine(task, step, folder)
            start = time.perf_counter()
            if journal:
                journal.log_step(step, figures | _figures(run, batch, step, seconds))
            if step % stage.save_every == 0:
                _checkpoint(run, folder, step)
        _checkpoint(run, folder, step)
        if journal:
            journal.close()
    return step


@dataclass(frozen=True, slots=True)
class TrainingRun:
    """A stage that is under way: what learns, by what, where, with whom.

    Attributes:
        peaks: the peak rate of each of the optimisers' parameter groups.
        parameters: what the optimisers move.
        operations_per_second: what this machine could do at most; 0 where the task does not count its operations.
    """

    task: Task
    stage: Stage
    device: str
    group: Group
    modules: dict[str, torch.nn.Module]
    optimisers: list[torch.optim.Optimizer]
    peaks: list[float]
    parameters: list[torch.nn.Parameter]
    operations_per_second: float


def _ready(task: Task, stage: Stage, device: str, shard: bool) -> TrainingRun:
    group = join(device)
    if group.size > 1:
        if not hasattr(task, "micro_batches"):
            raise UserError(
                f"{group.size} processes for the stage '{stage.name}'", allowed="one: its batches are not cut"
            )
        stage = replace(stage, micro_batch_size=min(stage.micro_batch_size or stage.batch, -(-stage.batch // group.size)))
    torch.manual_seed(stage.seed + group.rank)
    if hasattr(task, "prepare"):
        task.prepare(device, shard and group.size > 1)
    modules = {k: m.to(device) for k, m in task.modules().items()}
    optimisers = make_optimisers(modules, stage)
    peaks = [settings["lr"] for o in optimisers for settings in o.param_groups]
    parameters = [p for m in modules.values() for p in m.parameters() if p.requires_grad]
    most = ceiling(device, torch.get_num_threads()) * group.size if hasattr(task, "operations") else 0.0
    return TrainingRun(task, stage, device, group, modules, optimisers, peaks, parameters, most)


def _resume(run: TrainingRun, folder: Path, say: Callable[[str], None]) -> int:
    """Go on from the folder's checkpoint, all processes alike; says so where the samples will not be those the run began with."""
    kept = resume(folder, run.modules, run.optimisers)
    step = int(kept["step"])
    if kept["sampler_state"] and kept["sampler_state"] != _sampler_state(run, step) and run.group.rank == 0:
        say(
            f"{run.stage.name}: data, weights, batch or seed have changed since step {step}; the run goes on with the new ones"
        )
    run.group.same_start(run.modules.values())
    run.group.wait()
    return step


def _checkpoint(run: TrainingRun, folder: Path, step: int) -> None:
    checkpoint(folder, run.modules, run.optimisers, step, run.stage, run.group, _sampler_state(run, step))


def _sampler_state(run: TrainingRun, step: int) -> dict[str, Any]:
    return run.task.sampler_state(step, run.stage) if hasattr(run.task, "sampler_state") else {}


def _figures(run: TrainingRun, batch: Batch, step: int, seconds: float) -> dict[str, float]:
    """What is known of a step beside its loss; ``step`` counts those that are done."""
    share = share_of_peak(step - 1, run.stage)
    rates = {part: round(share * run.stage.rate(part), 10) for part in run.modules}
    out = {"lr_scale": round(share, 6), **step_figures(batch, run.modules, seconds, rates)}
    if run.operations_per_second and hasattr(run.task, "operations"):
        out["mfu"] = round(run.task.operations(batch) / (seconds * run.operations_per_second), 4)
    drawn: dict[str, int] = _sampler_state(run, step).get("drawn", {})
    return out | {f"drawn/{name}": n for name, n in drawn.items()}


def _step(run: TrainingRun, batch: Batch, step: int) -> dict[str, float]:
    """One optimiser step; one whose gradient is not finite changes nothing."""
    every = [settings for o in run.optimisers for settings in o.param_groups]
    for settings, peak in zip(every, run.peaks, strict=True):
        settings["lr"] = peak * share_of_peak(step, run.stage)
    for o in run.optimisers:
        o.zero_grad(set_to_none=True)
    loss, parts = _backward(run.task, batch, run.stage, run.device, run.group)
    run.group.sum_gradients(run.parameters)
    norm = clip(run.parameters, run.stage.clip)
    if torch.isfinite(norm):
        for o in run.optimisers:
            o.step()
    return {"loss": loss, "grad": norm.item(), **parts}


def _backward(
    task: Task, batch: Batch, stage: Stage, device: str, group: Group = ALONE
) -> tuple[float, dict[str, float]]:
    """Loss and figures of a batch, its gradient left in the parameters; in pieces if the task has some, this process's share of them."""
    pieces: list[Batch] = list(task.micro_batches(batch, stage)) if hasattr(task, "micro_batches") else [batch]
    if group.size > 1:
        # All run equally often, or those who still wait for a shard would wait for ever: a missing piece is one that counts nothing.
        nothing = dict(pieces[0])
        if "share" in nothing:
            nothing["share"] = torch.zeros(())
        else:
            nothing["labels"] = torch.full_like(nothing["labels"], -100)
        pieces += [nothing] * (-len(pieces) % group.size)
        pieces = pieces[group.rank :: group.size]
    total, figures = 0.0, dict[str, float]()
    for piece in pieces:
        on_device = {k: v.to(device, non_blocking=True) for k, v in piece.items()}
        with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
            loss, parts = task.loss(on_device)
        loss.backward()
        total += loss.item()
        figures = {k: figures.get(k, 0.0) + v for k, v in parts.items()}
    figures = group.sum({"loss": total} | figures)
    return figures.pop("loss"), figures


def batches(task: Task, stage: Stage, step: int, workers: int) -> Iterable[Batch]:
    """The batches from ``step`` on, in order, whether this process draws them or others do."""
    source = _Steps(task, stage)
    if workers == 0:
        return (source[i] for i in range(step, stage.steps))
    from torch.utils.data import DataLoader

    return DataLoader(
        source,
        batch_size=None,
        sampler=range(step, stage.steps),
        num_workers=workers,
        prefetch_factor=4,
        generator=torch.Generator(),
    )


class _Steps(torch.utils.data.Dataset[Batch]):
    """A task's batches by step. Workers are forked before a step's gradient exists and touch no weights."""

    def __init__(self, task: Task, stage: Stage) -> None:
        self.task, self.stage = task, stage

    def __len__(self) -> int:
        return self.stage.steps

    def __getitem__(self, step: int) -> Batch:
        return self.task.batch(step, self.stage)
