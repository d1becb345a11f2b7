"""Portraits, episodes with a rule, and questions of several steps: repeatable, and true by what was drawn."""

import re

import numpy as np
import pytest

from nunbit.world import portraits, rules, steps, things
from nunbit.world.base import COLOURS, generator

LANGUAGES = ("en", "ko")


def test_a_portrait_shows_its_thing_and_the_unseen_style_is_another_drawing():
    for i, name in enumerate(("cat", "circle", "bus")):
        one, again, other = (portraits.draw(generator(0, i, s), s, name) for s in ("train", "train", "unseen"))
        assert one.pixels.shape == (portraits.SIDE_PX, portraits.SIDE_PX, 3) and np.array_equal(
            one.pixels, again.pixels
        )
        assert not np.array_equal(one.pixels, other.pixels) and one.pixels.std() > 5
        assert (one.colour in COLOURS) is (name in things.SHAPES)
    red = portraits.draw(generator(0, 0, "train"), "train", "star", "red")
    assert (
        red.called("en", coloured=True) == "red star"
        and red.called("ko", coloured=True) == "빨간색 별"
        and red.called("ko") == "별"
    )


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


@pytest.mark.parametrize("language", LANGUAGES)
def test_worked_solutions_end_in_the_answer_that_the_scene_gives(language):
    for i in range(24):
        s = steps.draw(i, 0, "test", language)
        w = s.worked
        assert w.kind == steps.KINDS[i % 3] and w.language == language and w.question.endswith("?")
        if w.kind == "sum":
            assert w.reasoning.endswith(f"= {w.answer}.")
            first, second, both = (
                int(re.sub(r"\D", "", v)) for v in re.search(r"(\S+) \+ (\S+) = (\S+)\.$", w.reasoning).groups()
            )
            assert first + second == both
            continue
        counts = {
            n: sum(o.name == n for o in s.picture.scene.objects) for n in {o.name for o in s.picture.scene.objects}
        }
        told = {
            n: c
            for n, c in counts.items()
            if (things.names()[n][1] if language == "ko" else things.names()[n][0]) in w.question
        }
        assert len(told) >= 2
        if w.kind == "difference":
            assert int(w.answer) in {
                a - b for a in told.values() for b in told.values() if a > b
            } and w.reasoning.endswith(f"= {w.answer}.")
        else:
            assert max(told.values()) in {c for n, c in told.items() if w.answer in things.names()[n]}
