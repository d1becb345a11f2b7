"""Prompts, parsers and credits that several benchmarks share, so that a protocol is a line naming three of them.

Names: ``official`` is the authors' prompt and metric (their rule where they state one, else nunbit's rules in three
languages, never an LLM or lots); ``vlmevalkit`` and ``lmms`` are what those harnesses do by rules alone; ``nunbit``
is the official prompt read by nunbit's rules.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from nunbit.evaluation import extraction, harness
from nunbit.evaluation.items import Item, ParsedAnswer, Protocol

Parse = Callable[[str, Item], ParsedAnswer]
LETTER_EN = "Answer with the option's letter from the given choices directly."
LETTER_KO = "주어진 선택지 중 해당 옵션의 문자로 바로 답하세요."
LETTER_ZH = "请直接使用所提供的选项字母作为答案回答。"
SHORT = "Answer the question using a single word or phrase."


def lettered(item: Item, form: str = "{}. {}") -> str:
    """The options of an item, a line each, in the form given (letter, text)."""
    return "\n".join(form.format(k, v) for k, v in item.options.items())


def vlmevalkit_choice_prompt(item: Item) -> str:
    """VLMEvalKit's form for multiple choice; a question without options stays as it is."""
    hint = f"Hint: {item.hint}\n" if item.hint else ""
    options = (
        f"\nOptions:\n{lettered(item)}\nPlease select the correct answer from the options above. \n"
        if item.options
        else "\n"
    )
    return f"{hint}Question: {item.question}{options}"


def plain_choice_prompt(item: Item, post: str = LETTER_EN) -> str:
    """Question, options, one sentence: the form of LLaVA and most of lmms-eval."""
    hint = f"{item.hint}\n" if item.hint else ""
    return f"{hint}{item.question}\n{lettered(item)}\n{post}"


def question_then(post: str = "") -> Callable[[Item], str]:
    """A prompt: the question, and ``post`` on a line of its own."""
    return lambda item: item.question + (f"\n{post}" if post else "")


def by_options(rule: Callable[[str, Mapping[str, str]], ParsedAnswer]) -> Parse:
    """A parser from a rule that reads the reply with the options at hand."""
    return lambda reply, item: rule(reply, item.options)


def by_text(rule: Callable[[str], ParsedAnswer]) -> Parse:
    """A parser from a rule that reads the reply alone."""
    return lambda reply, item: rule(reply)


def equal(found: ParsedAnswer, item: Item) -> float:
    """1 when what was found is one of the gold answers, case aside."""
    return float(found.value is not None and found.value.lower() in {g.lower() for g in item.gold})


CHOICE: Parse = by_options(extraction.choice)
YES_NO: Parse = by_text(extraction.yes_no)
RAW: Parse = by_text(extraction.raw)
LITERAL: Parse = by_text(extraction.literal)
WORDS: Parse = by_text(extraction.words)


def named(*protocols: Protocol) -> dict[str, Protocol]:
    """The protocols by name."""
    return {p.name: p for p in protocols}


VLMEVALKIT_CHOICE = Protocol(
    "vlmevalkit",
    vlmevalkit_choice_prompt,
    by_options(harness.vlmevalkit_choice),
    equal,
    "VLMEvalKit's rule matcher",
    version=2,
)
"""VLMEvalKit's protocol for multiple choice, which several benchmarks share."""
