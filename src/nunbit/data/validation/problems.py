"""What can be wrong with an item of instruction data: a reason code, and the words that it rests on."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

CODES = {
    "contradicts-object": "names a thing that is not in the picture, or denies one that is",
    "contradicts-count": "gives another number than the picture shows",
    "contradicts-relation": "places a thing on the wrong side of another",
    "contradicts-place": "places a thing in the wrong part of the picture",
    "contradicts-box": "gives a box that does not fit the thing",
    "contradicts-colour": "gives another colour than the thing has",
    "contradicts-size": "calls a thing large or small that is not",
    "contradicts-text": "reads something else than what is written",
    "mentions-source": "names captions, boxes or given facts as where it knows from",
    "leaks-answer": "the question holds its answer",
    "breaks-format": "is not in the form that was asked for",
    "wrong-language": "is written in another language",
    "refuses": "refuses, or says that no picture can be seen",
    "empty": "has a question or an answer without words",
    "too-long": "is longer than any item of its kind should be",
    "repeats": "says the same again and again",
}
"""Reason code -> what it says of an item."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with an item.

    Attributes:
        code: one of `CODES`.
        turn: the turn, from 0.
        words: what it rests on; a part of the question or of the answer where there is one.
        why: one sentence.
    """

    code: str
    turn: int
    words: str
    why: str

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self)
