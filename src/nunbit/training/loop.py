"""The smallest honest training loop: one stage, one optimiser, a schedule that is a function of the step, true resume.

A batch is a function of the step number, the schedule too, so a checkpoint needs only weights, optimiser, step and the random
state to continue bit for bit. Saves are atomic: written beside, then renamed.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import torch

from nunbit.errors import UserError
from nunbit.lock import held
from nunbit.training.distributed import ALONE, Group, clip, gathered, is_sharded, join, load_module, load_optimiser
from nunbit.training.muon import Muon
from nunbit.training.tracking import open_trackers, step_figures


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """What one stage of a recipe does.

    Attributes:
        steps: optimiser steps in all.
        batch: pictures a step.
        micro: pictures a forward pass, for tasks that can take a batch in pieces; 0 takes it whole.
        lr: peak learning rate; warm-up is linear, the last ``decay`` part of the steps falls to zero linearly.
        part_lr, part_decay: peak learning rate and weight decay of a task's part where they are not ``lr`` and ``weight_decay``.
        schedule: "flat" as above, or "cosine": linear warm-up from zero, then half a cosine to zero.
        fused: AdamW in one kernel for all tensors.
        matrix_lr: peak learning rate of hidden matrices under Muon; 0 leaves everything to AdamW.
        radius: such a matrix may grow until its singular values are this large on average; 0 sets no bound.
        save_every: steps between checkpoints.
    """

    name: str
    steps: int
    batch: int
    lr: float
    micro: int = 0
    part_lr: dict[str, float] = field(default_factory=dict)
    part_decay: dict[str, float] = field(default_factory=dict)
    schedule: str = "flat"
    beta2: float = 0.98
    fused: bool = False
    matrix_lr: float = 0.0
    radius: float = 0.0
    warmup: int = 100
    decay: float = 0.3
    weight_decay: float = 0.05
    clip: float = 1.0
    seed: int = 0
    save_every: int = 200

    def __post_init__(self) -> None:
        for name, least in (("batch", 1), ("save_every", 1), ("steps", 0), ("micro", 0), ("warmup", 0)):
            if getattr(self, name) < least:
                raise UserError(f"{name}={getattr(self, name)} in the stage '{self.name}'", allowed=f"{least} or more")


Batch = dict[str, torch.Tensor]


class Task(Protocol):
    """What the loop needs of a thing that learns.

    A task may also have ``pieces(batch, stage)``: parts of a batch whose losses and figures add up to the batch's, each run alone, and
    ``prepare(device, shard)``, called once before anything else.
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
) -> int:
    """Train until ``stage.steps`` or until the minutes are over; resume from the folder's checkpoint if there is one.

    Args:
        device: where the model learns; on ``cuda`` in bfloat16 autocast, on a processor in float32 (bfloat16 is slower there).
        workers: processes that draw batches ahead; 0 draws them in this one.
        shard: spread the decoder's layers over the processes of the launcher (`nunbit.training.distributed`).
        track: trackers beside ``log.jsonl`` (`nunbit.training.tracking`).

    Returns:
        The number of steps done in all.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    group = join(device)
    if group.size > 1:
        if not hasattr(task, "pieces"):
            raise UserError(
                f"{group.size} processes for the stage '{stage.name}'", allowed="one: its batches are not cut"
            )
        stage = replace(stage, micro=min(stage.micro or stage.batch, -(-stage.batch // group.size)))
    torch.manual_seed(stage.seed + group.rank)
    if hasattr(task, "prepare"):
        task.prepare(device, shard and group.size > 1)
    modules = {k: m.to(device) for k, m in task.modules().items()}
    optimisers = make_optimisers(modules, stage)
    with held(folder) if group.rank == 0 else nullcontext():
        peaks = [settings["lr"] for o in optimisers for settings in o.param_groups]
        step = restore(folder, modules, optimisers)
        group.same_start(modules.values())
        group.wait()
        if group.rank == 0:
            _drop_after(folder / "log.jsonl", step)
        trackers = open_trackers(track, folder, stage.name) if group.rank == 0 else []
        parameters = [p for m in modules.values() for p in m.parameters() if p.requires_grad]
        began = start = time.perf_counter()
        for batch in batches(task, stage, step, workers):
            if group.agree(time.perf_counter() - began >= minutes * 60, device):
                break
            figures = _step(task, batch, stage, device, group, (optimisers, peaks, parameters), step)
            seconds = time.perf_counter() - start
            start = time.perf_counter()
            more = step_figures(batch, modules, seconds, share_of_peak(step, stage)) if group.rank == 0 else {}
            step += 1
            if group.rank == 0:
                line = {"step": step, **figures, "seconds": round(seconds, 4), **more}
                _keep(line, folder / "log.jsonl", stage, say)
                for tracker in trackers:
                    tracker.log(step, line)
            if step % stage.save_every == 0:
                checkpoint(folder, modules, optimisers, step, stage, group)
        checkpoint(folder, modules, optimisers, step, stage, group)
        for tracker in trackers:
            tracker.close()
    return step


Learner = tuple[Sequence[torch.optim.Optimizer], Sequence[float], Sequence[torch.nn.Parameter]]
"""Optimisers, the peak rate of each of their groups, and what they move."""


def _step(
    task: Task, batch: Batch, stage: Stage, device: str, group: Group, learner: Learner, step: int
) -> dict[str, float]:
    """One optimiser step; one whose gradient is not finite changes nothing."""
    optimisers, peaks, parameters = learner
    every = [settings for o in optimisers for settings in o.param_groups]
    for settings, peak in zip(every, peaks, strict=True):
        settings["lr"] = peak * share_of_peak(step, stage)
    for o in optimisers:
        o.zero_grad(set_to_none=True)
    loss, parts = _backward(task, batch, stage, device, group)
    group.sum_gradients(parameters)
    norm = clip(parameters, stage.clip)
    if torch.isfinite(norm):
        for o in optimisers:
            o.step()
    return {"loss": loss, "grad": norm.item(), **parts}


def _keep(line: dict[str, float], log: Path, stage: Stage, say: Callable[[str], None]) -> None:
    with log.open("a") as f:
        f.write(json.dumps(line) + "\n")
    if line["step"] % 25 == 0:
        shown = " ".join(f"{k} {v:.4g}" for k, v in line.items() if k != "step" and "/" not in k)
        say(f"{stage.name} {line['step']}/{stage.steps} {shown}")


def _backward(
    task: Task, batch: Batch, stage: Stage, device: str, group: Group = ALONE
) -> tuple[float, dict[str, float]]:
    """Loss and figures of a batch, its gradient left in the parameters; in pieces if the task has some, this process's share of them."""
    pieces: list[Batch] = list(task.pieces(batch, stage)) if hasattr(task, "pieces") else [batch]
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


