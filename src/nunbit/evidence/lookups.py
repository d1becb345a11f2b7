"""Figures and words looked up in what is written: "How much is the coffee?", "$3.25"."""

from __future__ import annotations

from collections.abc import Sequence

from nunbit.evidence.claims import Claim, Evidence
from nunbit.evidence.index import CONFIDENT
from nunbit.evidence.statements import BOX
from nunbit.evidence.text_lines import Lines, digits, plain, whole_words

SHORT_WORDS = 6
"""Words of an answer that may stand inside a line."""
LEAST_KEY_CHARS = 2
SAME_ROW = 0.5
"""Two lines share a row if their heights overlap by this share of the lower one."""


def lookup_claims(question: str, answer: str, lines: Lines) -> list[Claim]:
    """The claim that a short answer stands in the lines: in the row that the question names, if it names one.

    A figure that stands elsewhere, while the named row has one confident figure of its own, is a contradiction.
    """
    start = len(answer) - len(answer.lstrip())
    end = len(answer.rstrip(" .\n"))
    value = answer[start:end]
    if not plain(value) or len(value.split()) > SHORT_WORDS or BOX.search(value):
        return []
    low = value.casefold()
    holding = [e for e in lines.lines if whole_words(e.text.casefold(), low)]
    key, row = _row(question, lines.lines)
    inside = [e for e in holding if e in row or e == key]
    if inside and key is not None:
        return [_claim(value, start, end, list(dict.fromkeys((inside[0], key))))]
    figures = [e for e in row if digits(plain(e.text))]
    alike = len(figures) == 1 and _unit(figures[0].text) == _unit(value) and figures[0].score >= CONFIDENT
    if alike and digits(plain(value)) and key is not None and not digits(plain(key.text)):
        evidence = (figures[0], key)
        return [
            Claim("text", value, (start, end), "", value, "", False, "contradicted", False, figures[0].text, evidence)
        ]
    return [_claim(value, start, end, holding[:1])] if holding else []


def _unit(text: str) -> str:
    """What stands around the digits of a figure: a label such as "1월" is no price."""
    return "".join(c for c in plain(text) if not c.isdigit() and c not in ".:")


def _claim(value: str, start: int, end: int, found: list[Evidence]) -> Claim:
    weak = all(e.score < CONFIDENT for e in found)
    return Claim("text", value, (start, end), "", value, "", False, "supported", weak, "", tuple(found))


def _row(question: str, lines: Sequence[Evidence]) -> tuple[Evidence | None, list[Evidence]]:
    """The line that a question names, the longest of them, and the other lines of its row."""
    low = question.casefold()
    named = [e for e in lines if len(plain(e.text)) >= LEAST_KEY_CHARS and whole_words(low, e.text.casefold().strip())]
    key = max(named, key=lambda e: len(e.text), default=None)
    if key is None:
        return None, []
    return key, [e for e in lines if e is not key and e.picture == key.picture and _level(e, key)]


def _level(a: Evidence, b: Evidence) -> bool:
    shared = min(a.box[3], b.box[3]) - max(a.box[1], b.box[1])
    return shared >= SAME_ROW * min(a.box[3] - a.box[1], b.box[3] - b.box[1])
