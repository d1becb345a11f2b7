"""Transforms combine."""

import json

import pytest
from PIL import Image

from nunbit.messages import question
from nunbit.prompting import chain
from nunbit.prompting.pointing import PointingMark, point_at
from nunbit.prompting.shots import few_shot, load_shots

GREY = Image.new("RGB", (100, 60), (128, 128, 128))


@pytest.fixture
def examples(tmp_path):
    Image.new("RGB", (8, 8), (255, 0, 0)).save(tmp_path / "a.png")
    rows = [
        {"image": "a.png", "question": "What is it?", "answer": "red", "reasoning": "It is like blood, so"},
        {"question": "2?", "answers": ["two"]},
    ]
    (tmp_path / "s.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return tmp_path


def test_transforms_compose(examples):
    both = chain(few_shot(load_shots(examples / "s.jsonl")), point_at(PointingMark("circle", (50, 30, 9))))
    turns = both(question("What is it?", [GREY]))
    assert len(turns) == 5 and "circle" in turns[-1].text and "circle" not in turns[0].text
