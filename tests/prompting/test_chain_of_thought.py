"""Reasoning before the answer, answers found in reasoned texts, and votes."""

import unicodedata

import pytest
from PIL import Image

from nunbit.errors import UserError
from nunbit.messages import check_turns, question
from nunbit.prompting import show
from nunbit.prompting.chain_of_thought import (
    final_answer,
    final_only,
    language_of,
    normalise_answer,
    self_consistency,
    with_words,
    zero_shot,
)

GREY = Image.new("RGB", (100, 60), (128, 128, 128))


def test_zero_shot_chain_of_thought_asks_twice_in_the_questions_language():
    for words, think, conclude in (("How many?", "step by step", "Therefore"), ("몇 개인가요?", "차근차근", "따라서")):
        heard, prompts = [], []

        def ask(messages, prompts=prompts):
            check_turns(messages)
            prompts.append(show(messages))
            return "because 2 + 2" if len(prompts) == 1 else "4"

        assert zero_shot(ask, heard.append)(question(words, [GREY])) == "4"
        assert heard == ["because 2 + 2"] and think in prompts[0] and conclude not in prompts[0]
        assert conclude in prompts[1] and "because 2 + 2" in prompts[1] and prompts[1].count("[image") == 1


def test_the_language_is_that_of_the_script():
    said = {
        "How many?": "en",
        "几个?": "en",
        "몇 개?": "ko",
        "ㅋㅋ": "ko",
        unicodedata.normalize("NFD", "몇"): "ko",
        "": "en",
    }
    assert {t: language_of(t) for t in said} == said


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("2 + 2 is 4. The answer is 4.", "4"),
        ("The answer is 3? No. So the answer is: **3.5**.\nDone.", "3.5"),
        ("Answer: .5", ".5"),
        ("둘이므로 정답은 4입니다.", "4"),
        ("답: 노란 컵", "노란 컵"),
        ("First this.\nThen: blue", "Then: blue"),
        ("blue.", "blue."),
        ("so the answer is", ""),
        ("", ""),
    ],
)
def test_answers_are_found_in_reasoned_texts(text, answer):
    heard = []
    assert final_answer(text) == answer
    assert final_only(lambda m: text, heard.append)(question("x")) == answer and heard == [text]


def test_words_are_added_after_the_others():
    turn = question("a", [GREY])[0]
    assert with_words(turn, "b").text == "a\nb" and turn.text == "a" and with_words(turn, "b").images == [GREY]


def test_answers_that_count_as_one():
    assert normalise_answer(' "Four  Cats."') == "four cats" and normalise_answer("４。") == "4"
    assert normalise_answer(".5") != normalise_answer("5")


def test_self_consistency_takes_the_commonest_and_ties_go_to_the_first():
    said = ["5.", "Four", " four ", "5"]
    assert self_consistency(lambda m, seed: said[seed], 4)(question("x")) == "5."
    assert self_consistency(lambda m, seed: said[seed], 3)(question("x")) == "Four"
    said = ["", " ", "7", "so the answer is 7.", "8"]
    assert self_consistency(lambda m, seed: said[seed], 5, final_answer)(question("x")) == "7"
    assert self_consistency(lambda m, seed: "", 3)(question("x")) == ""
    for n in (0, 65):
        with pytest.raises(UserError):
            self_consistency(lambda m, s: "", n)
