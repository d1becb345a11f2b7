"""What a run tells about each step, and to whom: a line of JSON always, TensorBoard, Weights & Biases and Trackio where they are wished for.

No key is read and nothing is sent unless a tracker is named; Weights & Biases and Trackio then do what their own settings say.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import nn

from nunbit.data.packing import real_tokens
from nunbit.errors import UserError, check_names
from nunbit.files import write_text
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
    check_names("tracker", names, TRACKERS)
    return [TRACKERS[name](folder, stage) for name in names]


class Journal:
    """Where a stage's figures go: ``log.jsonl`` in its folder, the trackers, and a line for the user every 25 steps and of every examination."""

    def __init__(self, folder: Path, stage: str, steps: int, track: Sequence[str], say: Callable[[str], None]) -> None:
        self.log, self.stage, self.steps, self.say = folder / "log.jsonl", stage, steps, say
        self.trackers = open_trackers(track, folder, stage)

    def begin(self, step: int) -> None:
        """Steps after the checkpoint are run again: their old lines go, and so does a last line that a kill cut off."""
        if self.log.exists():
            whole = [line for line in self.log.read_text().splitlines() if line.startswith("{") and line.endswith("}")]
            write_text(self.log, "".join(line + "\n" for line in whole if json.loads(line)["step"] <= step))

    def log_step(self, step: int, figures: Mapping[str, float]) -> None:
        with self.log.open("a") as f:
            f.write(json.dumps({"step": step, **figures}) + "\n")
        for tracker in self.trackers:
            tracker.log(step, {"step": step, **figures})
        if step % 25 == 0:
            shown = " ".join(f"{k} {v:.4g}" for k, v in figures.items() if "/" not in k)
            self.say(f"{self.stage} {step}/{self.steps} {shown}")
        asked = " ".join(f"{k.removeprefix('eval/')} {v:.4g}" for k, v in figures.items() if k.startswith("eval/"))
        if asked:
            self.say(f"{self.stage} {step}/{self.steps} asked: {asked}")

    def close(self) -> None:
        for tracker in self.trackers:
            tracker.close()


def step_figures(
    batch: Mapping[str, torch.Tensor], modules: Mapping[str, nn.Module], seconds: float, rates: Mapping[str, float]
) -> dict[str, float]:
    """Of the step just done: tokens and pictures a second (the whole batch's, padding left out), share of its tokens that are no padding,
    gradient norm and learning rate of each part, megabytes held at most so far."""
    out: dict[str, float] = {}
    real = _real(batch)
    tokens = 0 if real is None else int(real.sum())
    for name, count in (("tokens", tokens), ("pictures", len(batch["pixels"]) if "pixels" in batch else 0)):
        if count:
            out[f"{name}_per_second"] = round(count / max(seconds, 1e-9), 1)
    if real is not None:
        out["token_utilization"] = round(tokens / real.numel(), 4)
    if len(modules) > 1:
        for part, module in modules.items():
            held = [p.grad for p in module.parameters() if p.grad is not None]
            if held and not is_sharded(module.parameters()):
                out[f"grad/{part}"] = float(
                    torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(g) for g in held]))
                )
            out[f"lr/{part}"] = rates[part]
    used = memory_bytes()
    return out | ({"megabytes": round(used / 1e6, 1)} if used else {})


def _real(batch: Mapping[str, torch.Tensor]) -> torch.Tensor | None:
    """(B, T) which tokens are no padding, if the batch says it: by its mask, or where that is a block mask by the positions."""
    mask = batch.get("mask")
    return mask if mask is None or mask.ndim == 2 else real_tokens(batch["positions"])


def memory_bytes() -> int:
    """The most this process has held so far: on the graphics card where there is one in use, else in main memory; 0 where the system
    does not say (Windows)."""
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        return torch.cuda.max_memory_allocated()
    try:
        import resource
    except ImportError:
        return 0
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used if sys.platform == "darwin" else used * 1024


def _module(name: str, package: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        raise UserError(
            f"the tracker '{package}' is not installed", allowed=", ".join(TRACKERS), todo=f"pip install {package}"
        ) from None
