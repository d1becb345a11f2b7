"""Portraits: one object and its name."""

import numpy as np

from nunbit.world import portraits, things
from nunbit.world.base import COLOURS, generator


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
