"""Muon: momentum whose step is the nearest orthogonal matrix. For hidden matrices only; AdamW keeps tables, gains and
output heads.

Source: Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks"; the step's size follows Liu et
al. 2025 (arXiv:2502.16982, eq. 4), so that one learning rate suits both optimisers. torch.optim.Muon iterates in
bfloat16, which processors without bfloat16 units run several times slower; this one stays in the parameters' type and
stacks equal shapes. On looking up one of five coloured things it stands after 100 steps where AdamW is not after 250
(docs/results.md).
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import Any

import torch

ITERATIONS = 5
RESIDUAL_SHARE = 0.2
A, B, C = 3.4445, -4.7750, 2.0315
"""Coefficients of the quintic iteration."""


def orthogonal(x: torch.Tensor) -> torch.Tensor:
    """Push singular values towards 1 by a quintic Newton-Schulz iteration: ``(..., rows, columns)`` to the same
    shape."""
    tall = x.shape[-2] > x.shape[-1]
    x = x.mT if tall else x
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(ITERATIONS):
        y = x @ x.mT
        x = A * x + (B * y + C * y @ y) @ x
    return x.mT if tall else x


class Muon(torch.optim.Optimizer):
    """One parameter group a shape; convolution kernels count as (out, in x height x width).

    Every step has the same size, so matrices grow without end, attention hardens and the first layers drown their
    input; then nothing new is learnt. ``radius`` bounds them: the Frobenius norm stays under ``radius * sqrt(min(rows,
    columns))``, or under what it was at the first step, if that is more.

    Args:
        residual: matrices (by ``id``) that write into a residual stream: with a radius they move and grow
            `RESIDUAL_SHARE` times as far.
    """

    def __init__(
        self,
        parameters: Iterable[torch.nn.Parameter],
        lr: float,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
        radius: float = 0.0,
        residual: Container[int] = (),
    ) -> None:
        shapes: dict[tuple[int, ...], list[torch.nn.Parameter]] = {}
        for p in parameters:
            shapes.setdefault(tuple(p.shape), []).append(p)
        defaults = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay}
        super().__init__([{"params": ps} for ps in shapes.values()], defaults)
        self.radius, self.residual = radius, residual

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """One step of every matrix that has a gradient; the others rest."""
        for group in self.param_groups:
            moved = [p for p in group["params"] if p.grad is not None]
            if moved:
                self._step_shape(group, moved)

    def _step_shape(self, group: dict[str, Any], moved: list[torch.nn.Parameter]) -> None:
        grads = torch.stack([p.grad.flatten(1) for p in moved if p.grad is not None])
        means = []
        for p, g in zip(moved, grads, strict=True):
            mean = self.state[p].setdefault("mean", torch.zeros_like(g))
            means.append(mean.lerp_(g, 1 - group["momentum"]))
        moves = orthogonal(grads.lerp(torch.stack(means), group["momentum"]))
        size = 0.2 * max(moves.shape[-2:]) ** 0.5 * group["lr"]
        for p, move in zip(moved, moves, strict=True):
            gain = RESIDUAL_SHARE if self.radius and id(p) in self.residual else 1.0
            if self.radius and "bound" not in self.state[p]:
                self.state[p]["bound"] = p.norm().clamp(min=gain * self.radius * min(move.shape[-2:]) ** 0.5)
            p.mul_(1 - group["lr"] * group["weight_decay"]).add_(move.view_as(p), alpha=-size * gain)
            if self.radius:
                p.mul_((self.state[p]["bound"] / p.norm()).clamp(max=1.0))
