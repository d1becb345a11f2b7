"""The validator: labelled text in two languages, each reason by itself, files, the report."""

import json

import pytest
from tests.data.teacher.spoiled import labelled

from nunbit.data.validation.items import problems_of, problems_of_text
from nunbit.data.validation.problems import CODES
from nunbit.data.validation.reading import check_file, open_scenes
from nunbit.data.validation.report import Tally, page
from nunbit.errors import UserError
from nunbit.scene import Scene, SceneObject, TextLine


def scene(**meta) -> Scene:
    objects = [
        SceneObject("dog", (5, 5, 30, 30), attributes={"colour": "brown"}),
        SceneObject("car", (60, 10, 95, 50), attributes={"colour": "red"}),
        SceneObject("apple", (10, 60, 30, 95)),
        SceneObject("apple", (60, 70, 80, 95)),
    ]
    return Scene(
        100, 100, objects, text_lines=[TextLine.from_box("OPEN", (40, 40, 60, 50))], meta={"complete": "all"} | meta
    )


def codes(question, answer, kind="conversation", language="en", **meta):
    return {p.code for p in problems_of([(question, answer)], kind, language, scene(**meta))}


def test_labelled_text_is_told_apart():
    wrong = []
    for one in labelled(120, seed=5):
        found = {p.code for p in problems_of_text(one.text, one.kind, one.language, one.scene)}
        assert found <= {*CODES}
        if (one.code not in found) if one.code else found:
            wrong.append((one.code, found, one.text))
    assert len(wrong) <= 3, wrong


@pytest.mark.parametrize(
    ("question", "answer", "code"),
    [
        ("What do you see?", "A dog and a red car.", ""),
        ("How many apples are there?", "Two.", ""),
        ("How many apples are there?", "There are three apples.", "contradicts-count"),
        ("What colour is the car?", "It is blue.", "contradicts-colour"),
        ("Where is the dog?", "The dog is to the right of the car.", "contradicts-relation"),
        ("Where is the dog?", "The dog is in the bottom right corner.", "contradicts-place"),
        ("Where is the dog?", "[0.600, 0.700, 0.950, 0.990]", "contradicts-box"),
        ("Where is the dog?", "[0.050, 0.050, 0.300, 0.310]", ""),
        ("What does it say?", 'It says "CLOSED".', "contradicts-text"),
        ("Is there an elephant?", "Yes, there is an elephant.", "contradicts-object"),
        ("Is there an elephant?", "No, there is no elephant.", ""),
        ("Is there a dog?", "No, there is no dog.", "contradicts-object"),
        ("What is next to the car?", "An elephant stands next to the car.", "contradicts-object"),
        ("What is the dog?", "The dog is a cat.", "contradicts-object"),
        ("What could happen?", "The dog might chase a cat, as dogs often do.", ""),
        ("What do you see?", "The caption says that there is a dog.", "mentions-source"),
        ("What colour is the red car?", "The car is red.", "leaks-answer"),
        ("What do you see?", "I'm sorry, but I cannot see the picture.", "refuses"),
        ("What do you see?", "Ein Hund und ein rotes Auto sind auf dem Bild.", "wrong-language"),
        ("What do you see?", "", "empty"),
        ("What do you see?", "A dog. " * 9, "repeats"),
        ("What do you see?", "Question: A dog.\nAnswer: Yes.", "breaks-format"),
    ],
)
def test_each_reason_in_english(question, answer, code):
    assert codes(question, answer) == ({code} if code else set())


@pytest.mark.parametrize(
    ("question", "answer", "code"),
    [
        ("무엇이 보이나요?", "강아지와 빨간색 자동차가 보입니다.", ""),
        ("사과는 몇 개인가요?", "사과는 세 개 있습니다.", "contradicts-count"),
        ("자동차는 무슨 색인가요?", "파란색입니다.", "contradicts-colour"),
        ("자동차는 어디에 있나요?", "자동차는 강아지의 왼쪽에 있습니다.", "contradicts-relation"),
        ("코끼리가 있나요?", "네, 코끼리가 있습니다.", "contradicts-object"),
        ("코끼리가 있나요?", "아니요, 코끼리는 없습니다.", ""),
        ("뭐라고 쓰여 있나요?", '"CLOSED"라고 쓰여 있습니다.', "contradicts-text"),
        ("무엇이 보이나요?", "설명에 따르면 강아지가 있습니다.", "mentions-source"),
        ("빨간색 자동차는 무슨 색인가요?", "자동차는 빨간색입니다.", "leaks-answer"),
        ("무엇이 보이나요?", "죄송하지만 이미지를 볼 수 없습니다.", "refuses"),
        ("무엇이 보이나요?", "There is a dog in the picture.", "wrong-language"),
    ],
)
def test_each_reason_in_korean(question, answer, code):
    assert codes(question, answer, language="ko") == ({code} if code else set())


