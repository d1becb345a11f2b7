"""Reading documents of three renderers, and what is done with a recogniser's answers."""

from __future__ import annotations

import shutil
from collections.abc import Sequence

import numpy as np
import pytest
from PIL import Image, ImageDraw
from tests.perception.reading_error import errors, reading_scores
from tests.perception.rendered import documents, font, pil_sign

from nunbit.perception.reading import LineReader, TesseractRecogniser, lay_out
from nunbit.perception.short_lines import Reading, join_times, mend_won, of_copies, without_rules
from nunbit.perception.text_regions import Region

needs_tesseract = pytest.mark.skipif(not shutil.which("tesseract"), reason="needs the program tesseract")


class Scripted:
    """A recogniser that gives prepared answers and keeps what it was given."""

    name = "scripted"

    def __init__(self, *answers: list[Reading]) -> None:
        self.answers, self.given = list(answers), []

    def __call__(self, lines: Sequence[np.ndarray]) -> list[Reading]:
        self.given.append(len(lines))
        return self.answers.pop(0) if self.answers else [Reading("", 0.0)] * len(lines)


def two_lines() -> Image.Image:
    image = Image.new("RGB", (400, 140), "white")
    pen = ImageDraw.Draw(image)
    pen.text((20, 20), "First line", "black", font("gothic", 28))
    pen.text((20, 80), "Second line", "black", font("gothic", 28))
    return image


def test_unsure_lines_are_tried_once_more_and_the_surer_reading_stays() -> None:
    scripted = Scripted([Reading("First line", 0.9), Reading("Secnd", 0.3)], [Reading("Second line", 0.8)])
    scene = LineReader(scripted).read(two_lines())
    assert scripted.given == [2, 1]
    assert [t.text for t in scene.text_lines] == ["First line", "Second line"]
    assert scene.meta["rows"] == [[0], [1]]


def test_unsure_readings_and_marks_without_letters_are_left_out() -> None:
    scene = LineReader(Scripted([Reading("~~ |", 0.9), Reading("xy", 0.2)])).read(two_lines())
    assert scene.text_lines == []


def test_lines_on_the_page_do_not_overlap() -> None:
    page, tops = lay_out([np.zeros((40, 300), np.uint8), np.zeros((60, 5000), np.uint8)])
    assert tops[1] > tops[0] + 40 and page.shape[0] > tops[1] + 60 and page.shape[1] < 2600


@needs_tesseract
def test_documents_of_pil_and_matplotlib_are_read() -> None:
    reader = LineReader(TesseractRecogniser())
    chosen = [d for i, d in enumerate(documents(3, 1, with_browser=False)) if i in (0, 2, 6, 9, 12)]
    scores = [reading_scores(d.lines, [t.text for t in reader.read(d.image).text_lines]) for d in chosen]
    assert np.mean([e for e, _ in scores]) < 0.06 and np.mean([r for _, r in scores]) > 0.85


@needs_tesseract
def test_light_korean_on_a_coloured_sign_is_read() -> None:
    scene = LineReader(TesseractRecogniser()).read(pil_sign("출입금지", "#1d3f8f", "#fdf4c8", "gothic-bold"))
    assert any(errors("출입금지", t.text) == 0 for t in scene.text_lines)


def test_errors_are_counted_anywhere_in_what_was_read() -> None:
    assert errors("7.50", "Tea 7.50 x") == 0 and errors("7.50", "Tea 7.80") == 0.25 and errors("7.50", "") == 1


@pytest.mark.parametrize(
    ("read", "line"),
    [
        ("| 주차금지", "주차금지"),
        ("주차금지 |", "주차금지"),
        ("|Milk", "Milk"),
        ("_~ 240 |", "240"),
        ("a | b", "a | b"),
        ("file_name_", "file_name_"),
        ("|", "|"),
        ("", ""),
    ],
)
def test_strokes_at_the_ends_are_no_letters(read, line):
    assert without_rules(read) == line


