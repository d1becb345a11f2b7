"""Intervals for shares of right answers. Clusters are pictures: questions about one picture are not independent."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def bootstrap_interval(
    right: Sequence[bool], clusters: Sequence[int], *, rounds: int = 1000, seed: int = 0
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
