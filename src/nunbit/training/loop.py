"""The smallest honest training loop: one stage, one optimiser, a schedule that is a function of the step, true resume.

A batch is a function of the step number, the schedule too, so a checkpoint needs only weights, optimiser, step and the random
state to continue bit for bit. Saves are atomic: written beside, then renamed.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import torch


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """What one stage of a recipe does.

    Attributes:
        steps: optimiser steps in all.
        batch: pictures a step.
        lr: peak learning rate; warm-up is linear, the last ``decay`` part of the steps falls to zero linearly.
        save_every: steps between checkpoints.
    """

    name: str
    steps: int
    batch: int
    lr: float
    warmup: int = 100
    decay: float = 0.3
    weight_decay: float = 0.05
    clip: float = 1.0
    seed: int = 0
    save_every: int = 200


class Task(Protocol):
    """What the loop needs of a thing that learns."""

    def modules(self) -> dict[str, torch.nn.Module]: ...
    def loss(self, step: int, stage: Stage) -> tuple[torch.Tensor, dict[str, float]]: ...


def learning_rate(step: int, stage: Stage) -> float:
    """Warm-up, plateau, linear decay to zero (at step 0 the first warm-up fraction)."""
    falling = max(1, int(stage.steps * stage.decay))
    return stage.lr * min(1.0, (step + 1) / max(1, stage.warmup), max(0.0, (stage.steps - step) / falling))


def train(
    task: Task, stage: Stage, folder: str | Path, *, say: Callable[[str], None] = print, minutes: float = math.inf
) -> int:
    """Train until ``stage.steps`` or until the minutes are over; resume from the folder's checkpoint if there is one.

    Returns:
        The number of steps done in all.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(stage.seed)
    modules = task.modules()
    optimiser = torch.optim.AdamW(_groups(modules.values(), stage.weight_decay), lr=stage.lr, betas=(0.9, 0.98))
    step = restore(folder, modules, optimiser)
    began, log = time.perf_counter(), folder / "log.jsonl"
    _drop_after(log, step)
    parameters = [p for m in modules.values() for p in m.parameters() if p.requires_grad]
    while step < stage.steps and time.perf_counter() - began < minutes * 60:
        start = time.perf_counter()
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(step, stage)
        loss, parts = task.loss(step, stage)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(parameters, stage.clip)
        if torch.isfinite(norm):
            optimiser.step()
        step += 1
        line = {
            "step": step,
            "loss": loss.item(),
            "grad": norm.item(),
            "seconds": round(time.perf_counter() - start, 4),
            **parts,
        }
        with log.open("a") as f:
            f.write(json.dumps(line) + "\n")
        if step % 25 == 0:
            say(
                f"{stage.name} {step}/{stage.steps} " + " ".join(f"{k} {v:.4g}" for k, v in line.items() if k != "step")
            )
        if step % stage.save_every == 0:
            checkpoint(folder, modules, optimiser, step, stage)
    checkpoint(folder, modules, optimiser, step, stage)
    return step


def checkpoint(
    folder: Path, modules: dict[str, torch.nn.Module], optimiser: torch.optim.Optimizer, step: int, stage: Stage
) -> None:
    """Write ``last.pt`` atomically: a kill at any moment leaves the old one or the new one, whole."""
    state = {
        "step": step, "stage": asdict(stage), "rng": torch.get_rng_state(), "optimiser": optimiser.state_dict(),
        "modules": {k: m.state_dict() for k, m in modules.items()},
    }  # fmt: skip
    beside = folder / f"last.pt.{os.getpid()}"
    try:
        with beside.open("wb") as f:
            torch.save(state, f)
            f.flush()
            os.fsync(f.fileno())
        os.replace(beside, folder / "last.pt")
    finally:
        beside.unlink(missing_ok=True)


def restore(folder: Path, modules: dict[str, torch.nn.Module], optimiser: torch.optim.Optimizer | None = None) -> int:
    """Load ``last.pt`` into the modules (and the optimiser); returns its step, 0 if there is none."""
    path = folder / "last.pt"
    if not path.exists():
        return 0
    state = torch.load(path, weights_only=True)
    for name, module in modules.items():
        module.load_state_dict(state["modules"][name])
    if optimiser is not None:
        optimiser.load_state_dict(state["optimiser"])
        torch.set_rng_state(state["rng"])
    return int(state["step"])


def _groups(modules: Iterable[torch.nn.Module], weight_decay: float) -> list[dict[str, Any]]:
    """Matrices decay; biases, norms and other vectors do not."""
    parameters = [p for m in modules for p in m.parameters() if p.requires_grad]
    return [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]


def _drop_after(log: Path, step: int) -> None:
    """Steps after the checkpoint are run again: their old lines go."""
    if log.exists():
        lines = [line for line in log.read_text().splitlines() if line and json.loads(line)["step"] <= step]
        log.write_text("".join(line + "\n" for line in lines))
