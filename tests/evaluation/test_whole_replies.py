"""Replies read whole or not at all: denials, numbers, yes and no turned round, thoughts without a beginning."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.evaluation.whole_replies import CHOICES, NUMBERS, TEN_CHOICES, YES_NO

from nunbit.evaluation import extraction

OPTIONS = {"A": "red", "B": "blue", "C": "green", "D": "yellow"}
TEN = {k: f"thing {k}" for k in "ABCDEFGHIJ"}
THOUGHTS = [
    "hm 3 A yes\n</think>\n\n{}", "<think>3 A yes</think>{}", "<thinking>A\n3</thinking>\n{}", "yes </THINK> {}",
    "<think>a <think>b</think> 3 A yes </think>{}", "[THINK]A yes 3[/THINK]{}", "◁think▷A yes 3◁/think▷{}",
    "<|channel|>analysis<|message|>A yes 3<|channel|>final<|message|>{}", "A yes 3</reasoning><answer>{}</answer>",
    "A? no. <|begin_of_box|>{}<|end_of_box|>", "<think>A</think><think>yes 3</think> {} <think>more A yes 3",
]  # fmt: skip


def _check(read, replies):
    wrong = [(reply, found.value, right) for reply, right in replies if (found := read(reply)).value != right]
    assert not wrong


def test_letters_that_are_denied_are_not_chosen():
    _check(lambda reply: extraction.choice(reply, OPTIONS), CHOICES)


def test_small_letters_and_the_word_i():
    _check(lambda reply: extraction.choice(reply, TEN), TEN_CHOICES)


def test_numbers_are_read_whole_or_not_at_all():
    _check(extraction.number, NUMBERS)


def test_yes_and_no_turned_round():
    _check(extraction.yes_no, YES_NO)


READERS = {
    "choice": lambda reply: extraction.choice(reply, OPTIONS),
    "ten": lambda reply: extraction.choice(reply, TEN),
    "number": extraction.number,
    "yes_no": extraction.yes_no,
    "words": extraction.words,
}


@pytest.mark.parametrize("name", READERS)
def test_further_replies(name):
    """Replies that were invented to be misread: lines of ``read``, ``value`` and ``replies``."""
    lines = (Path(__file__).parent / "further_replies.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [(reply, row["value"]) for row in map(json.loads, lines) if row["read"] == name for reply in row["replies"]]
    assert len(rows) > 5
    _check(READERS[name], rows)


@pytest.mark.parametrize("form", THOUGHTS)
def test_thoughts_are_never_the_answer(form):
    assert extraction.choice(form.format("C"), OPTIONS).value == "C"
    assert extraction.number(form.format("8")).value == "8"
    assert extraction.yes_no(form.format("No")).value == "no"
    assert extraction.words(form.format("blue")).value == "blue"


@pytest.mark.parametrize("value", [0, 7, 12, 999, 1000, 12_345, 1_234_567])
@pytest.mark.parametrize("sign", ["", "-", "−", "–"])
def test_every_way_to_write_a_number_is_one_number(value, sign):
    for mark in (",", "{,}", "\\,", " ", "\u202f", "'"):
        written = sign + f"{value:,}".replace(",", mark)
        for form in (
            "{}",
            "The answer is {}.",
            "${}$",
            "\\boxed{{{}}}",
            "{} cm^2",
            "정답은 {}입니다",
            "答案是{}。",
            "x = {}",
        ):
            reply = form.format(written)
            found = extraction.number(reply)
            assert found.value == f"{'-' if sign else ''}{value}", reply
            assert 0 <= found.span[0] < found.span[1] <= len(reply)
    for compound in (
        "{}/7",
        "{}:30",
        "{}-{}",
        "{} to {}",
        "{}^2",
        "{}√2",
        "{}\\pi",
        "\\frac{{{}}}{{7}}",
        "{} \\times 10^{{5}}",
    ):
        assert not extraction.number(compound.format(value, value + 1)).parsed, compound


DENY = (
    "It is not {}.",
    "Option {} is wrong.",
    "We can rule out {}.",
    "{}는 아닙니다.",
    "{}번은 오답입니다.",
    "不选{}。",
    "{}是错误的。",
)
CHOOSE = ("The answer is {}.", "So it must be {}.", "정답은 {}입니다.", "{}가 맞습니다.", "答案是{}。", "我选{}。")


@settings(max_examples=150, deadline=None)
@given(st.permutations("ABCD"), st.lists(st.sampled_from(DENY), max_size=3), st.sampled_from(CHOOSE), st.integers(0, 3))
def test_an_answer_among_denials_is_the_answer_wherever_it_stands(letters, denials, choice, at):
    chosen, *others = letters
    said = [deny.format(other) for deny, other in zip(denials, others, strict=False)]
    said.insert(at, choice.format(chosen))
    assert extraction.choice(" ".join(said), OPTIONS).value == chosen


@settings(max_examples=150, deadline=None)
@given(st.permutations("ABCD"), st.lists(st.sampled_from(DENY), min_size=1, max_size=3))
def test_denials_alone_choose_nothing(letters, denials):
    said = " ".join(deny.format(letter) for deny, letter in zip(denials, letters, strict=False))
    assert not extraction.choice(said, OPTIONS).parsed


@pytest.mark.parametrize("letter", "ABCD")
def test_denials_in_three_languages(letter):
    other = "D" if letter != "D" else "A"
    denials = (
        "It is not {}.",
        "It isn't {}.",
        "{} is wrong.",
        "Option {} is incorrect",
        "({}) cannot be right",
        "not option {}",
        "We can rule out {}",
        "{} can be eliminated.",
        "It can't be {}",
        "I would not choose {}",
        "{}는 아닙니다.",
        "{}가 아니에요",
        "정답은 {}가 아니다",
        "{}는 틀렸습니다",
        "{}번은 오답입니다",
        "不是{}",
        "不选{}",
        "{}不对",
        "{}是错误的",
        "排除{}",
    )
    for denial in denials:
        said = denial.format(letter)
        assert not extraction.choice(said, OPTIONS).parsed, said
        for answer in ("The answer is {}.", "정답은 {}입니다.", "答案是{}。"):
            said = said.rstrip(".") + "."
            for reply in (f"{said} {answer.format(other)}", f"{answer.format(other)} {said}"):
                assert extraction.choice(reply, OPTIONS).value == other, reply
