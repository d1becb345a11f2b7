"""Benchmarks asked while a model learns: ``tiny-world:60,pope@official=pope.json:200`` every so many steps.

Each is NAME[@PROTOCOL][=DATA][:LIMIT], with the names, protocols and data of ``nunbit eval list`` (tiny-world makes its own data). Names and
data are checked before training begins. Every answer lies under ``eval`` in the stage's folder; the training is left as it was.
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

from nunbit.errors import UserError
from nunbit.evaluation import tiny_world
from nunbit.evaluation.benchmarks import BENCHMARKS
from nunbit.evaluation.runner import limited
from nunbit.evaluation.runner import run as run_benchmark
from nunbit.evaluation.target import assistant_target
from nunbit.messages import question
from nunbit.models.assistant import Assistant
from nunbit.training.distributed import join

TINY_WORLD, SEED, USUAL = "tiny-world", 0, 200
Ask = Callable[[Assistant, str, Path], dict[str, float]]
"""(assistant, a name for its weights, folder for the answers) -> figures."""


@dataclass(frozen=True, slots=True)
class Wish:
    """One benchmark as it is written."""

    name: str
    protocol: str = "official"
    data: str = ""
    limit: int | None = None


def read_wish(text: str) -> Wish:
    """NAME[@PROTOCOL][=DATA][:LIMIT]."""
    rest, mark, number = text.rpartition(":")
    limit = int(number) if mark and number.isdigit() else None
    rest = rest if limit is not None else text
    if limit == 0:
        raise UserError(f"eval={text}", allowed="a limit of 1 or more")
    name, _, data = rest.partition("=")
    name, _, protocol = name.partition("@")
    return Wish(name, protocol or "official", data, limit)


class Exam:
    """The wished benchmarks, to be asked of a task's model: call it as `nunbit.training.loop.train` does."""

    def __init__(self, wishes: str) -> None:
        found = [read_wish(w.strip()) for w in wishes.split(",") if w.strip()]
        if len({w.name for w in found}) < len(found):
            raise UserError(f"eval={wishes}", allowed="each benchmark once: its figures go by its name")
        self.parts: dict[str, Ask] = {w.name: _tiny_world(w) if w.name == TINY_WORLD else _benchmark(w) for w in found}

    def __call__(self, task: Any, step: int, folder: Path) -> Mapping[str, float]:
        """Percent, by name: ``eval/tiny-world``, ``eval/pope`` ..."""
        if not hasattr(task, "as_assistant"):
            raise UserError("eval for a recipe whose model cannot be asked while it learns", allowed="eval= empty")
        out: dict[str, float] = {}
        # Every process asks, as layers may be spread over them; only the first one's answers are kept.
        with tempfile.TemporaryDirectory() as scratch, task.as_assistant() as assistant:
            place = folder / "eval" if join(assistant.device).rank == 0 else Path(scratch)
            for name, ask in self.parts.items():
                out |= {
                    f"eval/{k}": round(v, 3)
                    for k, v in ask(assistant, f"step {step}", place / f"{name}-{step:08}").items()
                }
        return out


def _tiny_world(wish: Wish) -> Ask:
    """Held-out questions about world pictures: percent right, over all and by domain."""
    if wish.data or wish.protocol != "official":
        raise UserError(
            f"data or a protocol for {TINY_WORLD}", allowed=f"{TINY_WORLD}:LIMIT: it makes its own pictures"
        )
    todo = tiny_world.items(SEED, wish.limit or USUAL)

    def ask(assistant: Assistant, weights: str, folder: Path) -> dict[str, float]:
        answers = assistant.ask_many([question(t.qa.question, [t.pixels]) for t in todo])
        right: dict[str, list[bool]] = defaultdict(list)
        for item, answer in zip(todo, answers, strict=True):
            for group in (TINY_WORLD, f"{TINY_WORLD}/{item.domain}"):
                right[group].append(item.right(answer))
        return {group: 100 * float(np.mean(values)) for group, values in right.items()}

    return ask


def _benchmark(wish: Wish) -> Ask:
    benchmark = BENCHMARKS[wish.name]
    protocol = benchmark.protocol(wish.protocol)
    if benchmark.needs_judge:
        raise UserError(
            f"eval={wish.name}, which needs a judge", allowed="benchmarks without one", todo="see: nunbit eval list"
        )
    if not wish.data:
        raise UserError(f"eval={wish.name} without its data", allowed=f"{wish.name}=FILE, or {wish.name}=FILE:LIMIT; nothing is downloaded")  # fmt: skip
    items: Sequence[Any] = limited(benchmark.read(Path(wish.data)), wish.limit)

    def ask(assistant: Assistant, weights: str, folder: Path) -> dict[str, float]:
        shutil.rmtree(folder, ignore_errors=True)  # of a step that is run again
        target = assistant_target(assistant, weights)
        result = run_benchmark(benchmark, protocol, items, target, folder, data=str(Path(wish.data).resolve()))
        if result.value is None:
            raise UserError(f"'{wish.data}' holds no gold answers", allowed="data that can be scored", todo=f"leave {wish.name} out of eval")  # fmt: skip
        return {wish.name: result.value}

    return ask