def checkpoint(
    folder: Path,
    modules: dict[str, torch.nn.Module],
    optimisers: Sequence[torch.optim.Optimizer],
    step: int,
    stage: Stage,
    group: Group = ALONE,
) -> None:
    """Write ``last.pt`` atomically: a kill at any moment leaves the old one or the new one, whole. The first process writes."""
    state = {
        "step": step, "stage": asdict(stage), "rng": torch.get_rng_state(), "optimisers": [o.state_dict() for o in optimisers],
        "modules": {k: m.state_dict() for k, m in modules.items()},
    }  # fmt: skip
    if group.size > 1:
        state = gathered(state)
    if group.rank > 0:
        group.wait()
        return
    beside = folder / f"last.pt.{os.getpid()}"
    try:
        with beside.open("wb") as f:
            torch.save(state, f)
            f.flush()
            os.fsync(f.fileno())
        os.replace(beside, folder / "last.pt")
    except RuntimeError as e:  # torch's own writer has one kind of error for a full disk and for all else
        raise OSError(f"the checkpoint of step {step} could not be written into '{folder}' ({str(e)[:80]})") from None
    finally:
        beside.unlink(missing_ok=True)
        group.wait()


def restore(folder: Path, modules: dict[str, torch.nn.Module], optimisers: Sequence[torch.optim.Optimizer] = ()) -> int:
    """Load ``last.pt`` into the modules (and the optimisers, if given); returns its step, 0 if there is none.

    Raises:
        UserError: a damaged file, or one of another model.
    """
    path = folder / "last.pt"
    if not path.exists():
        return 0
    try:
        state = torch.load(path, weights_only=True, map_location="cpu")
        for name, module in modules.items():
            load_module(module, state["modules"][name])
        if optimisers:
            for optimiser, kept in zip(optimisers, state["optimisers"], strict=True):
                load_optimiser(optimiser, kept)
            torch.set_rng_state(state["rng"])
        return int(state["step"])
    except Exception as e:  # torch raises many kinds for one thing
        raise UserError(f"the checkpoint '{path}' is damaged or of another model ({type(e).__name__}: {str(e)[:200]})",
                        allowed="a checkpoint of this recipe and these sizes", todo="name another folder with -o, or remove the file") from None  # fmt: skip


