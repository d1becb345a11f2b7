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
from nunbit.perception.short_lines import Reading, without_rules

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
