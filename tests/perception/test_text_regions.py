"""Finding lines of letters of either polarity, and cleaning them."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw
from tests.perception.rendered import font, pil_sign, pil_table

from nunbit.perception.line_pictures import line_picture
from nunbit.perception.text_regions import find_regions, grey, without_rulings


@pytest.mark.parametrize(
    ("ink", "paper"), [("black", "white"), ("white", "#203040"), ("#ffee88", "#a01020"), ("#c02020", "#2050c0")]
)
def test_each_line_is_one_region_of_the_right_polarity(ink: str, paper: str) -> None:
    image = Image.new("RGB", (420, 160), paper)
    pen = ImageDraw.Draw(image)
    for y, text in ((20, "Green tea 4.50"), (90, "Brown rice")):
        pen.text((30, y), text, ink, font("gothic", 28))
    found, values = find_regions(image)
    assert len(found) == 2
    for region, y in zip(found, (20, 90), strict=True):
        assert y - 4 <= region.box[1] <= y + 14 and region.box[0] in range(24, 36)
        line = line_picture(values, region, 30)
        assert np.median(line) > 200 and line.min() < 60  # dark ink on white, whatever it was


def test_cells_of_a_ruled_table_are_regions_and_rulings_are_not() -> None:
    rows = [["Alpha", "120", "7.5"], ["Bravo", "430", "9.1"], ["Delta", "808", "2.2"]]
    found, _ = find_regions(pil_table(rows, 22, 2, "gothic"))
    assert len(found) == 9


def test_a_sign_has_its_writing_among_the_regions() -> None:
    found, _ = find_regions(pil_sign("WET PAINT", "#c01820", "white", "gothic-bold"))
    assert max((r.box[2] - r.box[0]) for r in found) > 200


def test_long_thin_strokes_are_removed_and_letters_stay() -> None:
    ink = np.zeros((60, 200), bool)
    ink[30:32, 5:195] = True
    ink[5:25, 20:24] = True
    out = without_rulings(ink)
    assert not out[30:32].any() and out[5:25, 20:24].all()


@pytest.mark.parametrize("size", [(1, 1), (7, 3), (400, 300), (3, 900)])
def test_an_empty_picture_has_no_regions(size: tuple[int, int]) -> None:
    found, values = find_regions(Image.new("RGB", size, "#88aa99"))
    assert found == [] and values.shape == (size[1], size[0])


def test_colours_of_equal_brightness_still_differ() -> None:
    image = Image.new("RGB", (60, 20), (200, 60, 60))
    image.paste((30, 133, 60), (20, 0, 40, 20))
    assert np.ptp(grey(image)) > 100


def test_a_slanted_line_is_turned_level() -> None:
    image = Image.new("RGB", (500, 200), "white")
    ImageDraw.Draw(image).text((40, 80), "PLATFORM SEVEN", "black", font("gothic", 40))
    found, values = find_regions(image.rotate(9, Image.Resampling.BICUBIC, fillcolor="white"))
    region = max(found, key=lambda r: r.letters)
    assert region.slope == pytest.approx(-np.tan(np.radians(9)), abs=0.04)
    rows = (line_picture(values, region, 30) < 128).any(1)
    assert rows.sum() < 60  # level, the line is little higher than its letters
