"""Marks drawn on a picture and named in the question."""

import re

import numpy as np
import pytest
from PIL import Image

from nunbit.errors import UserError
from nunbit.messages import question
from nunbit.prompting.pointing import PointingMark, draw, parse, point_at

GREY = Image.new("RGB", (100, 60), (128, 128, 128))


@pytest.mark.parametrize(
    ("kind", "at"),
    [
        ("point", (50, 30)),
        ("box", (20, 10, 60, 40)),
        ("circle", (50, 30, 15)),
        ("arrow", (10, 10, 50, 30)),
        ("box", (0, 0, 100, 60)),
        ("circle", (99, 59, 900)),
        ("point", (0, 60)),
        ("box", (60, 40, 20, 10)),
    ],
)
def test_marks_change_the_picture_and_the_words(kind, at):
    turns = point_at(PointingMark(kind, at))(question("What is it?", [GREY]))
    marked = turns[-1].images[0]
    assert marked.size == GREY.size and np.asarray(marked).std() > 0 and np.asarray(GREY).std() == 0
    assert kind in turns[-1].text and "What is it?" in turns[-1].text
    assert "가리키는" in point_at(PointingMark(kind, at))(question("무엇인가요?", [GREY]))[-1].text


@pytest.mark.parametrize(
    ("kind", "at"),
    [
        ("point", (-5, 30)),
        ("point", (50, 61)),
        ("box", (-50, -50, 9999, 9999)),
        ("circle", (101, 30, 5)),
        ("arrow", (10, 10, 500, 30)),
    ],
)
def test_a_mark_outside_the_picture_is_refused(kind, at):
    with pytest.raises(UserError, match="0 to 100 across and 0 to 60 down"):
        point_at(PointingMark(kind, at))(question("What is it?", [GREY]))


def test_a_mark_stands_out_and_touches_only_its_place():
    for under, never in (((225, 29, 72), "red"), ((29, 78, 216), "blue"), ((250, 204, 21), "yellow")):
        assert draw(Image.new("RGB", (64, 64), under), PointingMark("box", (8, 8, 40, 40)))[1] != never
    changed = np.argwhere((np.asarray(draw(GREY, PointingMark("box", (20, 10, 60, 40)))[0]) != 128).any(-1))
    assert changed.min(0).tolist() == [10, 20] and (changed.max(0) <= [40, 60]).all()


def test_a_circle_stays_round_and_a_point_stays_put_at_the_edge():
    def changed(mark):
        return np.argwhere((np.asarray(draw(GREY, mark)[0]) != 128).any(-1))

    rows, columns = changed(PointingMark("circle", (5, 30, 12))).T
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (18, 42, 0, 17)
    assert len(changed(PointingMark("circle", (0, 0, 1e9)))) and len(changed(PointingMark("circle", (50, 30, -3))))
    rows, columns = changed(PointingMark("point", (0, 30))).T
    assert columns.min() == 0 and abs(rows.mean() - 30) < 0.6 and columns.max() <= 6
    for kind, at in (("box", (0, 0, 1, 1)), ("arrow", (0, 0, 0, 0)), ("circle", (0, 0, 0)), ("point", (0, 0))):
        assert draw(Image.new("RGB", (1, 1)), PointingMark(kind, at))[0].size == (1, 1)


def test_an_arrow_has_its_head_at_the_end():
    changed = (np.asarray(draw(GREY, PointingMark("arrow", (10, 30, 80, 30)))[0]) != 128).any(-1).sum(0)
    assert changed[70:80].max() > 1.5 * changed[15:60].max() and not changed[:8].any() and not changed[85:].any()


def test_the_second_of_two_pictures_and_words_of_both_languages():
    turns = point_at(PointingMark("box", (5, 5, 30, 30)), which=1)(question("둘째 그림에는?", [GREY, GREY]))
    first, second = turns[-1].images
    assert first is GREY and np.asarray(second).std() > 0
    assert re.fullmatch("(빨간|연두색|파란|노란) 네모가 가리키는 것에 대해: 둘째 그림에는[?]", turns[-1].text)
    english = point_at(PointingMark("box", (5, 5, 30, 30)))(question("What?", [GREY]))[-1].text
    assert re.fullmatch("About what is inside the (red|lime|blue|yellow) box: What[?]", english)


def test_marks_of_a_wrong_form_are_refused():
    for kind, text in (("box", "1,2,3"), ("point", "a,b"), ("circle", "1,2,nan")):
        with pytest.raises(UserError):
            parse(kind, text)
    with pytest.raises(UserError, match="picture"):
        point_at(PointingMark("point", (1, 1)))(question("no picture"))
