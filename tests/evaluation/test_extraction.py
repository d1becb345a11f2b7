"""Answers are read by rules in three languages, and nothing is guessed."""

import pytest

from nunbit.evaluation import extraction

OPTIONS = {"A": "red", "B": "a blue car", "C": "green", "D": "blue"}


@pytest.mark.parametrize(
    ("reply", "letter"),
    [
        ("B", "B"),
        ("b", "B"),
        ("(C)", "C"),
        ("C.", "C"),
        ("**D**", "D"),
        ("Ｂ", "B"),
        ("B. a blue car", "B"),
        ("(A) red", "A"),
        ("B: yes", "B"),
        ("The answer is B", "B"),
        ("The correct answer is (C) green.", "C"),
        ("Answer: D", "D"),
        ("answer is option C because of it", "C"),
        ("The answer is A. Wait, no. The answer is C.", "C"),
        (r"So \boxed{B}", "B"),
        (r"\boxed{\text{C}}", "C"),
        ("green", "C"),
        ("It is green.", "C"),
        ("It is a blue car", "B"),
        ("the option is D", "D"),
        ("I would say it is C", "C"),
        ("<think>A? B? maybe A</think>C", "C"),
        ("정답은 B입니다.", "B"),
        ("B입니다", "B"),
        ("선택지 B가 맞습니다", "B"),
        ("답: C", "C"),
        ("C번", "C"),
        ("2번입니다", "B"),
        ("③", "C"),
        ("정답은 ④입니다", "D"),
        ("정답: (B)", "B"),
        ("보기 C", "C"),
        ("답은 D예요", "D"),
        ("答案是B", "B"),
        ("选C", "C"),
        ("正确答案为 D。", "D"),
        ("B是正确的", "B"),
        ("我选择A", "A"),
        ("答案：Ｃ", "C"),
    ],
)
def test_a_choice_is_read(reply, letter):
    found = extraction.choice(reply, OPTIONS)
    assert found.value == letter, found
    assert found.span and 0 <= found.span[0] < found.span[1] <= len(reply)


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "?!",
        "I am not sure.",
        "A car stands on a road.",
        "qwxz",
        "It could be A or C.",
        "E",
        "The answer is E",
        "I do not know",
        "모르겠습니다",
        "不知道",
        "red or green",
        "A, B, C, D",
        "<think>the answer is B",
    ],
)
def test_no_choice_is_made_up(reply):
    assert not extraction.choice(reply, OPTIONS).parsed, extraction.choice(reply, OPTIONS)


def test_the_span_is_where_the_letter_stands():
    reply = "음, 정답은 Ｂ입니다."
    found = extraction.choice(reply, OPTIONS)
    assert reply[slice(*found.span)] == "Ｂ" and found.rule == "stated"


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        ("Yes", "yes"),
        ("yes.", "yes"),
        ("No, there is no dog.", "no"),
        ("The answer is no", "no"),
        ("There is not a dog.", "no"),
        ("네", "yes"),
        ("예, 있습니다.", "yes"),
        ("아니요.", "no"),
        ("아니오, 없습니다", "no"),
        ("是", "yes"),
        ("是的。", "yes"),
        ("不是", "no"),
        ("没有", "no"),
        ("有。", "yes"),
        ("정답은 네", "yes"),
        ("I see a dog, so yes", "yes"),
    ],
)
def test_yes_and_no_are_read(reply, said):
    assert extraction.yes_no(reply).value == said


@pytest.mark.parametrize(
    "reply", ["", "None", "Nothing", "Not sure", "maybe", "It could be yes or no", "UNKNOWN", "a dog", "I cannot tell"]
)
def test_neither_yes_nor_no(reply):
    assert not extraction.yes_no(reply).parsed


@pytest.mark.parametrize(
    ("reply", "value"),
    [
        ("12", "12"),
        ("The answer is 1,234.", "1234"),
        ("3 + 4 = 7", "7"),
        ("정답은 5입니다", "5"),
        ("about 2.50 m", "2.50"),
        (r"\boxed{-3}", "-3"),
        ("two", "2"),
        ("答案是 8", "8"),
        ("x is 3, y is 4", "4"),
        ("−5", "-5"),
        ("There are 3 dogs.", "3"),
    ],
)
def test_a_number_is_read(reply, value):
    assert extraction.number(reply).value == value


def test_no_number_no_answer():
    assert not extraction.number("many").parsed
    assert extraction.number_list("so [1, 2.5, 3]").value == "[1, 2.5, 3]" and not extraction.number_list("1, 2").parsed


def test_words_lose_their_frame_and_refusals_are_none():
    assert extraction.words("The answer is: 42 km").value == "42 km"
    assert extraction.words("정답은 서울").value == "서울"
    assert not extraction.words("I'm sorry, I can't help with that.").parsed and not extraction.words(" .!? ").parsed