def make_optimisers(modules: dict[str, torch.nn.Module], stage: Stage) -> list[torch.optim.Optimizer]:
    """AdamW for all; with a ``matrix_lr``, Muon for hidden matrices: weights of linear and convolution layers that are not tied to
    a table and do not belong to a part that writes classes ("heads") or is a table itself ("eyes")."""
    hidden = _hidden_matrices(modules) if stage.matrix_lr else {}
    groups: list[dict[str, Any]] = []
    seen = set(hidden)
    for name, module in modules.items():
        rest = [p for p in module.parameters() if p.requires_grad and id(p) not in seen]
        seen |= {id(p) for p in rest}
        lr, decay = stage.part_lr.get(name, stage.lr), stage.part_decay.get(name, stage.weight_decay)
        groups.append({"params": [p for p in rest if p.ndim >= 2], "weight_decay": decay, "lr": lr})
        groups.append({"params": [p for p in rest if p.ndim < 2], "weight_decay": 0.0, "lr": lr})
    if not stage.part_lr:  # one pair of groups, as checkpoints of older runs hold it
        groups = [{**groups[i], "params": [p for g in groups[i::2] for p in g["params"]]} for i in (0, 1)]
    sharded = is_sharded(p for g in groups for p in g["params"])
    out: list[torch.optim.Optimizer] = [
        torch.optim.AdamW(
            groups,
            lr=stage.lr,
            betas=(0.9, stage.beta2),
            fused=(stage.fused and not sharded) or None,
            foreach=False if sharded else None,
        )
    ]
    if hidden:
        quiet = {
            id(p)
            for m in modules.values()
            for n, p in m.named_parameters()
            if n.endswith(("o_proj.weight", "down_proj.weight"))
        }
        out.append(
            Muon(hidden.values(), stage.matrix_lr, weight_decay=stage.weight_decay, radius=stage.radius, quiet=quiet)
        )
    return out


def _hidden_matrices(modules: dict[str, torch.nn.Module]) -> dict[int, torch.nn.Parameter]:
    inner = [m for k, part in modules.items() if k not in ("heads", "eyes") for m in part.modules()]
    tables = {id(m.weight) for m in inner if isinstance(m, torch.nn.Embedding)}
    weights = [
        p for m in inner if isinstance(m, torch.nn.Linear | torch.nn.Conv2d) for p in [m.get_parameter("weight")]
    ]
    return {id(w): w for w in weights if w.requires_grad and id(w) not in tables}


def _drop_after(log: Path, step: int) -> None:
    """Steps after the checkpoint are run again: their old lines go, and so does a last line that a kill cut off."""
    if log.exists():
        whole = [line for line in log.read_text().splitlines() if line.startswith("{") and line.endswith("}")]
        beside = log.with_suffix(".part")
        beside.write_text("".join(line + "\n" for line in whole if json.loads(line)["step"] <= step))
        beside.replace(log)