@pytest.mark.parametrize(
    ("read", "line"),
    [
        ("소계 ………", "소계"),
        ("총액 .....", "총액"),
        ("Total ....", "Total"),
        ("현금.", "현금"),
        ("감사합니다.", "감사합니다."),
        ("The end.", "The end."),
    ],
)
def test_dots_that_lead_to_a_price_are_no_text(read, line):
    assert without_rules(read) == line


@pytest.mark.parametrize(
    ("read", "text"),
    [("8 8 8", "8"), ("888", "8"), ("km km km", "km"), ("8 8 B", "8"), ("8 B 3", ""), ("8 8", ""), ("", "")],
)
def test_a_lone_letter_is_what_most_of_its_copies_are_read_as(read, text):
    found = of_copies(Reading(read, 0.9))
    assert found.text == text and (found.score > 0) == bool(text)


def region(x: int, y: int, w: int, h: int = 16, letters: int = 2) -> Region:
    return Region((x, y, x + w, y + h), True, letters, float(h), 1.0)


def test_a_time_cut_at_its_colon_is_one_line_and_figures_beside_each_other_are_not():
    regions = [region(10, 10, 20), region(40, 10, 22), region(200, 10, 20), region(230, 10, 22)]
    read = [Reading("06", 0.9), Reading(":10", 0.8), Reading("12", 0.9), Reading("30", 0.9)]
    joined, texts = join_times(regions, read)
    assert [t.text for t in texts] == ["06:10", "", "12", "30"]
    assert joined[0].box == (10, 10, 62, 26) and joined[2].box == regions[2].box


def table(rows: list[list[str]], framed: bool = False) -> Image.Image:
    image = Image.new("RGB", (60 + 150 * len(rows[0]), 60 + 48 * len(rows)), "white")
    pen = ImageDraw.Draw(image)
    for i, row in enumerate(rows):
        for j, cell in enumerate(row):
            pen.text((30 + 150 * j, 30 + 48 * i), cell, "black", font("sans", 20))
    if framed:
        pen.rectangle((22, 22, image.width - 22, image.height - 22), outline="black", width=2)
    return image


@needs_tesseract
@pytest.mark.parametrize("framed", [False, True])
def test_lone_digits_and_cells_beside_a_frame_are_read(framed):
    rows = [["Item", "Qty", "Shelf"], ["Milk", "4", "17"], ["Bread", "8", "23"], ["Dublin", "7", "46 km"]]
    read = [t.text for t in LineReader(TesseractRecogniser()).read(table(rows, framed)).text_lines]
    words = " ".join(read).split()
    assert {"Milk", "Bread", "Dublin", "17", "23", "46", "km", "4", "8", "7"} <= set(words), read


@pytest.mark.parametrize(
    ("read", "text"),
    [
        ("4,5002!", "4,500원"),
        ("12,000&", "12,000원"),
        ("4,500원", "4,500원"),
        ("4,500", "4,500"),
        ("3,141,592", "3,141,592"),
    ],
)
def test_a_won_sign_read_as_latin_is_mended_where_others_were_read(read, text):
    assert mend_won([Reading(read, 0.8), Reading("9,000원", 0.9)])[0].text == text
    assert mend_won([Reading(read, 0.8)])[0].text == read


@needs_tesseract
def test_words_of_a_typewriter_font_are_one_cell():
    image = Image.new("RGB", (420, 120), "white")
    pen = ImageDraw.Draw(image)
    for y, (name, price) in zip((20, 66), (("Olive oil", "8.75"), ("Whole milk", "1.89")), strict=True):
        pen.text((20, y), name, "black", font("mono", 20))
        pen.text((330, y), price, "black", font("mono", 20))
    texts = [t.text for t in LineReader(TesseractRecogniser()).read(image).text_lines]
    assert texts == ["Olive oil", "8.75", "Whole milk", "1.89"]
