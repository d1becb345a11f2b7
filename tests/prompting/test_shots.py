"""Solved examples: where they stand, what a file may hold, and what is refused."""

import json

import pytest
from PIL import Image

from nunbit.errors import UserError
from nunbit.messages import check_turns, question, system
from nunbit.prompting import show
from nunbit.prompting.chain_of_thought import (
    final_answer,
)
from nunbit.prompting.shots import Shot, few_shot, load_shots

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


def test_shots_come_before_the_question_and_after_the_system_turn(examples):
    shots = load_shots(examples / "s.jsonl")
    turns = few_shot(shots)([system("Be short."), *question("And this?", [GREY])])
    check_turns(turns)
    assert [m.role for m in turns] == ["system", "user", "assistant", "user", "assistant", "user"]
    assert [len(m.images) for m in turns] == [0, 1, 0, 0, 0, 1] and turns[2].text == "red"
    assert few_shot(shots, text_only=True)(question("x"))[0].images == []
    assert turns[1].images[0].size == (8, 8) and [p.kind for p in turns[1].parts] == ["image", "text"]
    assert (
        few_shot([])(question("x")) == question("x") and [m.role for m in few_shot(shots)([system("x")])][0] == "system"
    )
    assert show(turns).splitlines()[1:3] == ["user: [image (8, 8)] What is it?", "assistant: red"]
    assert show(turns).splitlines()[-1] == "user: [image (100, 60)] And this?"


def test_worked_solutions_end_in_an_answer_that_can_be_found_again(examples):
    shots = load_shots(examples / "s.jsonl")
    told = few_shot([*shots, Shot("몇 개?", "3", reasoning="둘과 하나이므로")], reasoning=True)(question("x"))
    assert [m.text for m in told if m.role == "assistant"] == [
        "It is like blood, so The answer is red.",
        "The answer is two.",
        "둘과 하나이므로 답: 3",
    ]
    assert [final_answer(m.text) for m in told if m.role == "assistant"] == ["red", "two", "3"]
    with pytest.raises(UserError, match="worked solutions"):
        few_shot([Shot("2?", "two")], reasoning=True)
    few_shot([], reasoning=True)


def test_pictures_may_lie_elsewhere_and_files_in_a_folder(examples, tmp_path):
    (tmp_path / "texts").mkdir()
    file = tmp_path / "texts" / "s.jsonl"
    file.write_text((examples / "s.jsonl").read_text())
    assert load_shots(file)[0].image == tmp_path / "texts" / "a.png"
    assert load_shots(file, examples)[0].picture().size == (8, 8)
    (tmp_path / "texts" / "t.jsonl").write_text('{"question": "3?", "answer": "three"}\n\n')
    assert [s.answer for s in load_shots(tmp_path / "texts")] == ["red", "two", "three"]
    with pytest.raises(UserError, match="not a file"):
        load_shots(file)[0].picture()


def test_bounds_of_examples(tmp_path, monkeypatch):
    with pytest.raises(UserError, match="65 examples"):
        few_shot([Shot("x", "y")] * 65)
    (tmp_path / "empty.jsonl").write_text("\n\n")
    (tmp_path / "none").mkdir()
    (tmp_path / "two.jsonl").write_text('{"question": "x", "answer": "y"}\n' * 2)
    for name, says in (("empty.jsonl", "hold none"), ("none", "no examples"), ("absent.jsonl", "cannot be read")):
        with pytest.raises(UserError, match=says):
            load_shots(tmp_path / name)
    monkeypatch.setattr("nunbit.prompting.shots.MOST_LINES", 1)
    with pytest.raises(UserError, match="at most 1"):
        load_shots(tmp_path / "two.jsonl")


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        '{"question": 3, "answer": "x"}',
        '{"question": "x"}',
        '{"question": "x", "answer": " "}',
        '{"question": "x", "answer": "y", "image": 3}',
        '{"question": "x", "answer": "y", "image": "a\\u0000.png"}',
        '{"question":"x","answer":"y","image":"../../etc/passwd"}',
    ],
)
def test_bad_examples_are_named(tmp_path, line):
    (tmp_path / "s.jsonl").write_text('{"question": "x", "answer": "y"}\n' + line)
    with pytest.raises(UserError, match="line 2"):
        load_shots(tmp_path / "s.jsonl")
