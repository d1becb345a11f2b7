"""How a run is carried out, whatever it trains: where, how long, with which helpers. One object from the command line
to the loop."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Evaluate = Callable[[Any, int, Path], Mapping[str, float]]
"""(task, step, folder) -> figures by name: evaluates the model in training, and leaves the training as it was."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RunOptions:
    """Options of a run that change nothing of what is learnt.

    Attributes:
        minutes: at most so long a stage.
        device: where the model learns; on CUDA in bfloat16 autocast, on a processor in float32 (bfloat16 is slower
            there).
        workers: processes that draw batches ahead; 0 draws them in the training process.
        shard: spread the model over the processes of the launcher (`nunbit.training.sharding`).
        recompute: keep no activations of a layer, compute them again in the backward pass.
        compile: backend of ``torch.compile`` for each layer, "inductor" for example; "" compiles nothing.
        attention: implementation of transformers, "sdpa" or "flash_attention_2" for example; "" leaves the model's.
        track: trackers beside ``log.jsonl`` (`nunbit.training.tracking`).
        say: receives each line for the user.
        evaluate: called by every process after every ``evaluate_every`` steps; its figures are logged with the step's.
        evaluate_every: steps between evaluations; 0 is never.
    """

    minutes: float = math.inf
    device: str = "cpu"
    workers: int = 0
    shard: bool = False
    recompute: bool = False
    compile: str = ""
    attention: str = ""
    track: tuple[str, ...] = ()
    say: Callable[[str], None] = print
    evaluate: Evaluate | None = None
    evaluate_every: int = 0
