"""A teacher's text to turns: ``Question:`` and ``Answer:`` between lines of ``===``, or one description."""

from __future__ import annotations

import re
from dataclasses import dataclass

from nunbit.data.teacher.prompting import Kind

Turn = tuple[str, str]
MOST_TURNS = 16
_BETWEEN = re.compile(r"^[ \t]*={3,}[ \t]*$", re.M)
_QUESTION = re.compile(r"\s*(?:\*\*)?(?:Question|질문)(?:\*\*)?\s*[:：](?:\*\*)?\s*(?P<text>.*)", re.S | re.I)
_ANSWER = re.compile(r"\s*(?:\*\*)?(?:Answer|답|답변)(?:\*\*)?\s*[:：](?:\*\*)?\s*(?P<text>.*)", re.S | re.I)
MARKER = re.compile(
    r"^[ \t]*={3,}[ \t]*$"
    r"|^\s*(?:\*\*)?(?:Question|Answer|질문|답변|User|Assistant|Human|USER|ASSISTANT)(?:\*\*)?\s*\d*[:：]"
    r"|<\|?\s*(?:image|im_start|im_end|s|/s|endoftext|eot_id)\s*\|?>|^```|^\s*###",
    re.M,
)
"""What belongs to a format, and so may stand in no question and no answer."""
_JSON = re.compile(r"\s*[\[{]\s*[\"{\[]")


@dataclass(frozen=True, slots=True)
class Parsed:
    """Turns of a text, or what is wrong with its form: ``why``, and the words that show it."""

    turns: tuple[Turn, ...] = ()
    why: str = ""
    words: str = ""


def parse(text: str, kind: Kind) -> Parsed:
    """The turns of a teacher's text. A description is one turn without a question."""
    text = text.strip()
    if kind == "detail":
        return _description(text)
    parts = [p.strip() for p in _BETWEEN.split(text)]
    while parts and not parts[-1]:
        parts.pop()
    if not parts:
        return Parsed(why="no question and no answer")
    turns: list[Turn] = []
    for at in range(0, len(parts), 2):
        asked = _QUESTION.fullmatch(parts[at])
        if asked is None:
            return Parsed(why="a part that should begin with 'Question:'", words=parts[at][:80])
        if at + 1 >= len(parts):
            return Parsed(why="a question without an answer", words=parts[at][:80])
        answered = _ANSWER.fullmatch(parts[at + 1])
        if answered is None:
            return Parsed(why="a part that should begin with 'Answer:'", words=parts[at + 1][:80])
        turns.append((asked["text"].strip(), answered["text"].strip()))
    if kind == "reasoning" and len(turns) != 1:
        return Parsed(why=f"{len(turns)} questions where one is asked for", words=turns[1][0][:80])
    if len(turns) > MOST_TURNS:
        return Parsed(why=f"more than {MOST_TURNS} questions", words=turns[MOST_TURNS][0][:80])
    for turn in turns:
        for part in turn:
            if found := stray_marker(part):
                return Parsed(why="a mark of the format inside a question or an answer", words=found)
    return Parsed(tuple(turns))


def _description(text: str) -> Parsed:
    if found := stray_marker(text):
        return Parsed(why="a mark of the format inside a description", words=found)
    return Parsed((("", text),))


def stray_marker(text: str) -> str:
    """A mark of a format that stands in a text; "" if none does."""
    found = MARKER.search(text) or _JSON.match(text)
    return found[0].strip() if found else ""
