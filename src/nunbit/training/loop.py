"""The training loop: one stage, a schedule that is a function of the step, exact resume.

A batch is a function of the step number, and so is the learning rate: a checkpoint needs only weights, optimiser, step
and random state for the run to continue bit for bit.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from nunbit.errors import UserError
from nunbit.lock import held
from nunbit.training.checkpoints import checkpoint, resume
from nunbit.training.distributed import ALONE, Group, clip_gradients, join, own_device
from nunbit.training.flops import ceiling
from nunbit.training.gradient_sums import GradientSums
from nunbit.training.micro_batch import measured_stage
from nunbit.training.non_finite import NonFiniteGuard, weights_are_finite
from nunbit.training.optimisers import make_optimisers
from nunbit.training.options import RunOptions
from nunbit.training.stage import Batch, Stage, Task, lr_scale
from nunbit.training.tracking import Journal, step_figures

__all__ = ["Batch", "RunOptions", "Stage", "Task", "batches", "lr_scale", "train"]


def train(task: Task, stage: Stage, folder: str | Path, options: RunOptions = RunOptions()) -> int:
    """Train until ``stage.steps`` or until the minutes are over; resume from the folder's checkpoint if there is one.

    Returns:
        The number of steps done in all.

    Raises:
        UserError: the run diverged (`nunbit.training.non_finite`), the checkpoint does not fit, or another process
            writes to the folder.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    run = _ready(task, stage, options)
    group = run.group
    with held(folder) if group.rank == 0 else nullcontext():
        run, step = _resume(run, folder, options.say)
        first = group.rank == 0
        journal = Journal(folder, stage.name, stage.steps, options.track, options.say) if first else None
        if journal:
            journal.begin(step)
        try:
            step = _steps(run, folder, step, journal, options)
        finally:
            if journal:
                journal.close()
    return step


def _steps(run: TrainingRun, folder: Path, step: int, journal: Journal | None, options: RunOptions) -> int:
    """The steps from ``step`` on, with their log lines, evaluations and checkpoints; returns the number of steps done
    in all."""
    guard = NonFiniteGuard(run.stage.name, folder, options.say if run.group.rank == 0 else lambda _: None)
    began = start = time.perf_counter()
    for batch in batches(run.task, run.stage, step, options.workers):
        if run.group.agree(time.perf_counter() - began >= options.minutes * 60, run.device):
            break
        figures, skipped = _step(run, batch, step)
        seconds = time.perf_counter() - start
        figures["seconds"] = round(seconds, 4)
        step += 1
        if options.evaluate and options.evaluate_every and step % options.evaluate_every == 0:
            figures |= options.evaluate(run.task, step, folder)
        start = time.perf_counter()
        if journal:
            journal.log_step(step, figures | _figures(run, batch, step, seconds))
        guard.count(step, skipped)
        # A state whose gradient is not finite never takes the place of the checkpoint before it.
        if step % run.stage.save_every == 0 and not skipped:
            _checkpoint(run, folder, step, guard)
    guard.finish(step)
    _checkpoint(run, folder, step, guard)
    return step


