"""Marking of answers about photographs."""

import pytest

from nunbit.evaluation.photo_marking import is_right
from nunbit.evaluation.photos import items


@pytest.mark.parametrize(
    ("answer", "answers", "kind", "right"),
    [
        ("Yes, there is.", ("yes",), "existence", True),
        ("No.", ("yes",), "existence", False),
        ("No, there is no dog.", ("no",), "existence", True),
        ("No information.", ("no",), "existence", False),
        ("", ("no",), "existence", False),
        ("네, 있습니다.", ("네",), "existence", True),
        ("아니요", ("네",), "existence", False),
        ("There are 2 dogs.", ("2", "two"), "counting", True),
        ("two", ("2",), "counting", True),
        ("12", ("2",), "counting", False),
        ("2 or 3", ("2",), "counting", False),
        ("a cat", ("cat",), "naming", True),
        ("It is a cat.", ("cat",), "naming", True),
        ("a catfish", ("cat",), "naming", False),
        ("고양이입니다", ("고양이",), "naming", True),
        ("There is no cat in the picture.", ("cat",), "naming", False),
        ("It cannot be seen in the picture.", ("unknown",), "unanswerable", True),
        ("There is no bicycle in the picture.", ("absent",), "unanswerable", True),
        ("red", ("absent",), "unanswerable", False),
        ("", ("red",), "colour", False),
    ],
)
def test_marking(answer, answers, kind, right):
    assert is_right(answer, answers, kind) == right


def test_there_are_enough_questions_of_every_kind():
    todo = items(composites=30)
    if len({t.picture for t in todo}) < 50:
        pytest.skip("the packages with the pictures are not installed")
    assert len(todo) >= 150
    assert {t.kind for t in todo} == {
        "existence",
        "naming",
        "counting",
        "colour",
        "place",
        "relation",
        "reading",
        "unanswerable",
    }
    assert all(t.right(t.answers[0]) or t.kind == "unanswerable" for t in todo)
