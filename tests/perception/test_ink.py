"""The measured colour of writing."""

import numpy as np
from PIL import Image

from nunbit.perception.ink import ink_colour
from nunbit.scene import TextLine
from nunbit.world import DOMAINS
from nunbit.world.base import generator


def test_the_colour_of_written_notes_is_measured():
    right = total = 0
    for number in range(60):
        picture = DOMAINS["writing"].draw(generator(8, number, "test"), "test")
        total += 1
        right += ink_colour(Image.fromarray(picture.pixels), picture.scene.text_lines) == picture.scene.meta["ink"]
    assert right >= 0.9 * total, (right, total)


def test_without_writing_there_is_no_colour():
    plain = Image.fromarray(np.full((40, 40, 3), 200, np.uint8))
    assert ink_colour(plain, []) == ""
    assert ink_colour(plain, [TextLine.from_box("x", (5, 5, 30, 20))]) == ""