@dataclass(frozen=True, slots=True)
class TrainingRun:
    """A stage that is under way: its task, its optimisers, its device, its processes.

    Attributes:
        peaks: the peak learning rate of each of the optimisers' parameter groups.
        parameters: what the optimisers move.
        operations_per_second: what this machine could do at most; 0 where the task does not count its operations.
        sums: of gradients over the processes.
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
    sums: GradientSums


def _ready(task: Task, stage: Stage, options: RunOptions) -> TrainingRun:
    group, device = join(options.device), own_device(options.device)
    if group.size > 1:
        if not hasattr(task, "micro_batches"):
            raise UserError(
                f"{group.size} processes for the stage '{stage.name}'", allowed="one: its batches cannot be split"
            )
        if stage.micro_batch_size or not hasattr(task, "longest"):
            share = -(-stage.batch // group.size)
            stage = replace(stage, micro_batch_size=min(stage.micro_batch_size or stage.batch, share))
    torch.manual_seed(stage.seed + group.rank)
    if hasattr(task, "set_execution"):
        task.set_execution(options)
    if hasattr(task, "divide"):
        task.divide(group.rank, group.size)
    if hasattr(task, "prepare"):
        task.prepare(device, options.shard and group.size > 1)
    modules = {k: m.to(device) for k, m in task.modules().items()}
    optimisers = make_optimisers(modules, stage)
    peaks = [settings["lr"] for o in optimisers for settings in o.param_groups]
    parameters = [p for m in modules.values() for p in m.parameters() if p.requires_grad]
    most = ceiling(device, torch.get_num_threads()) * group.size if hasattr(task, "operations") else 0.0
    sums = GradientSums(parameters, group)
    return TrainingRun(task, stage, device, group, modules, optimisers, peaks, parameters, most, sums)


def _resume(run: TrainingRun, folder: Path, say: Callable[[str], None]) -> tuple[TrainingRun, int]:
    """Load the folder's checkpoint in every process, and measure the micro-batch; warns where the samples will not be
    those the run began with."""
    kept = resume(folder, run.modules, run.optimisers, run.group)
    step = int(kept["step"])
    if not kept["rng"] and run.group.rank == 0:
        say(
            f"{run.stage.name}: the checkpoint of step {step} is of another number of processes; random numbers "
            "(dropout, random experts) are drawn anew"
        )
    if kept["sampler_state"] and kept["sampler_state"] != _sampler_state(run, step) and run.group.rank == 0:
        changed = f"data, weights, batch or seed have changed since step {step}"
        say(f"{run.stage.name}: {changed}; the run continues with the new ones")
    run.group.same_start(run.modules.values())
    run.group.wait()
    if step < run.stage.steps:
        run = _measured(run, int(kept["stage"].get("micro_batch_size", 0)), say)
    return run, step


def _measured(run: TrainingRun, begun: int, say: Callable[[str], None]) -> TrainingRun:
    """The run with a micro-batch that fits in memory, which is said."""

    def once(piece: Batch) -> None:
        _loss_backward(run.task, piece, run.device)

    stage, line = measured_stage(run.task, run.stage, run.device, run.group, run.optimisers, once, begun)
    if line and run.group.rank == 0:
        say(line)
    return replace(run, stage=stage)


def _checkpoint(run: TrainingRun, folder: Path, step: int, guard: NonFiniteGuard) -> None:
    if not weights_are_finite(run.modules.values(), run.group):
        raise guard.error(step, "its weights are not finite, or absurdly large")
    checkpoint(folder, run.modules, run.optimisers, step, run.stage, run.group, _sampler_state(run, step))


def _sampler_state(run: TrainingRun, step: int) -> dict[str, Any]:
    return run.task.sampler_state(step, run.stage) if hasattr(run.task, "sampler_state") else {}


def _figures(run: TrainingRun, batch: Batch, step: int, seconds: float) -> dict[str, float]:
    """Figures of a step beside its loss; ``step`` counts those that are done."""
    scale = lr_scale(step - 1, run.stage)
    rates = {part: round(scale * run.stage.peak_lr(part), 10) for part in run.modules}
    out = {"lr_scale": round(scale, 6), **step_figures(batch, run.modules, seconds, rates)}
    if run.operations_per_second and hasattr(run.task, "operations"):
        out["mfu"] = round(run.task.operations(batch) / (seconds * run.operations_per_second), 4)
    drawn: dict[str, int] = _sampler_state(run, step).get("drawn", {})
    return out | {f"drawn/{name}": n for name, n in drawn.items()}


def _step(run: TrainingRun, batch: Batch, step: int) -> tuple[dict[str, float], bool]:
    """One optimiser step: its figures, and whether it was skipped because its gradient is not finite."""
    every = [settings for o in run.optimisers for settings in o.param_groups]
    for settings, peak in zip(every, run.peaks, strict=True):
        settings["lr"] = peak * lr_scale(step, run.stage)
    for o in run.optimisers:
        o.zero_grad(set_to_none=True)
    loss, parts = _backward(run.task, batch, run.stage, run.device, run.group, run.sums)
    run.sums.finish()
    for p in run.task.resting(batch) if hasattr(run.task, "resting") else ():
        p.grad = None
    norm = clip_gradients(run.parameters, run.stage.clip)
    finite = bool(torch.isfinite(norm))
    if finite:
        for o in run.optimisers:
            o.step()
    return {"loss": loss, "grad": norm.item(), **parts}, not finite


def mixed_precision(device: str) -> torch.autocast:
    """Autocast in bfloat16 on any CUDA device ("cuda", "cuda:1"); none elsewhere."""
    kind = torch.device(device).type
    return torch.autocast(kind, torch.bfloat16, enabled=kind == "cuda")


def _backward(
    task: Task, batch: Batch, stage: Stage, device: str, group: Group = ALONE, sums: GradientSums | None = None
) -> tuple[float, dict[str, float]]:
    """Loss and figures of a batch, its gradient left in the parameters; this process runs its share of the
    micro-batches."""
    total, figures = 0.0, dict[str, float]()
    parts = _share(task, batch, stage, group)
    for number, part in enumerate(parts, 1):
        if sums and number == len(parts):
            sums.arm()
        loss, found = _loss_backward(task, part, device)
        total += loss
        figures = {k: figures.get(k, 0.0) + v for k, v in found.items()}
    figures = group.sum({"loss": total} | figures)
    return figures.pop("loss"), figures


def _loss_backward(task: Task, part: Batch, device: str) -> tuple[float, dict[str, float]]:
    """Loss and figures of a micro-batch, its gradient added to the parameters'."""
    on_device = {k: _moved(v, device) for k, v in part.items()}
    with mixed_precision(device):
        loss, found = task.loss(on_device)
    if loss.requires_grad:  # not where nothing of what learns is reached, such as a connector by words alone
        loss.backward()
    return loss.item(), found


def _moved(value: torch.Tensor, device: str) -> torch.Tensor:
    """A tensor on the device; to a graphics card through pinned memory, so that the copy runs beside what computes."""
    if torch.device(device).type == "cuda" and value.device.type == "cpu" and not value.is_pinned():
        value = value.pin_memory()
    return value.to(device, non_blocking=True)


def _share(task: Task, batch: Batch, stage: Stage, group: Group) -> list[Batch]:
    """This process's micro-batches: as many as every other's, since sharded layers wait for each other. A missing one
    counts nothing."""
    parts: list[Batch] = list(task.micro_batches(batch, stage)) if hasattr(task, "micro_batches") else [batch]
    if group.size == 1:
        return parts
    parts += [_nothing(task, parts[0])] * (-len(parts) % group.size)
    return parts[group.rank :: group.size]


def _nothing(task: Task, part: Batch) -> Batch:
    """A micro-batch like this one that counts nothing."""
    if hasattr(task, "empty"):
        return dict(task.empty(part))
    nothing = dict(part)
    if "share" in nothing:
        nothing["share"] = torch.zeros(())
    else:
        nothing["labels"] = torch.full_like(nothing["labels"], -100)
    return nothing


def batches(task: Task, stage: Stage, step: int, workers: int) -> Iterable[Batch]:
    """The batches from ``step`` on, in order, drawn by this process or by so many workers."""
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
        pin_memory=torch.cuda.is_initialized(),
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
