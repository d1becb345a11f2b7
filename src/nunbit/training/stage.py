"""One stage of training: its settings, its learning-rate schedule, and what the loop needs of a task."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Protocol

import torch

from nunbit.errors import UserError, unknown_name

__all__ = ["Batch", "SCHEDULES", "Stage", "Task", "lr_scale"]

SCHEDULES = ("flat", "cosine")
CHECKPOINT_FORMATS = ("auto", "whole", "shards")


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """Settings of one training stage.

    Attributes:
        name: of the stage, in its log lines and errors.
        steps: optimiser steps in all.
        batch: samples an optimiser step.
        lr: peak learning rate; warm-up is linear, the last ``decay`` part of the steps falls to zero linearly.
        micro_batch_size: samples a forward pass, for tasks that can split a batch; 0 is as many as fit in memory
            (`nunbit.training.micro_batch`), or the whole batch of a task that cannot be measured.
        part_lr, part_decay: peak learning rate and weight decay of a task's part where they are not ``lr`` and
            ``weight_decay``.
        schedule: "flat" as above, or "cosine": linear warm-up from zero, then half a cosine to zero.
        beta2: AdamW's second decay rate.
        fused: AdamW in one kernel for all tensors.
        muon_lr: peak learning rate of hidden matrices under Muon; 0 leaves everything to AdamW.
        radius: bound on the average singular value of a matrix under Muon; 0 sets none.
        warmup: steps of the linear warm-up.
        decay: share of the steps at the end in which the flat schedule falls to zero.
        weight_decay: of matrices; vectors have none.
        clip: largest norm of the gradient.
        seed: of the sampler and of the loop's random numbers.
        save_every: steps between checkpoints.
        checkpoints: "whole" in one file, "shards" in one a process, or "auto" (`nunbit.training.checkpoints`).

    Raises:
        UserError: a number out of range, or an unknown schedule or checkpoint format.
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
        if self.schedule not in SCHEDULES:
            raise unknown_name("schedule", self.schedule, SCHEDULES)
        if self.checkpoints not in CHECKPOINT_FORMATS:
            raise unknown_name("checkpoint format", self.checkpoints, CHECKPOINT_FORMATS)

    def peak_lr(self, part: str) -> float:
        """Peak learning rate of a part."""
        return self.part_lr.get(part, self.lr)


def lr_scale(step: int, stage: Stage) -> float:
    """The learning rate of a step as a share of its peak, from 0 to 1.

    Flat: linear warm-up (step 0 has the first fraction), plateau, linear decay to zero. Cosine: linear warm-up from
    zero, half a cosine.
    """
    if stage.schedule == "cosine":
        if step < stage.warmup:
            return step / stage.warmup
        return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - stage.warmup) / max(1, stage.steps - stage.warmup))))
    falling = max(1, int(stage.steps * stage.decay))
    return min(1.0, (step + 1) / max(1, stage.warmup), max(0.0, (stage.steps - step) / falling))


Batch = dict[str, torch.Tensor]


class Task(Protocol):
    """What the loop needs of a task: its learning parts, its batches, its loss.

    A task may also have

    - ``micro_batches(batch, stage)``: parts of a batch whose losses and figures add up to the batch's, each run alone;
    - ``longest(rows, stage)``: a micro-batch of its longest samples, to measure what a step takes;
    - ``set_execution(options)`` (`nunbit.training.execution`), then ``divide(rank, processes)``: batches need the
      pictures of this process's micro-batches alone, then ``prepare(device, shard)``, once before anything else;
    - ``empty(micro_batch)``: one like it that counts nothing, for a process that has no other left;
    - ``resting(batch)``: parameters that no micro-batch of the step reached, although they have a gradient of zeros;
    - ``sampler_state(step, stage)``: the sampler's state before a step, kept in checkpoints; the numbers under
      ``drawn`` are logged;
    - ``operations(batch)``: what a step on the batch has to compute (`nunbit.training.flops`), for the MFU.
    """

    def modules(self) -> dict[str, torch.nn.Module]:
        """What learns, by part."""
        ...

    def batch(self, step: int, stage: Stage) -> Batch:
        """The batch of a step, a function of the step alone: may run in another process."""
        ...

    def loss(self, batch: Batch) -> tuple[torch.Tensor, dict[str, float]]:
        """The loss of a batch or micro-batch, a scalar, and figures to log by name."""
        ...
