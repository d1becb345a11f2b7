"""Reasoning before the answer: worked solutions, zero-shot chain of thought in two stages, and self-consistency.

Source: Wei et al., arXiv 2201.11903 (worked solutions that end in a fixed phrase, as `shots.few_shot` writes them);
Kojima et al., arXiv 2205.11916, sec. 3 (two prompts: reasoning, then extraction); Wang et al., arXiv 2203.11171
(majority of sampled chains).
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
ANSWER = {"en": "The answer is", "ko": "답:"}
"""The phrase before the answer of a worked solution, by which `final_answer` finds the answer again."""
_MARK = re.compile(r"\banswer\s*(?:is\b|:)\s*:?|답\s*(?:은|:)\s*:?", re.IGNORECASE)
_TAIL = re.compile(r"(?:입니다|이에요|예요)$")
_START, _END = " \t\"'`*", " \t.!。\"'`*"


def language_of(text: str) -> str:
    """Korean if the text has Hangul (syllables or letters), else English."""
    return "ko" if re.search("[가-힣ㄱ-ㆎ]", unicodedata.normalize("NFC", text)) else "en"


def worked(reasoning: str, answer: str, language: str) -> str:
    """A worked solution for an example: the reasoning, then the answer after its fixed phrase."""
    end = "" if answer.endswith(".") or language == "ko" else "."
    return f"{reasoning} {ANSWER[language]} {answer}".strip() + end


def final_answer(text: str) -> str:
    """The answer of a reasoned text: what follows the last "answer is" or "답:" on its line, else the last line."""
    marks = list(_MARK.finditer(text))
    rest = text[marks[-1].end() :] if marks else text.strip().rpartition("\n")[2]
    line = next((x for x in rest.splitlines() if x.strip(_END)), "")
    return _bare(_TAIL.sub("", _bare(line))) if marks else line.strip()


def final_only(ask: Ask, on_reasoning: Callable[[str], None] | None = None) -> Ask:
    """Ask once and keep the final answer alone.

    Args:
        ask: answers a conversation.
        on_reasoning: receives the whole text.
    """

    def answer(messages: Sequence[Message]) -> str:
        text = ask(messages)
        if on_reasoning:
            on_reasoning(text)
        return final_answer(text)

    return answer


def zero_shot(ask: Ask, on_reasoning: Callable[[str], None] | None = None) -> Ask:
    """Ask twice: for the reasoning, then for the answer that follows from it.

    Args:
        ask: answers a conversation.
        on_reasoning: receives the reasoning.
    """

    def answer(messages: Sequence[Message]) -> str:
        language = language_of(messages[-1].text)
        thinking = [*messages[:-1], with_words(messages[-1], THINK[language])]
        reasoning = ask(thinking)
        if on_reasoning:
            on_reasoning(reasoning)
        return ask([*thinking, assistant(reasoning), user(CONCLUDE[language])])

    return answer


def with_words(message: Message, words: str) -> Message:
    """The message with words after its own."""
    return Message(message.role, (*message.parts, Part.text("\n" + words)))


def self_consistency(ask: Callable[[Sequence[Message], int], str], n: int, final: Callable[[str], str] = str) -> Ask:
    """Ask ``n`` times and keep the most frequent answer; of equally frequent ones the first.

    An empty answer has no vote, unless all are empty.

    Args:
        ask: answers a conversation by sampling with the given seed.
        n: how many answers are sampled.
        final: takes the answer out of a reasoned text before votes are counted.

    Raises:
        UserError: ``n`` is not between 1 and 64.
    """
    if not 1 <= n <= 64:
        raise UserError(f"{n} samples", allowed="1 to 64")

    def answer(messages: Sequence[Message]) -> str:
        sampled = [final(ask(messages, seed)) for seed in range(n)]
        answers = [a for a in sampled if normalise_answer(a)] or sampled
        votes = Counter(map(normalise_answer, answers))
        best = max(votes.values())
        return next(a for a in answers if votes[normalise_answer(a)] == best)

    return answer


def normalise_answer(answer: str) -> str:
    """An answer as votes count it: without case, repeated spaces, quotes and end marks."""
    return _bare(" ".join(unicodedata.normalize("NFKC", answer).lower().split()))


def _bare(text: str) -> str:
    """Without quotes and end marks around it; a leading point stays, as in ".5"."""
    return text.rstrip(_END).lstrip(_START)
