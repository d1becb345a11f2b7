"""Answers are right by exact equality in two languages, boxes by overlap, descriptions in any order."""

import pytest

from nunbit.evaluation.matching import is_right, parse_box, same_list


@pytest.mark.parametrize(
    ("answer", "truth", "right"),
    [
        ("Yes.", "yes", True),
        ("  a  dog ", "a dog", True),
        ("네", "네", True),
        ("아니요", "네", False),
        ("３", "3", True),
        ("yes no", "yes", False),
        ("[10, 10, 50, 50]", "[12, 11, 52, 49]", True),
        ("[0, 0, 10, 10]", "[50, 50, 60, 60]", False),
        ("[50, 50, 10, 10]", "[10, 10, 50, 50]", False),
        ("box", "[10, 10, 50, 50]", False),
        ("", "yes", False),
        ("SALE", "sale", True),
    ],
)
def test_right_and_wrong(answer, truth, right):
    assert is_right(answer, [truth]) is right


def test_boxes_must_be_boxes():
    assert parse_box("[1, 2, 3, 4]") == (1, 2, 3, 4)
    assert parse_box("[1, 2, 3]") is None and parse_box("[3, 2, 1, 4]") is None and parse_box("x [1, 2, 3, 4]") is None


def test_a_description_is_right_in_any_order_and_no_other_answer_is():
    assert same_list("2 cats and a red star", "a red star and 2 cats") and same_list(
        "고양이 2개, 별 1개", "별 1개, 고양이 2개"
    )
    assert same_list("a cat, a dog and a bus", "a bus, a cat and a dog")
    for wrong in ("a cat and a dog", "a cat, a cat, a dog and a bus", "a cat, 2 dogs and a bus", ""):
        assert not same_list(wrong, "a bus, a cat and a dog")
