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
from nunbit.files import decoded_text, parse_json, text_lines
from nunbit.media import decode
from nunbit.messages import Message, Part, assistant
from nunbit.prompting import Transform
from nunbit.prompting.chain_of_thought import language_of, worked
from nunbit.system_errors import named_below

MOST_LINES, MOST_SHOTS = 100_000, 64


@dataclass(frozen=True, slots=True)
class Shot:
    """A solved example.

    Attributes:
        image: a picture, the path of one (opened when it is used), or None.
        reasoning: the worked solution before the answer; may be empty.
    """

    question: str
    answer: str
    image: Any = None
    reasoning: str = ""

    def picture(self) -> Any:
        """The picture, opened if ``image`` is a path.

        Raises:
            UserError: it cannot be opened.
        """
        return decode(self.image) if isinstance(self.image, Path) else self.image


def load_shots(source: str | Path, folder: str | Path | None = None) -> list[Shot]:
    """Read JSON lines of ``question``, ``answer`` (or ``answers``), optional ``image`` and ``reasoning``.

    Args:
        source: a file, or a folder whose ``.jsonl`` files are read by name.
        folder: where pictures lie; beside each file if not given.

    Raises:
        UserError: unreadable, a line of another form (which is named), an image outside the folder, no line at all.
    """
    source = Path(source)
    files = sorted(source.glob("*.jsonl")) if source.is_dir() else [source]
    if not files:
        allowed = "a folder with .jsonl files, or one such file"
        raise UserError(f"the folder '{source}' holds no examples", allowed=allowed)
    shots: list[Shot] = []
    for file in files:
        shots += _of_file(file, Path(folder) if folder is not None else file.parent)
        if len(shots) > MOST_LINES:
            raise UserError(f"more than {MOST_LINES} examples in '{source}'", allowed=f"at most {MOST_LINES}")
    if not shots:
        raise UserError(f"the examples '{source}' hold none", allowed="one JSON object a line")
    return shots


def _of_file(file: Path, folder: Path) -> list[Shot]:
    try:
        lines = text_lines(decoded_text(file.read_bytes()))
    except (OSError, UnicodeError) as e:
        given = f"the examples '{file}' cannot be read ({type(e).__name__})"
        raise UserError(given, allowed="a UTF-8 file of JSON lines") from None
    return [_shot(line, n, file, folder) for n, line in enumerate(lines[: MOST_LINES + 1], 1) if line.strip()]


def _shot(line: str, number: int, file: Path, folder: Path) -> Shot:
    try:
        row = parse_json(line)
        answer = row.get("answer") or (row.get("answers") or [None])[0]
        texts = (row["question"], answer, row.get("reasoning", ""))
        if not all(isinstance(t, str) for t in texts) or not row["question"].strip() or not answer.strip():
            raise TypeError
        if not isinstance(row.get("image", ""), str):
            raise TypeError
    except (json.JSONDecodeError, KeyError, TypeError, AttributeError, IndexError, RecursionError):
        raise UserError(
            f"line {number} of '{file}' is not a solved example",
            allowed='{"image": "a.png", "question": "...", "answer": "...", "reasoning": "..."}, '
            "image and reasoning optional",
        ) from None
    return Shot(*texts[:2], image=_beside(row.get("image"), number, file, folder), reasoning=texts[2])


def _beside(image: str | None, number: int, file: Path, folder: Path) -> Path | None:
    """The picture's path, which may not leave the folder: a file of examples is data, not a way to read the disk."""
    if not image:
        return None
    try:
        path = Path(named_below(folder, image)).resolve()
        inside = path.is_relative_to(folder.resolve())
    except (OSError, ValueError, RuntimeError):  # RuntimeError: a ring of links
        inside = False
    if not inside:
        given = f"line {number} of '{file}' names a picture outside its folder"
        raise UserError(given, allowed=f"pictures in '{folder}' or below")
    return path


def few_shot(shots: Sequence[Shot], *, text_only: bool = False, reasoning: bool = False) -> Transform:
    """Put solved examples before the conversation.

    Args:
        text_only: leave the examples' pictures out.
        reasoning: answer the examples with their worked solution and the answer after its fixed phrase.

    Raises:
        UserError: more examples than `MOST_SHOTS`, or ``reasoning`` with examples that have none.
    """
    if len(shots) > MOST_SHOTS:
        raise UserError(
            f"{len(shots)} examples in one prompt", allowed=f"at most {MOST_SHOTS}", todo="name a smaller k"
        )
    if reasoning and shots and not any(s.reasoning.strip() for s in shots):
        raise UserError(
            "examples without worked solutions",
            allowed='examples with "reasoning"',
            todo="write the solutions into the file, or leave the chain of thought to the model (--zero-shot-cot)",
        )

    def transform(messages: Sequence[Message]) -> list[Message]:
        turns: list[Message] = []
        for s in shots:
            parts = [] if text_only or s.image is None else [Part.image(s.picture())]
            turns.append(Message("user", (*parts, Part.text(s.question))))
            turns.append(assistant(worked(s.reasoning, s.answer, language_of(s.question)) if reasoning else s.answer))
        start = next((i for i, m in enumerate(messages) if m.role != "system"), len(messages))
        return [*messages[:start], *turns, *messages[start:]]

    return transform
