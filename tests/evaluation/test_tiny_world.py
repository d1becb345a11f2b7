"""Gold answers score 100 %, others do not; items are held out; the blank-image baseline gets blank images."""

import numpy as np

from nunbit.evaluation.tiny_world import as_text, items, report, run


def test_gold_answers_score_all_and_shuffled_ones_do_not():
    todo = items(3, 120)
    for t in todo:
        t.answer = t.qa.answer
    assert report(todo, 3)["tables"]["all"]["all"]["right"] == 1.0
    answers = [t.qa.answer for t in todo]
    for t, other in zip(todo, np.random.default_rng(0).permutation(answers), strict=True):
        t.answer = str(other)
    assert report(todo, 3)["tables"]["all"]["all"]["right"] < 0.5


def test_items_are_held_out_repeatable_and_balanced():
    a, b = items(11, 140), items(11, 140)
    assert [t.qa for t in a] == [t.qa for t in b]
    assert {t.split for t in a} == {"test", "unseen"}
    assert len({t.domain for t in a}) == 6
    assert [t.qa for t in items(12, 40)] != [t.qa for t in a[:40]]


def test_the_blank_picture_reaches_the_model():
    blank = []

    def ask(conversations):
        for c in conversations:
            blank.append(bool((np.asarray(c[0].images[0]) == 127).all()))
        return ["yes"] * len(conversations)

    result = run(ask, seed=1, limit=40)
    assert sum(blank) == 40 and len(blank) == 80
    row = result["tables"]["all"]["all"]
    assert (
        row["n"] == 40
        and row["right"] == row["blank_image"]
        and row["interval"][0] <= row["right"] <= row["interval"][1]
    )
    assert "tiny-world, seed 1, 40 questions" in as_text(result)
