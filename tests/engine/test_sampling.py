"""Sampling parameters and the sampler."""

import pytest
import torch

from nunbit.engine.sampling import Sampler, SamplingParams
from nunbit.errors import UserError


@pytest.mark.parametrize(
    "bad",
    [
        {"temperature": -1},
        {"temperature": float("nan")},
        {"top_p": 0},
        {"logprobs": 21},
        {"max_tokens": 0},
        {"stop": [""]},
        {"stop": ["a"] * 99},
        {"bias": {1: 1000}},
    ],
)
def test_parameters_out_of_bounds_are_refused(bad):
    with pytest.raises(UserError):
        SamplingParams(**bad)


def test_sampling_cuts_where_it_says():
    logits = torch.tensor([3.0, 2.0, 1.0, 0.0, -1.0])

    def drawn(**options):
        sampler = Sampler(SamplingParams(temperature=1.0, seed=0, **options), 5, [])
        return {sampler.choose(logits).token for _ in range(300)}

    assert (
        drawn() == {0, 1, 2, 3, 4}
        and drawn(top_k=2) == {0, 1}
        and drawn(top_p=0.5) == {0}
        and drawn(min_p=0.3) == {0, 1}
    )
    assert drawn(bias={0: -100.0, 1: -100.0}) == {2, 3, 4}
    greedy = Sampler(SamplingParams(repetition=5.0), 5, [0])
    assert [greedy.choose(logits).token for _ in range(2)] == [1, 2]
