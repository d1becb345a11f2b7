"""Intervals and paired tests.

Clusters are pictures (or questions in all their rotations): what shares one is not independent.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")


def bootstrap_interval(
    right: Sequence[bool] | Sequence[float],
    clusters: Sequence[int] | Sequence[str],
    *,
    rounds: int = 1000,
    seed: int = 0,
) -> tuple[float, float]:
    """95 % interval of the mean by resampling whole clusters."""
    values, groups = np.asarray(right, float), np.asarray(clusters)
    _, index = np.unique(groups, return_inverse=True)
    total = np.bincount(index, weights=values)
    size = np.bincount(index).astype(float)
    draws = np.random.default_rng(seed).integers(len(total), size=(rounds, len(total)))
    means = total[draws].sum(1) / size[draws].sum(1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def resampled_interval(
    groups: Sequence[T], figure: Callable[[Sequence[T]], float], *, rounds: int = 200, seed: int = 0
) -> tuple[float, float]:
    """95 % interval of any figure of a list of groups, for figures that are no mean (F1, a sum of categories)."""
    rng = np.random.default_rng(seed)
    figures = [figure([groups[i] for i in rng.integers(len(groups), size=len(groups))]) for _ in range(rounds)]
    low, high = np.quantile(figures, [0.025, 0.975])
    return float(low), float(high)


def paired_bootstrap(
    a: Sequence[float], b: Sequence[float], clusters: Sequence[str], *, rounds: int = 2000, seed: int = 0
) -> tuple[float, tuple[float, float], float]:
    """B's mean minus A's on the same units: the difference, its 95 % interval, and a two-sided p value."""
    change = np.asarray(b, float) - np.asarray(a, float)
    _, index = np.unique(np.asarray(clusters), return_inverse=True)
    total, size = np.bincount(index, weights=change), np.bincount(index).astype(float)
    draws = np.random.default_rng(seed).integers(len(total), size=(rounds, len(total)))
    means = total[draws].sum(1) / size[draws].sum(1)
    low, high = np.quantile(means, [0.025, 0.975])
    p = 2 * min((np.sum(means <= 0) + 1) / (rounds + 1), (np.sum(means >= 0) + 1) / (rounds + 1))
    return float(change.mean()), (float(low), float(high)), float(min(1.0, p))


def wilson_interval(right: int, of: int) -> tuple[float, float]:
    """95 % interval of a share by Wilson's score, 0 to 1: also where none or all are right."""
    if of == 0:
        return 0.0, 1.0
    z, p = 1.959964, right / of
    middle, half = p + z * z / (2 * of), z * math.sqrt(p * (1 - p) / of + z * z / (4 * of * of))
    return max(0.0, (middle - half) / (1 + z * z / of)), min(1.0, (middle + half) / (1 + z * z / of))


def mcnemar(only_a: int, only_b: int) -> float:
    """Exact two-sided p value that the two are equally often the only one to be right."""
    n, k = only_a + only_b, min(only_a, only_b)
    if n == 0:
        return 1.0
    log_half = n * math.log(0.5)
    below = sum(
        math.exp(math.lgamma(n + 1) - math.lgamma(i + 1) - math.lgamma(n - i + 1) + log_half) for i in range(k + 1)
    )
    return min(1.0, 2 * below)
