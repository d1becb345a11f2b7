"""Solved examples before the question: in-context learning with interleaved pictures.

Source: Flamingo, arXiv 2204.14198, sec. 2.4 (k-shot prompts); text-only shots are its sec. D.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nunbit.errors import UserError
from nunbit.media import decode
from nunbit.messages import Message, Part, assistant
from nunbit.prompting import Transform

MOST_LINES, MOST_SHOTS = 100_000, 64


@dataclass(frozen=True, slots=True)
class Shot:
    """A solved example. ``image`` is a picture or the path of one (opened when it is used); ``reasoning`` is optional."""

    question: str
    answer: str
    image: Any = None
    reasoning: str = ""

    def picture(self) -> Any:
        return decode(self.image) if isinstance(self.image, Path) else self.image


def load_shots(file: str | Path) -> list[Shot]:
    """Read JSON lines of ``question``, ``answer`` (or ``answers``), optional ``image`` beside the file and ``reasoning``.

    Raises:
        UserError: unreadable, a line of another form (which is named), an image outside the file's folder, no line at all.
    """
    file = Path(file)
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as e:
        raise UserError(
            f"the examples '{file}' cannot be read ({type(e).__name__})", allowed="a UTF-8 file of JSON lines"
        ) from None
    if len(lines) > MOST_LINES:
        raise UserError(f"{len(lines)} examples", allowed=f"at most {MOST_LINES}")
    shots = [_shot(line, n, file) for n, line in enumerate(lines, 1) if line.strip()]
    if not shots:
        raise UserError(f"the examples '{file}' hold none", allowed="one JSON object a line")
    return shots


def _shot(line: str, number: int, file: Path) -> Shot:
    try:
        row = json.loads(line)
        answer = row.get("answer") or (row.get("answers") or [None])[0]
        texts = (row["question"], answer, row.get("reasoning", ""))
        if (
            not all(isinstance(t, str) for t in texts)
            or not row["question"].strip()
            or not isinstance(row.get("image", ""), str)
        ):
            raise TypeError
    except (json.JSONDecodeError, KeyError, TypeError, AttributeError, IndexError):
        raise UserError(f"line {number} of '{file}' is not a solved example",
                        allowed='{"image": "a.png", "question": "...", "answer": "...", "reasoning": "..."}, '
                                "image and reasoning optional") from None  # fmt: skip
    image = None
    if row.get("image"):
        image = (file.parent / row["image"]).resolve()
        if not image.is_relative_to(file.parent.resolve()):
            raise UserError(
                f"line {number} of '{file}' names a picture outside its folder",
                allowed="pictures beside the file or below",
            )
    return Shot(*texts[:2], image=image, reasoning=texts[2])


def few_shot(shots: Sequence[Shot], *, text_only: bool = False, reasoning: bool = False) -> Transform:
    """Put solved examples before the conversation.

    Args:
        text_only: leave the examples' pictures out.
        reasoning: answer the examples with their worked solution first (chain of thought).
    """
    if len(shots) > MOST_SHOTS:
        raise UserError(
            f"{len(shots)} examples in one prompt", allowed=f"at most {MOST_SHOTS}", todo="name a smaller k"
        )

    def transform(messages: Sequence[Message]) -> list[Message]:
        told: list[Message] = []
        for s in shots:
            parts = [] if text_only or s.image is None else [Part.image(s.picture())]
            told.append(Message("user", (*parts, Part.text(s.question))))
            told.append(assistant(f"{s.reasoning} {s.answer}".strip() if reasoning else s.answer))
        start = next((i for i, m in enumerate(messages) if m.role != "system"), 0)
        return [*messages[:start], *told, *messages[start:]]

    return transform
