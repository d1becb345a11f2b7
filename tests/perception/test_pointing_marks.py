"""Marks drawn on a picture are found where they are; pictures without any have none."""

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw

from nunbit.perception.pointing_marks import find_marks
from nunbit.prompting.pointing import PointingMark, draw


def scenery(seed: int, size=(480, 360)) -> Image.Image:
    """Soft colour without strokes."""
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(60, 180, (6, 8, 3), dtype=np.uint8)).resize(size, Image.Resampling.BICUBIC)


def jpeg(image: Image.Image) -> Image.Image:
    held = io.BytesIO()
    image.save(held, "JPEG", quality=88)
    return Image.open(io.BytesIO(held.getvalue()))


@pytest.mark.parametrize(("kind", "least"), [("circle", 15), ("box", 15), ("point", 9), ("arrow", 8)])
def test_our_own_marks(kind, least):
    """Of 16, half of them after JPEG compression, which blurs the thin ones."""
    found = 0
    for seed in range(8):
        at = {"circle": (240, 180, 50), "box": (190, 140, 290, 220), "point": (240, 180), "arrow": (120, 90, 240, 180)}
        marked, colour = draw(scenery(seed), PointingMark(kind, at[kind]))
        for shown in (marked, jpeg(marked)):
            marks = find_marks(shown)
            found += any(
                m["kind"] == kind
                and m["colour"] == colour
                and m["box"][0] - 3 <= 240 <= m["box"][2] + 3
                and m["box"][1] - 3 <= 180 <= m["box"][3] + 3
                for m in marks
            )
    assert found >= least


def test_a_circle_by_hand_in_an_editor():
    image = scenery(1)
    ImageDraw.Draw(image).ellipse((100, 80, 220, 190), outline=(237, 28, 36), width=4)
    [mark] = find_marks(image)
    assert (mark["colour"], mark["kind"]) == ("red", "circle")
    assert np.allclose(mark["box"], (100, 80, 221, 191), atol=3)


def test_things_of_a_bright_colour_are_no_marks():
    image = scenery(2)
    pen = ImageDraw.Draw(image)
    pen.ellipse((50, 50, 150, 150), fill=(225, 29, 72))
    pen.rectangle((200, 60, 300, 200), fill=(250, 204, 21))
    pen.line((20, 300, 400, 330), fill=(29, 78, 216), width=6)
    pen.ellipse((350, 60, 360, 70), fill=(101, 213, 23))
    assert find_marks(image) == []
    for seed in range(5):
        assert find_marks(scenery(seed)) == []


@pytest.mark.parametrize("size", [(1, 1), (5, 900), (900, 5), (3000, 2000)])
def test_any_size(size):
    assert find_marks(Image.new("RGB", size, (225, 29, 72))) == []
    noise = np.random.default_rng(0).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    assert len(find_marks(Image.fromarray(noise))) <= 6


def test_a_large_picture_gives_boxes_in_its_own_pixels():
    marked, _ = draw(scenery(3, (2400, 1800)), PointingMark("circle", (1200, 900, 250)))
    [mark] = find_marks(marked)
    assert np.allclose(mark["box"], (950, 650, 1450, 1150), atol=25)
