"""Scoring: exact, bilingual, boxes by overlap; gold answers score 100 %, others do not; intervals behave."""

import numpy as np
import pytest

from nunbit.errors import UserError
from nunbit.evaluation import precision
from nunbit.evaluation.matching import is_right, parse_box, same_list
from nunbit.evaluation.statistics import bootstrap_interval
from nunbit.evaluation.tiny_world import as_text, items, report, run


@pytest.mark.parametrize(
    ("answer", "truth", "right"),
    [
        ("Yes.", "yes", True), ("  a  dog ", "a dog", True), ("네", "네", True), ("아니요", "네", False), ("３", "3", True), ("yes no", "yes", False),
        ("[10, 10, 50, 50]", "[12, 11, 52, 49]", True), ("[0, 0, 10, 10]", "[50, 50, 60, 60]", False), ("[50, 50, 10, 10]", "[10, 10, 50, 50]", False),
        ("box", "[10, 10, 50, 50]", False), ("", "yes", False), ("SALE", "sale", True),
    ],
)  # fmt: skip
def test_right_and_wrong(answer, truth, right):
    assert is_right(answer, [truth]) is right


def test_boxes_must_be_boxes():
    assert parse_box("[1, 2, 3, 4]") == (1, 2, 3, 4)
    assert parse_box("[1, 2, 3]") is None and parse_box("[3, 2, 1, 4]") is None and parse_box("x [1, 2, 3, 4]") is None


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
        row["n"] == 40 and row["right"] == row["blank_image"] and row["interval"][0] <= row["right"] <= row["interval"][1]
    )
    assert "tiny-world, seed 1, 40 questions" in as_text(result)


def test_interval_is_wider_when_questions_share_pictures():
    rng = np.random.default_rng(0)
    truth = np.repeat(rng.random(60) < 0.5, 10)
    shared = bootstrap_interval(truth, np.repeat(np.arange(60), 10))
    alone = bootstrap_interval(truth, np.arange(600))
    assert shared[1] - shared[0] > 2 * (alone[1] - alone[0])


def test_a_description_is_right_in_any_order_and_no_other_answer_is():
    assert same_list("2 cats and a red star", "a red star and 2 cats") and same_list(
        "고양이 2개, 별 1개", "별 1개, 고양이 2개"
    )
    assert same_list("a cat, a dog and a bus", "a bus, a cat and a dog")
    for wrong in ("a cat and a dog", "a cat, a cat, a dog and a bus", "a cat, 2 dogs and a bus", ""):
        assert not same_list(wrong, "a bus, a cat and a dog")


def test_int8_is_measured_on_the_embedded_model():
    from nunbit.assistant import Assistant

    try:
        result = precision.run(Assistant(), seed=3, limit=14)
    except UserError as e:
        pytest.skip(str(e))
    assert result["questions"] == 14 and result["layers"] > 20 and 0 < result["float32"] <= 1


def test_what_int8_changes_is_counted_on_the_same_items():
    todo = items(1, 20)
    full = [t.qa.answer for t in todo]
    small = ["nothing of the kind"] * 2 + full[2:]
    result = precision.report(todo, full, small, 1)
    assert result["float32"] == 1 and result["int8"] == result["float32"] - 0.1
    assert (result["only_float32"], result["only_int8"], result["other_words"]) == (2, 0, 0.1)
    assert result["difference"] == pytest.approx(-0.1) and not result["within_bound"]
    assert precision.report(todo, full, full, 1)["within_bound"]
    assert "-10.00 points" in precision.as_text(result | {"layers": 3})
