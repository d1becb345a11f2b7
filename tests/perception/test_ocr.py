"""Reading: the arithmetic on given rows, what is said when the program is missing, and the program where it is."""

from __future__ import annotations

import shutil

import pytest
from PIL import Image, ImageDraw, ImageFont

from nunbit.errors import UserError
from nunbit.perception import Perception, TesseractReader
from nunbit.perception.ocr import enlargement, join_words, lines_of

needs_program = pytest.mark.skipif(shutil.which("tesseract") is None, reason="the program tesseract is not installed")


def test_words_become_lines():
    rows = [  # block, paragraph, line, left, top, width, height, confidence, text
        (1, 1, 0, 0, 0, 200, 90, -1, ""),
        (1, 1, 1, 10, 20, 30, 10, 90.0, "OPEN"),
        (1, 1, 1, 50, 18, 40, 14, 70.0, "24h"),
        (1, 1, 2, 10, 50, 30, 10, 60, " "),
        (2, 1, 1, 12, 60, 6, 8, 96, "出"),
        (2, 1, 1, 20, 60, 6, 8, 94, "口"),
    ]
    keys = ("block_num", "par_num", "line_num", "left", "top", "width", "height", "conf", "text")
    first, second = lines_of({k: [r[i] for r in rows] for i, k in enumerate(keys)}, factor=2)
    assert (first.text, first.box, first.score) == ("OPEN 24h", (5, 9, 45, 16), pytest.approx(0.8))
    assert (second.text, second.box, second.score) == ("出口", (6, 30, 13, 34), pytest.approx(0.95))
    assert join_words([("출구", 273, 376), ("2", 398, 426), ("번", 434, 477)], 57) == "출구 2번"
    assert join_words([("a", 0, 5), ("b", 6, 9)], 57) == "a b" and join_words([], 9) == ""
    assert [enlargement(w, 10) for w in (192, 499, 500, 999, 1000)] == [3, 3, 2, 2, 1]


def test_what_is_missing_is_said(monkeypatch):
    import pytesseract

    monkeypatch.setattr(pytesseract.pytesseract, "tesseract_cmd", "no-such-program")
    with pytest.raises(UserError, match="'tesseract' was not found"):
        TesseractReader()([Image.new("RGB", (9, 9))])
    [scene] = Perception(ocr=TesseractReader())([Image.new("RGB", (9, 9))])
    assert "Install Tesseract OCR" in scene.meta["perception"]["ocr"]["reason"]


@needs_program
def test_languages_that_are_not_there():
    with pytest.raises(UserError, match="no tesseract data for xx_none"):
        TesseractReader(["xx_none"])([Image.new("RGB", (9, 9))])
    [scene] = TesseractReader(["eng", "xx_none"])([Image.new("RGB", (60, 40), "white")])
    assert scene.meta == {"languages": ["eng"], "missing": ["xx_none"]} and scene.text_lines == []


@needs_program
def test_reads_a_sign():
    image = Image.new("RGB", (220, 100), "white")
    pen, face = ImageDraw.Draw(image), ImageFont.load_default(24)
    pen.text((20, 10), "OPEN", fill="black", font=face)
    pen.text((20, 55), "ROOM 204", fill="black", font=face)
    lines = TesseractReader(["eng"]).read(image)
    assert [t.text for t in lines] == ["OPEN", "ROOM 204"]
    x1, y1, x2, y2 = lines[0].box
    assert 15 <= x1 <= 25 and 8 <= y1 <= 22 and 75 <= x2 <= 110 and 25 <= y2 <= 45 and lines[0].score > 0.8