def test_a_pronoun_stands_for_what_was_talked_of():
    turns = [("Is there a car?", "Yes, there is a car."), ("What colour is it?", "Green.")]
    assert {(p.code, p.turn) for p in problems_of(turns, "conversation", "en", scene())} == {("contradicts-colour", 1)}


def test_reasoning_gives_nothing_away():
    answer = "A brown dog is beside a red car. Dogs like to ride along. So it may want to get in."
    assert codes("What does the brown dog want?", answer, "reasoning") == {"leaks-answer"}
    assert codes("What may happen next?", answer, "reasoning") == set()


def test_what_perception_made_may_miss_things():
    assert codes("What do you see?", "There is an elephant.", complete="") == set()
    assert codes("What do you see?", "There is an elephant.", complete=["dog", "car"]) == set()
    assert codes("What do you see?", "There is an elephant.", complete=["dog", "elephant"]) == {"contradicts-object"}


def test_files_are_read_and_a_report_stands_alone(tmp_path):
    good = [{"from": "human", "value": "<image>\nWhat do you see?"}, {"from": "gpt", "value": "A <b>dog</b>."}]
    bad = [{"from": "human", "value": "Who?\n<image>"}, {"from": "gpt", "value": "Yes, there is an elephant."}]
    rows = [
        {"id": "a", "image": "a.png", "conversations": good},
        {"id": "b", "image": "a.png", "conversations": bad},
        {"id": "c", "image": "a.png", "conversations": good[:1]},
        {"id": "d", "image": "a.png", "conversations": [{"from": "human", "value": "Who?"}, good[1]]},
        "no item",
    ]
    (tmp_path / "d.json").write_text(json.dumps(rows))
    (tmp_path / "s.jsonl").write_text(json.dumps({"image": "a.png", "scene": scene().to_json()}) + "\n")
    tally = Tally()
    for one in check_file(tmp_path / "d.json", open_scenes(tmp_path / "s.jsonl")):
        tally.add(one)
    assert (tally.items, tally.bad, tally.compared) == (5, 4, 4)
    assert tally.codes == {"contradicts-object": 1, "breaks-format": 3}
    text = page(tally, "<script>", tmp_path)
    assert "<script>" not in text and "elephant" in text and "http:" not in text
    with pytest.raises(UserError, match="holds no item"):
        (tmp_path / "e.json").write_text("[]")
        list(check_file(tmp_path / "e.json", lambda image: None))


@pytest.mark.parametrize(
    ("question", "answer", "language"),
    [
        ("Is anyone there?", "No, there are neither people nor bicycles.", "en"),
        ("Why?", "The dog may wait for its owner. If a cat were to appear, it might run off.", "en"),
        ("What is above the apples?", "A brown dog is in the upper left, while a red car is in the upper right.", "en"),
        ("Where is the dog?", "It is to the left of the car.", "en"),
        ("사과는 어디에 있나요?", "사과 하나는 개 아래에 있고, 다른 하나는 자동차 아래에 있습니다.", "ko"),
        ("고양이도 있나요?", "아니요, 고양이는 없고 개만 한 마리 있습니다.", "ko"),
        ("자동차는 어디에 쓰나요?", "자동차는 사람이나 짐을 실어 나르는 데 씁니다.", "ko"),
    ],
)
def test_fluent_answers_are_left_alone(question, answer, language):
    assert codes(question, answer, language=language) == set()


def test_more_of_a_thing_than_there_is():
    assert "contradicts-count" in codes("What do you see?", "A brown dog and a white dog.")
    assert codes("What do you see?", "A dog and another dog.") == {"contradicts-count"}
    assert codes("What do you see?", "A red apple and a green apple.") == set()
    assert codes("What do you see?", "Several cars.") == {"contradicts-count"}
