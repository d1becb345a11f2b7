"""Intervals resample whole clusters."""

import numpy as np

from nunbit.evaluation.statistics import bootstrap_interval


def test_interval_is_wider_when_questions_share_pictures():
    rng = np.random.default_rng(0)
    truth = np.repeat(rng.random(60) < 0.5, 10)
    shared = bootstrap_interval(truth, np.repeat(np.arange(60), 10))
    alone = bootstrap_interval(truth, np.arange(600))
    assert shared[1] - shared[0] > 2 * (alone[1] - alone[0])
