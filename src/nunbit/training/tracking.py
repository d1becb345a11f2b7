"""What a run tells about each step, and to whom: a line of JSON always, TensorBoard, Weights & Biases and Trackio where they are wished for.

No key is read and nothing is sent unless a tracker is named; Weights & Biases and Trackio then do what their own settings say.
"""

from __future__ import annotations

import importlib
import resource
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import nn

from nunbit.errors import UserError, unknown_name
from nunbit.training.distributed import is_sharded


class Tracker(Protocol):
    def log(self, step: int, figures: Mapping[str, float]) -> None: ...

    def close(self) -> None: ...


class TensorBoard:
    """Event files in the stage's folder. Needs ``tensorboard``."""

    def __init__(self, folder: Path, stage: str) -> None:
        self.writer: Any = _module("torch.utils.tensorboard", "tensorboard").SummaryWriter(str(folder / "tensorboard"))

    def log(self, step: int, figures: Mapping[str, float]) -> None:
        for name, value in figures.items():
            self.writer.add_scalar(name, value, step)

    def close(self) -> None:
        self.writer.close()


class Remote:
    """Weights & Biases, and Trackio, which has the same interface."""

    package = "wandb"

    def __init__(self, folder: Path, stage: str) -> None:
        self.run: Any = _module(self.package, self.package).init(project="nunbit", name=f"{folder.parent.name}/{stage}")
        self.held = importlib.import_module(self.package)

    def log(self, step: int, figures: Mapping[str, float]) -> None:
        self.held.log(dict(figures), step=step)

    def close(self) -> None:
        self.held.finish()


class Trackio(Remote):
    package = "trackio"


TRACKERS: dict[str, type[TensorBoard] | type[Remote]] = {
    "tensorboard": TensorBoard,
    "wandb": Remote,
    "trackio": Trackio,
}


def open_trackers(names: Sequence[str], folder: Path, stage: str) -> list[Tracker]:
    """The named trackers.

    Raises:
        UserError: an unknown name, or one whose package is not installed.
    """
    for name in names:
        if name not in TRACKERS:
            raise unknown_name("tracker", name, TRACKERS)
    return [TRACKERS[name](folder, stage) for name in names]


def step_figures(
    batch: Mapping[str, torch.Tensor], modules: Mapping[str, nn.Module], seconds: float, rate: float
) -> dict[str, float]:
    """Of the step just done: tokens and pictures a second (this process's batch, padding left out), gradient norm of each part, share of
    the peak learning rate, megabytes held at most so far."""
    out: dict[str, float] = {"rate": round(rate, 6)}
    real = batch["mask"] if batch.get("mask") is not None and batch["mask"].ndim == 2 else None
    tokens = int(real.sum()) if real is not None else batch["ids"].numel() if "ids" in batch else 0
    for name, count in (("tokens", tokens), ("pictures", len(batch["pixels"]) if "pixels" in batch else 0)):
        if count:
            out[f"{name}_per_second"] = round(count / max(seconds, 1e-9), 1)
    if real is not None:
        out["fill"] = round(tokens / real.numel(), 4)
    if len(modules) > 1:
        for part, module in modules.items():
            held = [p.grad for p in module.parameters() if p.grad is not None]
            if held and not is_sharded(module.parameters()):
                out[f"grad/{part}"] = float(
                    torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(g) for g in held]))
                )
    out["megabytes"] = round(memory_bytes() / 1e6, 1)
    return out


def memory_bytes() -> int:
    """The most this process has held so far: on the graphics card where there is one in use, else in main memory."""
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        return torch.cuda.max_memory_allocated()
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used if sys.platform == "darwin" else used * 1024


def _module(name: str, package: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        raise UserError(
            f"the tracker '{package}' is not installed", allowed=", ".join(TRACKERS), todo=f"pip install {package}"
        ) from None
