"""Batches of like length, and packed rows."""

import numpy as np

from nunbit.data.grouping import packs, plan, token_utilization


def test_grouping_shows_each_sample_once_and_evens_lengths():
    rng = np.random.default_rng(0)
    lengths, kinds = np.exp(rng.normal(5, 1, 1003)).astype(int), rng.random(1003) < 0.7
    batches = plan(lengths, kinds, 8, seed=(0, 0))
    assert sorted(np.concatenate(batches).tolist()) == list(range(1003)) and all(len(b) == 8 for b in batches[:-1])
    padded = [
        sum(lengths[b].max() * len(b) for b in batches)
        for batches in (batches, plan(lengths, kinds, 8, seed=(0, 0), group=False))
    ]
    assert padded[0] < 0.7 * padded[1]
    assert sum(len(set(kinds[b])) > 1 for b in batches) <= 2


def test_packs_hold_each_sample_once_and_are_full():
    rng = np.random.default_rng(0)
    lengths = np.minimum(900, rng.lognormal(4.5, 0.9, 400)).astype(int) + 1
    rows = packs(lengths.tolist(), 1000)
    assert sorted(i for row in rows for i in row) == list(range(400))
    assert max(sum(lengths[row]) for row in rows) <= 1000
    batches = [np.arange(i, i + 40) for i in range(0, 400, 40)]
    assert token_utilization(lengths, batches, 1000) > 0.85 > token_utilization(lengths, batches)
    assert packs([5, 2000], 1000) == [[1], [0]]  # too long for a row: one of its own
