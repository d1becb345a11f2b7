"""Episodes whose rule stands only in the solved examples."""

import pytest

from nunbit.world import rules
from nunbit.world.base import generator

LANGUAGES = ("en", "ko")


@pytest.mark.parametrize("kind", rules.KINDS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_an_episode_has_one_rule_that_another_one_does_not_share(kind, language):
    made = [rules.episode(generator(0, i, "train"), "train", kind, language, 24) for i in range(8)]
    keys = set()
    for e in made:
        rule = {}
        for x in (*e.pool, e.query):
            assert rule.setdefault(x.case, x.answer) == x.answer and x.pixels.shape == (rules.SIDE_PX, rules.SIDE_PX, 3)
        assert len(e.pool) == 24 and len(set(rule.values())) == len(rule) and e.query.case in {x.case for x in e.pool}
        keys.add(tuple(sorted(rule.items())))
    assert len(keys) > 4
    again = rules.episode(generator(0, 0, "train"), "train", kind, language, 24)
    assert [x.answer for x in again.pool] == [x.answer for x in made[0].pool]


def test_made_up_words_of_the_test_are_never_those_of_training():
    for language in LANGUAGES:
        seen = {
            s: {w for i in range(60) for w in rules.words(generator(1, i, s), s, language, 4)}
            for s in ("train", "test")
        }
        assert not seen["train"] & seen["test"] and min(map(len, seen.values())) > 40
        assert all(
            len({w[0] for w in rules.words(generator(2, i, "train"), "train", language, 4)}) == 4 for i in range(20)
        )


def test_a_gauge_is_as_full_as_its_level():
    ink = (38, 84, 200)
    filled = [
        int((rules.gauge(generator(0, 0, "test"), n, ink) == ink).all(-1).sum()) for n in range(1, rules.LEVELS + 1)
    ]
    assert all(b > a for a, b in zip(filled, filled[1:], strict=False))
