"""Benchmarks during training: ``eval=tiny-world:60,pope@official=pope.json:200`` every so many steps.

Each is NAME[@PROTOCOL][=DATA][:LIMIT], with the names, protocols and data of ``nunbit eval list`` (tiny-world makes its
own data). Names and data are checked before training begins. Every answer lies under ``eval`` in the stage's folder;
the training is left as it was.
"""

from __future__ import annotations

import shutil
import tempfile
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nunbit.assistant import Assistant
from nunbit.errors import UserError
from nunbit.evaluation import tiny_world
from nunbit.evaluation.benchmarks import BENCHMARKS
from nunbit.evaluation.runner import limited
from nunbit.evaluation.runner import run as run_benchmark
from nunbit.evaluation.target import assistant_target
from nunbit.messages import question
from nunbit.training.distributed import join

TINY_WORLD, SEED, DEFAULT_LIMIT = "tiny-world", 0, 200
Score = Callable[[Assistant, str, Path], dict[str, float]]
"""(assistant, a name for its weights, folder for the answers) -> figures."""


@dataclass(frozen=True, slots=True)
class BenchmarkRequest:
    """One benchmark as it is written.

    Attributes:
        name, protocol: of ``nunbit eval list``.
        data: a file.
        limit: items at most; None for all.
    """

    name: str
    protocol: str = "official"
    data: str = ""
    limit: int | None = None


def read_request(text: str) -> BenchmarkRequest:
    """Read NAME[@PROTOCOL][=DATA][:LIMIT].

    Raises:
        UserError: a limit of 0.
    """
    rest, mark, number = text.rpartition(":")
    limit = int(number) if mark and number.isdigit() else None
    rest = rest if limit is not None else text
    if limit == 0:
        raise UserError(f"eval={text}", allowed="a limit of 1 or more")
    name, _, data = rest.partition("=")
    name, _, protocol = name.partition("@")
    return BenchmarkRequest(name, protocol or "official", data, limit)


class BenchmarkEvaluation:
    """Runs benchmarks on a task's model as it stands: what `nunbit.training.options.RunOptions.evaluate` calls.

    Args:
        requests: benchmarks, separated by commas.

    Raises:
        UserError: an unknown benchmark or protocol, data that cannot be read, or a benchmark twice.
    """

    def __init__(self, requests: str) -> None:
        found = [read_request(r.strip()) for r in requests.split(",") if r.strip()]
        if len({r.name for r in found}) < len(found):
            raise UserError(f"eval={requests}", allowed="each benchmark once: its figures go by its name")
        self.parts: dict[str, Score] = {
            r.name: _tiny_world(r) if r.name == TINY_WORLD else _benchmark(r) for r in found
        }

    def __call__(self, task: Any, step: int, folder: Path) -> Mapping[str, float]:
        """Percent by name: ``eval/tiny-world``, ``eval/pope`` ..."""
        if not hasattr(task, "as_assistant"):
            raise UserError("eval for a recipe whose model cannot answer while it learns", allowed="eval= empty")
        out: dict[str, float] = {}
        # Every process runs them, as layers may be spread over processes; only the first one's answers are kept.
        with tempfile.TemporaryDirectory() as scratch, task.as_assistant() as assistant:
            place = folder / "eval" if join(assistant.device).rank == 0 else Path(scratch)
            for name, score in self.parts.items():
                figures = score(assistant, f"step {step}", place / f"{name}-{step:08}")
                out |= {f"eval/{k}": round(v, 3) for k, v in figures.items()}
        return out


def _tiny_world(request: BenchmarkRequest) -> Score:
    """Held-out questions about world pictures: percent right, over all and by domain."""
    if request.data or request.protocol != "official":
        raise UserError(
            f"data or a protocol for {TINY_WORLD}", allowed=f"{TINY_WORLD}:LIMIT: it makes its own pictures"
        )
    items = tiny_world.items(SEED, request.limit or DEFAULT_LIMIT)

    def score(assistant: Assistant, weights: str, folder: Path) -> dict[str, float]:
        answers = assistant.ask_many([question(t.qa.question, [t.pixels]) for t in items])
        right: dict[str, list[bool]] = defaultdict(list)
        for item, answer in zip(items, answers, strict=True):
            for group in (TINY_WORLD, f"{TINY_WORLD}/{item.domain}"):
                right[group].append(item.right(answer))
        return {group: 100 * float(np.mean(values)) for group, values in right.items()}

    return score


def _benchmark(request: BenchmarkRequest) -> Score:
    benchmark = BENCHMARKS[request.name]
    protocol = benchmark.protocol(request.protocol)
    if benchmark.needs_judge:
        allowed = "benchmarks without one"
        raise UserError(f"eval={request.name}, which needs a judge", allowed=allowed, todo="see: nunbit eval list")
    if not request.data:
        allowed = f"{request.name}=FILE, or {request.name}=FILE:LIMIT; nothing is downloaded"
        raise UserError(f"eval={request.name} without its data", allowed=allowed)
    items: Sequence[Any] = limited(benchmark.read(Path(request.data)), request.limit)

    def score(assistant: Assistant, weights: str, folder: Path) -> dict[str, float]:
        shutil.rmtree(folder, ignore_errors=True)  # of a step that is run again
        target = assistant_target(assistant, weights)
        result = run_benchmark(benchmark, protocol, items, target, folder, data=str(Path(request.data).resolve()))
        if result.value is None:
            raise UserError(
                f"'{request.data}' holds no gold answers",
                allowed="data that can be scored",
                todo=f"leave {request.name} out of eval",
            )
        return {request.name: result.value}

    return score
