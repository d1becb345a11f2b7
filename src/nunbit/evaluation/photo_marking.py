"""Marking answers about photographs: yes and no, numbers, names among other words, and what cannot be known."""

from __future__ import annotations

import re
from collections.abc import Sequence

from nunbit.evaluation.matching import normal

REFUSALS = (
    *("cannot be seen", "cannot tell", "can't tell", "not possible", "unknown", "do not know", "don't know"),
    *(
        "no information",
        "not visible",
        "cannot be known",
        "there is no",
        "there are no",
        "no such",
        "not in the picture",
    ),
    *("알 수 없", "보이지 않", "없습니다", "없어요"),
)
NUMBER_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
SAME = {"yes": ("yes",), "no": ("no",), "네": ("네", "예", "yes"), "아니요": ("아니요", "아니오", "no")}
WORDS_MAX = 12


def is_right(answer: str, answers: Sequence[str], kind: str) -> bool:
    """Whether an answer is right: a yes/no by its first word, a number by the only number, anything else as one of the
    accepted answers, alone or as whole words among a few. What cannot be answered is right where the answer says so."""
    text = normal(answer)
    if kind == "unanswerable":
        return any(r in text for r in REFUSALS)
    if wanted := SAME.get(answers[0].casefold()):  # before refusals: "no, there is no dog" is an answer
        return re.split(r"[\s,.!]", text)[0] in wanted and not text.startswith("no information")
    if not text or any(r in text for r in REFUSALS):
        return False
    if kind == "counting":
        return _numbers(text) == [next(a for a in answers if a.isdigit())]
    if len(text.split()) > WORDS_MAX:
        return False
    plain = re.sub(r"^(a|an|the) ", "", text)
    return any(normal(a) in (text, plain) or _holds(text, normal(a)) for a in answers)


def _numbers(text: str) -> list[str]:
    """All numbers of an answer, words too."""
    found = re.findall(r"\d+|[a-z]+", text)
    return [w if w.isdigit() else str(NUMBER_WORDS.index(w)) for w in found if w.isdigit() or w in NUMBER_WORDS]


def _holds(text: str, wanted: str) -> bool:
    """Whether the wanted words stand in the answer as whole words; Korean particles may follow."""
    if re.search(r"[가-힣]", wanted):
        return bool(re.search(rf"(^|[^가-힣]){re.escape(wanted)}", text))
    return bool(re.search(rf"\b{re.escape(wanted)}(s|es)?\b", text))
