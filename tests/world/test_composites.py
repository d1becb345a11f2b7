"""Composites: exact boxes, and things that training never shows."""

import numpy as np
import pytest

from nunbit.world import composites, cutouts
from nunbit.world.base import generator
from nunbit.world.colours import main_colour

installed = pytest.mark.skipif(not cutouts.FOLDER.is_dir(), reason="tuxpaint-stamps-default is not installed")


@installed
def test_training_draws_no_held_out_name():
    held = {c.name for c in cutouts.cutouts() if c.held_out}
    assert 15 < len(held) < 60
    for number in range(40):
        assert not {o.name for o in composites.draw(generator(0, number, "train")).scene.objects} & held
    for number in range(10):
        assert {o.name for o in composites.draw(generator(0, number, "test"), "test").scene.objects} <= held


@installed
def test_a_box_holds_its_thing():
    for number in range(12):
        scene = composites.draw(generator(1, number, "train")).scene.validate()
        for o in scene.objects:
            rows, columns = np.nonzero(scene.segment_map == o.segment)
            x1, y1, x2, y2 = o.box
            assert x1 <= columns.min() and columns.max() < x2 and y1 <= rows.min() and rows.max() < y2


def test_the_held_out_list_is_fixed():
    assert [n for n in ("airplane", "banana", "camel", "dog", "cat", "zebra") if cutouts.is_held_out(n)] == [
        "airplane",
        "banana",
        "camel",
    ]


@pytest.mark.parametrize(
    ("caption", "name"),
    [("A Tamworth pig", "Tamworth pig"), ("red kangaroo", "kangaroo"), ("bunny", "rabbit"), ("sports car", "car")],
)
def test_everyday_names(caption, name):
    assert cutouts.everyday(caption).lower() in (name.lower(), name.split()[-1].lower())


@pytest.mark.parametrize(
    ("rgb", "name"),
    [
        ((214, 40, 40), "red"),
        ((38, 84, 200), "blue"),
        ((25, 25, 28), "black"),
        ((250, 250, 250), "white"),
        ((135, 135, 140), "gray"),
        ((120, 72, 40), "brown"),
        ((245, 130, 32), "orange"),
        ((46, 140, 60), "green"),
        ((250, 210, 40), "yellow"),
    ],
)
def test_colours_by_name(rgb, name):
    assert main_colour(np.array([rgb] * 9)) == name


def test_no_colour_is_named_where_none_is_clear():
    assert main_colour(np.array([(214, 40, 40), (38, 84, 200)])) == ""
