"""Figures of each step and where they go: a line of JSON always, TensorBoard, Weights & Biases and Trackio where they
are named.

No key is read and nothing is sent unless a tracker is named; Weights & Biases and Trackio then do what their own
settings say.
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
from nunbit.files import text_lines, write_text
from nunbit.training.aliases import log_line
from nunbit.training.distributed import is_sharded


class Tracker(Protocol):
    """Where figures go beside ``log.jsonl``."""

    def log(self, step: int, figures: Mapping[str, float]) -> None:
        """Record the figures of a step, by name."""
        ...

    def close(self) -> None:
        """Write out what is left."""
        ...


class TensorBoard:
    """Event files in the stage's folder. Needs ``tensorboard``."""

    def __init__(self, folder: Path, stage: str) -> None:
        self.writer: Any = _module("torch.utils.tensorboard", "tensorboard").SummaryWriter(str(folder / "tensorboard"))

    def log(self, step: int, figures: Mapping[str, float]) -> None:
        """One scalar a figure."""
        for name, value in figures.items():
            self.writer.add_scalar(name, value, step)

    def close(self) -> None:
        """Close the event file."""
        self.writer.close()


class Remote:
    """Weights & Biases, and Trackio, which has the same interface."""

    package = "wandb"

    def __init__(self, folder: Path, stage: str) -> None:
        self.module: Any = _module(self.package, self.package)
        self.run: Any = self.module.init(project="nunbit", name=f"{folder.parent.name}/{stage}")

    def log(self, step: int, figures: Mapping[str, float]) -> None:
        """Send the figures."""
        self.module.log(dict(figures), step=step)

    def close(self) -> None:
        """Finish the run."""
        self.module.finish()


class Trackio(Remote):
    """Trackio."""

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
    """Where a stage's figures go: ``log.jsonl`` in its folder, the trackers, a line for the user every 25 steps and one
    an evaluation.

    Args:
        folder, stage, steps: the stage's folder, name and number of steps.
        track: names of trackers.
        say: receives the lines for the user.
    """

    def __init__(self, folder: Path, stage: str, steps: int, track: Sequence[str], say: Callable[[str], None]) -> None:
        self.log, self.stage, self.steps, self.say = folder / "log.jsonl", stage, steps, say
        self.trackers = open_trackers(track, folder, stage)

    def begin(self, step: int) -> None:
        """Prepare the log of a run that resumes after ``step``: lines of later steps, which run again, are removed, and
        so is a last line that a kill cut off; keys of earlier versions take their present names."""
        if self.log.exists():
            kept = [line for line in read_log(self.log) if line["step"] <= step]
            write_text(self.log, "".join(json.dumps(line) + "\n" for line in kept))

    def log_step(self, step: int, figures: Mapping[str, float]) -> None:
        """Record the figures of a step, by name; those under ``eval/`` are also said."""
        with self.log.open("a") as f:
            f.write(json.dumps({"step": step, **figures}) + "\n")
        for tracker in self.trackers:
            tracker.log(step, {"step": step, **figures})
        if step % 25 == 0:
            shown = " ".join(f"{k} {v:.4g}" for k, v in figures.items() if "/" not in k)
            self.say(f"{self.stage} {step}/{self.steps} {shown}")
        evaluated = " ".join(f"{k.removeprefix('eval/')} {v:.4g}" for k, v in figures.items() if k.startswith("eval/"))
        if evaluated:
            self.say(f"{self.stage} {step}/{self.steps} evaluated: {evaluated}")

    def close(self) -> None:
        """Close the trackers."""
        for tracker in self.trackers:
            tracker.close()


def read_log(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a ``log.jsonl``, keys of earlier versions under their present names."""
    texts = text_lines(path.read_text(encoding="utf-8"))
    return [log_line(json.loads(t)) for t in texts if t.startswith("{") and t.endswith("}")]


def step_figures(
    batch: Mapping[str, torch.Tensor], modules: Mapping[str, nn.Module], seconds: float, rates: Mapping[str, float]
) -> dict[str, float]:
    """Figures of the step just done: tokens and pictures a second (the whole batch's, without padding),
    ``token_utilization`` (share of the tokens that are no padding), gradient norm and learning rate of each part, and
    the peak of memory so far in megabytes.

    Args:
        batch: of the step; ``mask`` is ``(B, T)`` or a block mask, of B rows of T tokens.
        modules: what learns, by part.
        seconds: the step took.
        rates: learning rate of each part.
    """
    out: dict[str, float] = {}
    real = _real(batch)
    tokens = 0 if real is None else int(real.sum())
    pictures = int(batch["picture_count"]) if "picture_count" in batch else len(batch.get("pixels", ()))
    for name, count in (("tokens", tokens), ("pictures", pictures)):
        if count:
            out[f"{name}_per_second"] = round(count / max(seconds, 1e-9), 1)
    if real is not None:
        out["token_utilization"] = round(tokens / real.numel(), 4)
    if len(modules) > 1:
        for part, module in modules.items():
            norms = [torch.linalg.vector_norm(p.grad) for p in module.parameters() if p.grad is not None]
            if norms and not is_sharded(module.parameters()):
                out[f"grad/{part}"] = float(torch.linalg.vector_norm(torch.stack(norms)))
            out[f"lr/{part}"] = rates[part]
    used = memory_bytes()
    return out | ({"megabytes": round(used / 1e6, 1)} if used else {})


def _real(batch: Mapping[str, torch.Tensor]) -> torch.Tensor | None:
    """``(B, T)`` bool, which tokens are no padding: the mask, or the positions where that is a block mask. None without
    a mask."""
    mask = batch.get("mask")
    return mask if mask is None or mask.ndim == 2 else real_tokens(batch["positions"])


def memory_bytes() -> int:
    """Peak memory of this process in bytes: of the graphics card if one is in use, else main memory; 0 on Windows,
    which does not say."""
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
