"""The questions of `make ask` are about pictures that are there, whose licences are named, and have a right answer."""

import json
from pathlib import Path

import pytest
from PIL import Image

from nunbit.evaluation.photo_marking import is_right
from nunbit.evaluation.photos import KINDS

FOLDER = Path(__file__).parents[1] / "examples"
ROWS = [json.loads(line) for line in (FOLDER / "questions.jsonl").read_text(encoding="utf-8").splitlines()]
PICTURES = sorted(p for p in FOLDER.iterdir() if p.suffix in (".png", ".jpg"))


def hangul(text: str) -> bool:
    return any("가" <= c <= "힣" for c in text)


def test_there_are_enough_of_them():
    files = {r["image"] for r in ROWS}
    assert len(ROWS) >= 24 and len(files) >= 12 and files == {p.name for p in PICTURES}
    assert min(sum(hangul(r["question"]) for r in ROWS), sum(not hangul(r["question"]) for r in ROWS)) >= 10
    photographs = {f for f in files if f.endswith(".jpg")}
    assert len(photographs) >= 5 and {r["image"] for r in ROWS[:5]} <= photographs
    assert len({(r["image"], r["question"]) for r in ROWS}) == len(ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda r: f"{r['image']} {r['question']}")
def test_each_known_answer_is_right_by_the_rule_of_its_kind(row):
    assert row["kind"] in KINDS
    assert all(is_right(answer, row["answers"], row["kind"]) for answer in row["answers"])
    assert not is_right("a giraffe", row["answers"], row["kind"])


def test_the_pictures_are_small_and_their_licences_named():
    assert sum(f.stat().st_size for f in FOLDER.iterdir()) <= 1_000_000
    notice = (FOLDER / "NOTICE").read_text(encoding="utf-8")
    for picture in PICTURES:
        assert picture.name in notice
        assert max(Image.open(picture).size) <= 800
