"""Reasoning before the answer: zero-shot chain of thought in two stages, and self-consistency.

Source: Wei et al., arXiv 2201.11903 (worked solutions; see `shots.few_shot(reasoning=True)`); Kojima et al., arXiv 2205.11916, sec. 3
(two prompts: reasoning, then extraction); Wang et al., arXiv 2203.11171 (majority of sampled chains).
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence

from nunbit.errors import UserError
from nunbit.messages import Message, Part, assistant, user
from nunbit.prompting import Ask

THINK = {"en": "Let's think step by step.", "ko": "차근차근 생각해 봅시다."}
CONCLUDE = {"en": "Therefore, the answer is:", "ko": "따라서 답만 쓰면:"}


def language_of(text: str) -> str:
    """Korean if the text has Hangul, else English."""
    return "ko" if re.search("[가-힣]", text) else "en"


def zero_shot(ask: Ask, heard: Callable[[str], None] | None = None) -> Ask:
    """Ask twice: for the reasoning, then for the answer that follows from it. ``heard`` is told the reasoning."""

    def asked(messages: Sequence[Message]) -> str:
        language = language_of(messages[-1].text)
        thinking = [*messages[:-1], with_words(messages[-1], THINK[language])]
        reasoning = ask(thinking)
        if heard:
            heard(reasoning)
        return ask([*thinking, assistant(reasoning), user(CONCLUDE[language])])

    return asked


def with_words(message: Message, words: str) -> Message:
    """The message with words after its own."""
    return Message(message.role, (*message.parts, Part.text("\n" + words)))


def self_consistency(ask: Callable[[Sequence[Message], int], str], n: int, final: Callable[[str], str] = str) -> Ask:
    """Ask ``n`` times (``ask`` gets a seed beside the turns and must sample) and keep the commonest answer; a tie goes to the first.

    Args:
        final: takes the answer out of a reasoned text before votes are counted.
    """
    if not 1 <= n <= 64:
        raise UserError(f"{n} samples", allowed="1 to 64")

    def asked(messages: Sequence[Message]) -> str:
        answers = [final(ask(messages, seed)) for seed in range(n)]
        votes = Counter(map(normal, answers))
        best = max(votes.values())
        return next(a for a in answers if votes[normal(a)] == best)

    return asked


def normal(answer: str) -> str:
    """An answer as votes count it: case, spaces and end marks do not matter."""
    return " ".join(unicodedata.normalize("NFKC", answer).lower().split()).strip(" .!。")
