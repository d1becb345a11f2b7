"""What a mixture draws: shares by weight, every sample of a file before any comes again, and all of it a function of
the step."""

from collections import Counter

import numpy as np
import pytest

from nunbit.data.grouping import plan
from nunbit.data.mixture import MixtureSampler, Source, apportion, sources
from nunbit.errors import UserError

RNG = np.random.default_rng(0)
SIZES = {"a": 30, "b": 70, "c": 7}
LENGTHS, KINDS = RNG.integers(5, 90, 107), RNG.random(107) < 0.7
OWNER = np.repeat([0, 1, 2], [30, 70, 7])


def sampler(weights=(1.0, 1.0, 2.0), **how):
    return MixtureSampler(LENGTHS, KINDS, SIZES, weights, **how)


def test_how_a_mixture_is_written(tmp_path):
    assert sources("a.json:0.7, b.json:2") == [Source("a.json", 0.7), Source("b.json", 2.0)]
    assert sources("a.json,b.json") == [Source("a.json"), Source("b.json")]
    assert sources("C:/talk.json") == [Source("C:/talk.json")]
    assert len(sources("x" * 5000)) == len(sources("\0")) == 1, "no path, and no traceback"
    odd = tmp_path / "a,b:1"
    odd.write_text("[]")
    assert sources(str(odd)) == [Source(str(odd))]
    for wrong in (
        "a.json:0",
        "a.json:-1",
        "a.json:nan",
        "a.json:1,b.json",
        "a.json:1,a.json:2",
        "a.json:1e308,b.json:1e308",
        ":0.5",
        "a.json:1, a.json :2",
    ):
        with pytest.raises(UserError):
            sources(wrong)


def test_parts_add_up_and_nobody_goes_empty():
    assert apportion([1, 1, 2], 107) == [27, 27, 53]
    assert apportion([1e-9, 1], 10) == [1, 9]


@pytest.mark.parametrize("group", (True, False))
def test_a_pass_shows_each_file_its_share(group):
    drawn = sampler(group=group)
    shown = np.concatenate([drawn.at(step, 8, 3)[0] for step in range(drawn.steps(8))])
    assert np.bincount(OWNER[shown]).tolist() == [27, 27, 53]


def test_no_sample_comes_again_before_all_of_its_file_were_shown():
    drawn, steps = sampler(), 5 * 14
    shown = np.concatenate([drawn.at(step, 8, 3)[0] for step in range(steps)])
    for number in range(3):
        often = Counter(shown[OWNER[shown] == number].tolist())
        assert len(often) == [*SIZES.values()][number] and max(often.values()) - min(often.values()) <= 1


def test_a_step_is_the_same_whoever_asks_and_when():
    whole = sampler()
    shown = [whole.at(step, 8, 3)[0].tolist() for step in range(40)]
    assert sampler().at(33, 8, 3)[0].tolist() == shown[33] and sampler().at(2, 8, 3)[0].tolist() == shown[2]
    counted = Counter(OWNER[np.concatenate(shown[:33])].tolist())
    assert sampler().drawn(33, 8, 3) == {"a": counted[0], "b": counted[1], "c": counted[2]}


def test_without_weights_a_pass_is_the_plan_of_all_samples():
    one, three = MixtureSampler(LENGTHS, KINDS, {"all": 107}, None), sampler(None)
    for step in (0, 5, 20):
        epoch, at = divmod(step, 14)
        wanted = plan(LENGTHS, KINDS, 8, seed=(3, epoch))[at].tolist()
        assert one.at(step, 8, 3)[0].tolist() == three.at(step, 8, 3)[0].tolist() == wanted
    assert one.drawn(15, 8, 3) == {"all": 115}


def test_accumulating_shows_every_file_a_part_of_every_step():
    drawn = sampler(accumulate=True)
    for step in range(20):
        parts = drawn.at(step, 6, 0)
        assert [set(OWNER[p]) for p in parts] == [{0}, {1}, {2}]
        assert [len(p) for p in parts[:2]] == [2, 2]
    assert drawn.steps(6) == 35 and drawn.drawn(10, 6, 0) == {"a": 20, "b": 20, "c": 18}
    with pytest.raises(UserError, match="batch=8 over 3 data sets"):
        drawn.at(0, 8, 0)
