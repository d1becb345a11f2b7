"""Decode steps of a few fixed shapes, over buffers that stay where they are, so that CUDA graphs can replay them.

A step of a 7-B model launches over a thousand kernels; from Python that takes longer than they run. A graph launches
them at once, but always on the same memory: ids and positions are copied into fixed buffers, rows are rounded up to a
few counts and the tokens that are read to powers of two. Rows that no request has write their key at the last place of
their slot, which no token of a request ever has (an answer ends before it).

Letters: B rows of the requests, R of the shape, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from nunbit.engine.cache import FIRST_ROOM, power_of_two

Step = Callable[[Tensor, Tensor, int], Tensor]
"""Ids ``(R,)``, their positions ``(R,)`` and how many tokens are read to logits ``(R, V)``."""


@dataclass(slots=True)
class CapturedStep:
    """A CUDA graph of one shape, and the logits ``(R, V)`` that it leaves."""

    graph: Any
    logits: Tensor


@dataclass(slots=True)
class StaticDecode:
    """Runs decode steps of fixed shapes.

    Args:
        step: one step; it must neither wait for the device nor copy to it.
        slots, length: of the cache, which must be allocated whole.
        device: where it runs; on a CUDA device each shape is captured at its first use.
    """

    step: Step
    slots: int
    length: int
    device: torch.device
    held: Tensor = field(init=False)
    captured: dict[tuple[int, int], CapturedStep] = field(init=False, default_factory=dict)
    _host: Tensor = field(init=False)
    _pool: Any = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.held = torch.zeros(2, self.slots, dtype=torch.long, device=self.device)
        self._host = torch.zeros(2, self.slots, dtype=torch.long, pin_memory=self.captures)

    @property
    def captures(self) -> bool:
        """Whether shapes are captured: on a CUDA device; elsewhere the same steps run one by one."""
        return self.device.type == "cuda"

    def row_counts(self) -> list[int]:
        """Numbers of rows that a shape may have, in order."""
        return [n for n in (1, 2, 4, *range(8, self.slots, 8)) if n < self.slots] + [self.slots]

    def shapes(self) -> list[tuple[int, int]]:
        """All shapes: rows, and tokens that are read."""
        reads, upto = [], min(FIRST_ROOM, self.length)
        while upto < self.length:
            reads.append(upto)
            upto *= 2
        return [(r, t) for r in self.row_counts() for t in (*reads, self.length)]

    def shape_of(self, rows: int, upto: int) -> tuple[int, int]:
        """The smallest shape that holds so many rows, and reads so many tokens."""
        fitting = next(r for r in self.row_counts() if r >= rows)
        return fitting, min(self.length, power_of_two(max(FIRST_ROOM, upto)))

    def __call__(self, tokens: Sequence[int], lengths: Sequence[int]) -> Tensor:
        """One step of rows that hold ``lengths`` tokens and get ``tokens``. Logits ``(B, V)``, until the next step."""
        count, (rows, upto) = len(tokens), self.shape_of(len(tokens), max(lengths) + 1)
        self._host[:, :count] = torch.tensor([list(tokens), list(lengths)])
        self._host[0, count:rows], self._host[1, count:rows] = 0, self.length - 1
        self.held[:, :rows].copy_(self._host[:, :rows], non_blocking=True)
        return self._run(rows, upto)[:count]

    def warm_up(self) -> int:
        """Run every shape once, before the first request; how many there are."""
        self.held[0], self.held[1] = 0, self.length - 1
        for rows, upto in self.shapes():
            self._run(rows, upto)
        return len(self.shapes())

    def _run(self, rows: int, upto: int) -> Tensor:
        ids, at = self.held[0, :rows], self.held[1, :rows]
        if not self.captures:
            return self.step(ids, at, upto)
        with torch.cuda.device(self.device):
            if (rows, upto) not in self.captured:
                self.captured[rows, upto] = self._capture(ids, at, upto)
            found = self.captured[rows, upto]
            found.graph.replay()
        return found.logits

    def _capture(self, ids: Tensor, at: Tensor, upto: int) -> CapturedStep:
        """Capture a shape. It runs twice before, on a stream of its own, so that libraries have their work space; both
        write the same keys as the step itself."""
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(2):
                self.step(ids, at, upto)
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        # Another thread may encode a picture meanwhile: what it does is not part of the graph, and no error.
        with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
            logits = self.step(ids, at, upto)
        self._pool = graph.pool()
        return CapturedStep(graph, logits)
