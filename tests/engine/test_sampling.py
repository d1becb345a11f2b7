"""Sampling parameters and the sampler."""

from collections import Counter

import pytest
import torch

from nunbit.engine.choosing import choose_all
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


LOGITS = torch.tensor([3.0, 2.0, 1.0, 0.0, -1.0])


def drawn(**options):
    sampler = Sampler(SamplingParams(temperature=1.0, seed=0, **options), 5, [])
    return Counter(choose_all([sampler], LOGITS[None])[0].token for _ in range(300))


def test_sampling_cuts_where_it_says():
    assert set(drawn()) == {0, 1, 2, 3, 4}
    assert set(drawn(top_k=2)) == {0, 1} and set(drawn(top_p=0.5)) == {0} and set(drawn(min_p=0.3)) == {0, 1}
    assert set(drawn(bias={0: -100.0, 1: -100.0})) == {2, 3, 4}
    greedy = Sampler(SamplingParams(repetition=5.0), 5, [0])
    assert [choose_all([greedy], LOGITS[None])[0].token for _ in range(2)] == [1, 2]
    for options, tokens in (({"frequency": 1.5}, [0, 1, 0, 2, 1]), ({"presence": 1.5}, [0, 1, 0, 0, 0])):
        penalised = Sampler(SamplingParams(**options), 5, [0, 0])  # a prompt's own tokens are not counted
        assert [choose_all([penalised], LOGITS[None])[0].token for _ in range(5)] == tokens


@pytest.mark.parametrize("options", [{}, {"top_k": 4}, {"top_p": 0.95}])
def test_tokens_are_drawn_as_often_as_they_are_probable(options):
    p = LOGITS.softmax(-1)
    p = torch.where(torch.arange(5) < {"top_k": 4}.get(next(iter(options), ""), 5), p, 0.0)
    if "top_p" in options:
        p = torch.where(p.cumsum(-1) - p < 0.95, p, 0.0)
    for token, share in enumerate((p / p.sum()).tolist()):
        assert abs(drawn(**options)[token] / 300 - share) < 3 * (share * (1 - share) / 300) ** 0.5 + 1e-9


def test_neighbours_change_nothing_whatever_they_want():
    wanted = [
        SamplingParams(),
        SamplingParams(temperature=1.3, seed=1),
        SamplingParams(temperature=0.7, top_p=0.8, seed=2, logprobs=3),
        SamplingParams(temperature=1.0, top_k=3, min_p=0.05, seed=3, repetition=1.4),
        SamplingParams(bias={7: 3.0}, logprobs=0),
        SamplingParams(logprobs=5),
    ]
    torch.manual_seed(0)
    steps = torch.randn(8, len(wanted), 50) * 3

    def answers(rows):
        samplers = [Sampler(wanted[i], 50, [1, 2, 3]) for i in rows]
        return [list(t) for t in zip(*(choose_all(samplers, z[rows]) for z in steps), strict=True)]

    together = answers(list(range(len(wanted))))
    assert together == [answers([i])[0] for i in range(len(wanted))]
    assert [len(t.others) for t in (together[2][0], together[4][0], together[5][0])] == [3, 0, 5]
    raw = steps[0, 2].log_softmax(-1)
    assert abs(together[2][0].logprob - raw[together[2][0].token].item()) < 1e-6


def test_a_grammar_that_fails_ends_its_own_row_only():
    class Broken:
        def mask(self, logits):
            raise UserError("a grammar")

    samplers = [Sampler(SamplingParams(), 5, []), Sampler(SamplingParams(), 5, [], Broken())]
    one, other = choose_all(samplers, torch.stack([LOGITS, LOGITS]))
    assert one.token == 0 and isinstance(other, UserError)
