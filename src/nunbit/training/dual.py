"""Two adapters on one model in one run: Dual QLoRA.

Source: CoLLaVO, arXiv 2402.11248, sec. 3.3.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from nunbit.training.options import RunOptions
from nunbit.training.stage import Batch, Stage

if TYPE_CHECKING:
    from nunbit.assistant import Assistant


class DualTask:
    """Two tasks on one model, an adapter each.

    A step draws which task it shows. Both adapters act in the forward pass, only the task's own learns; what is no
    adapter learns in both.

    Args:
        tasks: by the name of their adapter; `ConversationTask`s for a recipe.
        share: of the steps that show the first task.
    """

    def __init__(self, tasks: Mapping[str, Any], share: float = 0.5) -> None:
        self.tasks, self.share, self.names = dict(tasks), share, list(tasks)
        first, second = self.tasks.values()
        if first.model is not second.model or len(self.names) != 2:
            raise ValueError("two tasks on one model")
        self.model = first.model
        self.own = self._adapters()
        if hasattr(first, "operations"):  # the loop asks whether a task counts them
            self.operations = self._operations
        if not all(self.own.values()):
            raise ValueError(f"no learning adapter is named {' or '.join(self.names)}")

    def modules(self) -> dict[str, nn.Module]:
        """What learns, by part: both adapters, and what is no adapter."""
        for parameters in self.own.values():
            for p in parameters:
                p.requires_grad_(True)
        return self.tasks[self.names[0]].modules()

    def prepare(self, device: str, shard: bool = False) -> None:
        """Put the model on the device, once for both."""
        first = self.tasks[self.names[0]]
        if hasattr(first, "prepare"):
            first.prepare(device, shard)
        self.own = self._adapters()  # sharded, they are other tensors

    def _adapters(self) -> dict[str, list[nn.Parameter]]:
        """What learns of each adapter."""
        named = dict(self.model.named_parameters())
        return {a: [p for n, p in named.items() if f".{a}." in n and p.requires_grad] for a in self.names}

    def set_execution(self, options: RunOptions) -> None:
        """As each task's: they share the model."""
        for task in self.tasks.values():
            if hasattr(task, "set_execution"):
                task.set_execution(options)

    def divide(self, rank: int, processes: int) -> None:
        """As each task's."""
        for task in self.tasks.values():
            if hasattr(task, "divide"):
                task.divide(rank, processes)

    def empty(self, piece: Batch) -> Batch:
        """A micro-batch that counts nothing, of the task whose this one is."""
        made: Batch = self.tasks[self.names[int(piece["turn"])]].empty(piece)
        return made | {"turn": piece["turn"]}

    def resting(self, batch: Batch) -> list[nn.Parameter]:
        """What the step's task says."""
        task = self.tasks[self.names[int(batch["turn"])]]
        return list(task.resting(batch)) if hasattr(task, "resting") else []

    def steps(self, batch: int, epochs: float = 1) -> int:
        """Optimiser steps of so many passes over the larger data set."""
        return max(t.steps(batch, epochs) for t in self.tasks.values())

    def token_utilization(self, stage: Stage) -> float:
        """Share of the tokens that are no padding, of both tasks."""
        first, second = (self.tasks[name].token_utilization(stage) for name in self.names)
        return self.share * first + (1 - self.share) * second

    def sampler_state(self, step: int, stage: Stage) -> dict[str, Any]:
        """Where each task's sampler stands."""
        return {name: task.sampler_state(step, stage) for name, task in self.tasks.items()}

    def _operations(self, batch: Batch) -> float:
        return self.tasks[self.names[int(batch["turn"])]].operations(batch)

    def as_assistant(self) -> AbstractContextManager[Assistant]:
        """The model with both adapters."""
        return self.tasks[self.names[0]].as_assistant()

    def turn(self, step: int, stage: Stage) -> int:
        """Which task a step shows: a coin that depends on the step alone."""
        return int(np.random.default_rng((stage.seed, step, 2)).random() >= self.share)

    def batch(self, step: int, stage: Stage) -> Batch:
        """The batch of the task that the step shows, and ``turn``, its number."""
        turn = self.turn(step, stage)
        return self.tasks[self.names[turn]].batch(step, stage) | {"turn": torch.tensor(turn)}

    def micro_batches(self, batch: Batch, stage: Stage) -> Iterator[Batch]:
        """Of the task whose batch it is."""
        turn, shown = batch["turn"], {k: v for k, v in batch.items() if k != "turn"}
        task = self.tasks[self.names[int(turn)]]
        for piece in task.micro_batches(shown, stage) if hasattr(task, "micro_batches") else [shown]:
            yield piece | {"turn": turn}

    def longest(self, rows: int, stage: Stage) -> Batch | None:
        """A micro-batch of so many of the longest samples, of the task whose are longer."""
        known = [(task, turn) for turn, task in enumerate(self.tasks.values()) if hasattr(task, "longest")]
        found = [(task.longest(rows, stage), turn) for task, turn in known]
        made = [batch | {"turn": torch.tensor(turn)} for batch, turn in found if batch is not None]
        return max(made, key=lambda batch: batch["ids"].numel(), default=None)

    def loss(self, batch: Batch) -> tuple[torch.Tensor, dict[str, float]]:
        """The task's loss, a scalar, with only its adapter learning; and figures to log."""
        name = self.names[int(batch["turn"])]
        for adapter, parameters in self.own.items():
            for p in parameters:
                p.requires_grad_(adapter == name)
        loss, figures = self.tasks[name].loss({k: v for k, v in batch.items() if k != "turn"})
        return loss, figures | {f"{name}_loss": loss.item()}
