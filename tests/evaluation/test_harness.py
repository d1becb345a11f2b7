"""The rules of two other harnesses, described in our own code."""

import pytest

from nunbit.evaluation import harness

OPTIONS = {"A": "red", "B": "a blue car", "C": "green", "D": "blue"}


@pytest.mark.parametrize(
    ("reply", "letter"),
    [
        ("정답은 B입니다.", None),
        ("B입니다", None),
        ("선택지 B가 맞습니다", None),
        ("b", None),
        ("B", "B"),
        ("The answer is B.", "B"),
        ("A red car", "A"),
        ("B is what I see in this picture here", None),
        ("A or C", None),
        ("it is green", "C"),
        ("the answer is **C** as you can see in this one", "C"),
    ],
)
def test_vlmevalkit_reads_as_it_does(reply, letter):
    assert harness.vlmevalkit_choice(reply, OPTIONS).value == letter


def test_lmms_reads_as_it_does():
    assert (
        not harness.lmms_exact_letter("The answer is B", OPTIONS).parsed
        and harness.lmms_exact_letter("b.", OPTIONS).value == "B"
    )
    assert not harness.lmms_whole_reply("(B)", OPTIONS).parsed and harness.lmms_whole_reply("b", OPTIONS).value == "B"
    assert (
        not harness.first_character("The answer is B", OPTIONS).parsed
        and harness.first_character("B)", OPTIONS).value == "B"
    )
    assert harness.lmms_mmbench_choice("(C).", OPTIONS).value == "C"
    for reply in ("Not sure", "None", "Nothing"):
        assert harness.mme_yes_no(reply).value == "no"
    assert harness.mme_yes_no("Unsure").value is None or harness.mme_yes_no("Unsure").value == "no"
    assert not harness.lmms_pope("Yes.").parsed and harness.lmms_pope("yes").value == "yes"
    assert (
        harness.pope_yes_no("I cannot tell").value == "yes" and harness.pope_yes_no("There is not. Yes").value == "no"
    )


def test_mmmu_never_draws_lots():
    assert not harness.mmmu_choice("정답은 B입니다.", OPTIONS).parsed
    assert (
        harness.mmmu_choice("(A) or rather (C)", OPTIONS).value == "C"
        and harness.mmmu_choice("B.", OPTIONS).value == "B"
    )
