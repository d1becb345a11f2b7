"""Projected gradient descent: noise that moves an answer or a feature as far as a bound on every pixel allows.

Source: PGD, arXiv 1706.06083; the unsupervised objective on features, FARE, arXiv 2402.12336, eq. 3.

Letters: B pictures, K classes, D width.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from nunbit.errors import UserError

Objective = Callable[[Tensor], Tensor]
"""Pictures ``(B, 3, H, W)`` in 0 to 1 -> what the attack makes larger, one number a picture ``(B,)``."""
STEPS, STEP_SHARE = 20, 2.5
"""Steps, and the length of a step: that share of the bound, divided by the steps, as in the paper's repository."""


def pgd(
    objective: Objective,
    pictures: Tensor,
    bound: float,
    *,
    steps: int = STEPS,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Pictures ``(B, 3, H, W)`` in 0 to 1, each pixel at most ``bound`` away, with the largest objective that was met.

    Args:
        objective: grows where the attack succeeds. Gradients reach its argument alone.
        bound: of the largest change of a channel of a pixel, 0 to 1.
        generator: of the random start; without it the attack starts at the pictures themselves.

    Raises:
        UserError: a bound outside 0 to 1, or fewer than one step.
    """
    if not 0 <= bound <= 1 or steps < 1:
        raise UserError(f"bound={bound:g}, steps={steps}", allowed="a bound of 0 to 1 and at least one step")
    if bound == 0:
        return pictures.clone()
    size = STEP_SHARE * bound / steps
    now = pictures.clone() if generator is None else noisy(pictures, bound, generator)
    best, most = now.clone(), torch.full((len(pictures),), -torch.inf, device=pictures.device)
    for step in range(steps + 1):
        now = now.detach().requires_grad_(step < steps)
        with torch.set_grad_enabled(step < steps):
            reached = objective(now)
        better = reached.detach() > most
        most = torch.where(better, reached.detach(), most)
        best = torch.where(better[:, None, None, None], now.detach(), best)
        if step < steps:
            [slope] = torch.autograd.grad(reached.sum(), now)
            moved = now.detach() + size * slope.sign()
            now = torch.minimum(torch.maximum(moved, pictures - bound), pictures + bound).clamp(0, 1)
    return best


def noisy(pictures: Tensor, bound: float, generator: torch.Generator) -> Tensor:
    """Pictures ``(B, 3, H, W)`` in 0 to 1 with even noise of at most ``bound`` on every pixel."""
    drawn = torch.rand(pictures.shape, generator=generator).to(pictures)
    return (pictures + bound * (2 * drawn - 1)).clamp(0, 1)


def wrong_class(logits_of: Callable[[Tensor], Tensor], labels: Tensor) -> Objective:
    """The objective of a classifier: the cross entropy of the true class.

    Args:
        logits_of: pictures -> logits ``(B, K)``.
        labels: true classes ``(B,)``.
    """
    return lambda pictures: cross_entropy(logits_of(pictures), labels, reduction="none")


def far_features(features_of: Callable[[Tensor], Tensor], clean: Tensor) -> Objective:
    """The unsupervised objective: the squared distance of features to those of the clean pictures.

    Args:
        features_of: pictures -> features ``(B, ...)``.
        clean: features of the clean pictures, of the same shape.
    """
    return lambda pictures: (features_of(pictures) - clean).flatten(1).pow(2).sum(1)
