"""Underscores, which a recogniser of words loses."""

import numpy as np
import pytest
from PIL import Image

from nunbit.perception.ocr import lines_of, tesseract_installed
from nunbit.perception.underscores import join_at, without_underscores
from nunbit.world.text import paint


def letters():
    """Three blocks of letters 30 pixels high on a line whose feet are at row 40; a dash at half height."""
    line = np.full((60, 200), 255, np.uint8)
    for x in (10, 30, 110):
        line[10:40, x : x + 14] = 0
    line[24:27, 150:165] = 0
    return line


def test_an_underscore_is_found_and_taken_out():
    line = letters()
    line[42:45, 60:85] = 0
    plain, found = without_underscores(line, 30)
    assert found == [(60, 85)] and (plain == letters()).all()
    assert (line[42:45, 60:85] == 0).all()  # the picture that was given stays


def test_a_dash_a_full_stop_and_an_underline_are_none():
    line = letters()
    line[36:40, 60:64] = 0
    line[44:46, 5:190] = 0
    plain, found = without_underscores(line, 30)
    assert found == [] and plain is line
    assert without_underscores(np.full((60, 80), 255, np.uint8), 30)[1] == []


def words(*given):
    """``image_to_data`` of words (text, left, right) on one line of rows 0 to 40."""
    return {
        "text": [t for t, _, _ in given],
        "left": [a for _, a, _ in given],
        "width": [b - a for _, a, b in given],
        "top": [0] * len(given),
        "height": [40] * len(given),
        "conf": [90.0] * len(given),
        **{k: [1] * len(given) for k in ("block_num", "par_num", "line_num")},
    }


def test_words_are_joined_where_it_stood():
    data = words(("my", 0, 50), ("file", 75, 150), ("here", 170, 240))
    join_at(data, 52, 74, 0, 40)
    assert [t.text for t in lines_of(data)] == ["my_file here"]


@pytest.mark.parametrize("left,right", [(240, 260), (300, 320), (20, 40)])
def test_at_an_end_or_inside_a_word_nothing_is_joined(left, right):
    data = words(("my", 0, 50), ("file", 75, 150))
    join_at(data, left, right, 0, 40)
    assert [t.text for t in lines_of(data)] == ["my file"]


@pytest.mark.skipif(not tesseract_installed(), reason="tesseract is not installed")
def test_names_of_files_and_networks_are_read():
    from nunbit.perception.reading import LineReader, TesseractRecogniser

    names = ("my_file_v2.txt", "Maple_5G", "plain words")
    pixels = np.full((150, 360, 3), 255, np.uint8)
    for i, name in enumerate(names):
        paint(pixels, 20, 15 + 45 * i, name, size_px=22, colour=(20, 20, 20))
    image = Image.fromarray(pixels)
    assert [t.text for t in LineReader(TesseractRecogniser()).read(image).text_lines] == [*names]
