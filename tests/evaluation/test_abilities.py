"""Ability suites: gold answers are worth everything, nonsense nothing, drawings say what they claim, files open in
our own readers.
"""

import json

import numpy as np
import pytest

from nunbit.errors import UserError
from nunbit.evaluation.abilities import SUITES, drawings, trials
from nunbit.evaluation.abilities.layouts import choices, write
from nunbit.evaluation.abilities.run import run
from nunbit.evaluation.abilities.score import credit, edits, listed, order, right
from nunbit.evaluation.benchmarks import BENCHMARKS
from nunbit.messages import check_turns
from nunbit.world.base import generator


@pytest.mark.parametrize("name", list(SUITES))
def test_gold_is_right_nonsense_is_not_and_a_seed_names_a_trial(name):
    some, again, other = ([*trials(name, 6, seed)] for seed in (3, 3, 4))
    for t, u in zip(some, again, strict=True):
        assert right(t.answer, t) and credit(t.answer, t) == 1.0
        assert not right("purple monkey dishwasher", t) and credit("", t) == 0.0
        assert t.words == u.words and all(np.array_equal(a, b) for a, b in zip(t.pictures, u.pictures, strict=True))
        assert not t.options or t.answer in t.options
        check_turns(t.messages())
        assert all((p.content == 127).all() for p in t.messages(blank=True)[0].parts if p.kind == "image")
    assert any(
        not np.array_equal(a, b)
        for t, u in zip(some, other, strict=True)
        for a, b in zip(t.pictures[:1], u.pictures[:1], strict=True)
    )


def test_marks():
    assert edits("kitten", "sitting") == 3 and edits("", "abc") == 3
    assert (
        order("A, B, C", "A, B, C") == 1
        and order("C, B, A", "A, B, C") == 0
        and order("A, C, B", "A, B, C") == pytest.approx(2 / 3)
    )
    assert order("A, A, B", "A, B, C") == 0
    assert listed("a dog and a cat", "a cat and a dog") == 1 and listed("a dog", "a dog and a cat") == pytest.approx(
        2 / 3
    )


def test_a_break_is_dark_across_the_bone():
    for i in range(30):
        pixels, broken = drawings.bone(generator(0, i, "test"))
        brightest = pixels.mean(-1)[60:135].max(axis=1)
        assert (brightest.min() < 110) == broken


def test_the_ball_moves_as_said():
    for i in range(12):
        frames, way = drawings.moving_ball(generator(0, i, "test"))
        centres = [np.argwhere((f != f[0, 0]).any(-1)).mean(0) for f in frames]
        dy, dx = centres[-1] - centres[0]
        assert way == (("right" if dx > 0 else "left") if abs(dx) > abs(dy) else ("down" if dy > 0 else "up"))


@pytest.mark.parametrize("layout", ("mmbench", "mathvista", "pope"))
def test_files_for_other_harnesses_open_and_gold_scores_all(layout, tmp_path):
    path = write(tmp_path, layout, count=6, seed=1)
    items = list(BENCHMARKS[layout].read(path if layout == "mmbench" else tmp_path))
    assert len(items) >= 8 and all(i.gold and i.pictures for i in items)


def test_choices_hold_the_answer_and_do_not_favour_a_letter():
    at = [choices(t).index(t.answer) for t in trials("emotion", 60)]
    assert min(at.count(i) for i in range(4)) >= 5


def test_a_run_marks_gold_as_all_and_tells_languages_apart():
    gold = {}
    for name in ("emotion", "ocr_ko", "boxes"):
        gold |= {t.words + str(t.pictures[0].sum()): t.answer for t in trials(name, 10, 2)}

    def ask(conversations):
        def key(c):
            return " ".join(p.content for p in c[0].parts if p.kind == "text") + str(
                next(p for p in c[0].parts if p.kind == "image").content.sum()
            )

        return [gold.get(key(c), "?") for c in conversations]

    done = run(ask, names=["emotion", "ocr_ko", "boxes"], count=10, seed=2)
    assert all(s["right"] == 1 and s["credit"] == 1 and s["blank_image"] == 0 for s in done["suites"].values())
    assert set(done["suites"]["emotion"]["languages"]) == {"en", "ko"} and set(
        done["suites"]["ocr_ko"]["languages"]
    ) == {"ko"}
    json.dumps(done)
    with pytest.raises(UserError, match="ability"):
        run(ask, names=["telepathy"])
