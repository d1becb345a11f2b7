"""Sums of the gradients that every process holds whole, which begin while the backward pass still runs.

Sharded gradients are FSDP's (`nunbit.training.sharding`). Source: PyTorch Distributed, arXiv 2006.15704, sec. 3.2:
buckets in the order in which gradients become ready, the same in every process.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.tensor import DTensor

from nunbit.training.distributed import Group

BUCKET = 6_000_000
"""Entries of a bucket, as many as 25 MB in float32."""


@dataclass
class Bucket:
    """Parameters whose gradients are summed at once, and the sum that is under way."""

    parameters: list[nn.Parameter]
    waiting: int = 0
    flat: torch.Tensor | None = None
    work: Any = field(default=None)

    def start(self) -> None:
        """Begin the sum; a gradient that is not here counts as zero."""
        parts = [torch.zeros_like(p) if p.grad is None else p.grad for p in self.parameters]
        self.flat = torch.cat([g.flatten() for g in parts])
        self.work = dist.all_reduce(self.flat, async_op=True)

    def finish(self, reached: Sequence[int]) -> None:
        """Wait for the sum and write it into the gradients of what was reached."""
        assert self.flat is not None, "a sum was begun"
        self.work.wait()
        parts = self.flat.split([p.numel() for p in self.parameters])
        for p, part, anywhere in zip(self.parameters, parts, reached, strict=True):
            p.grad = part.view_as(p).clone() if anywhere else None
        self.flat = self.work = None


class GradientSums:
    """Sums of replicated parameters' gradients; with one process nothing happens.

    A parameter that some process's micro-batches reached counts as zero in the others; one that nobody's reached keeps
    no gradient, so that no optimiser moves it: adapters and experts that were not drawn rest, as in one process.

    Args:
        parameters: what learns; sharded ones are left to FSDP. Where there are some, the sums begin after the backward
            pass, since the two would not come in the same order in every process.
    """

    def __init__(self, parameters: Sequence[nn.Parameter], group: Group) -> None:
        whole = [p for p in parameters if not isinstance(p, DTensor)] if group.size > 1 else []
        self.early = len(whole) == len(parameters)
        self.buckets = [Bucket(ps) for ps in _buckets(reversed(whole))]
        self._armed, self._next = False, 0
        for bucket in self.buckets:
            for p in bucket.parameters:
                p.register_post_accumulate_grad_hook(self._hook(bucket))

    def arm(self) -> None:
        """The backward pass that comes is the step's last: a bucket's sum may begin once it is complete."""
        self._armed, self._next = self.early, 0
        for bucket in self.buckets:
            bucket.waiting = len(bucket.parameters)

    def finish(self) -> None:
        """Sum what is not summed yet, and put the sums into the gradients."""
        self._armed = False
        whole = [p for bucket in self.buckets for p in bucket.parameters]
        if not whole:
            return
        for bucket in self.buckets[self._next :]:
            bucket.start()
        self._next = 0
        reached = torch.tensor([p.grad is not None for p in whole], dtype=torch.int32, device=whole[0].device)
        dist.all_reduce(reached, dist.ReduceOp.MAX)
        flags, complete = iter(reached.tolist()), dict[int, bool]()
        for bucket in self.buckets:
            own = [next(flags) for _ in bucket.parameters]
            complete[id(bucket)] = all(own)
            bucket.finish(own)
        self.buckets.sort(key=lambda b: not complete[id(b)])  # one that is not reached would hold up the others

    def _hook(self, bucket: Bucket) -> Any:
        def ready(_: torch.Tensor) -> None:
            if not self._armed:
                return
            bucket.waiting -= 1
            while self._next < len(self.buckets) and not self.buckets[self._next].waiting:
                self.buckets[self._next].start()
                self._next += 1

        return ready


def _buckets(parameters: Iterable[nn.Parameter]) -> Iterable[list[nn.Parameter]]:
    out: list[nn.Parameter] = []
    held = 0
    for p in parameters:
        if out and (held + p.numel() > BUCKET or p.dtype != out[0].dtype or p.device != out[0].device):
            yield out
            out, held = [], 0
        out.append(p)
        held += p.numel()
    if out:
        yield out
