"""``--verify``: an answer corrected by what is in its pictures, and a line on stderr for each correction."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from nunbit.assistant import Answer, Assistant
from nunbit.cli.evidence import scenes_of
from nunbit.evidence.wording import language_of
from nunbit.trust.asking import MAX_NEW_TOKENS, visual_questions
from nunbit.trust.trace import Verification
from nunbit.trust.woodpecker import verify

if TYPE_CHECKING:
    from PIL.Image import Image


def verified(
    assistant: Assistant, images: Sequence[Image], question: str, answer: Answer, *, ask_model: bool
) -> tuple[Answer, Verification]:
    """The corrected answer, with the Scenes of the pictures, and how it came about.

    Args:
        ask_model: ask the model again where perception knows nothing.
    """
    scenes = scenes_of(assistant, images, answer) if images else []
    ask = visual_questions(lambda m: assistant.ask(m, max_new_tokens=MAX_NEW_TOKENS).text, images)
    made = verify(question, answer.text, scenes, images, ask=ask if ask_model else None)
    return replace(answer, text=made.answer, scenes=tuple(scenes)), made


def print_corrections(made: Verification) -> None:
    """Print what was corrected on stderr, one line each, in the question's language."""
    for line in correction_lines(made):
        print(line, file=sys.stderr)


def correction_lines(made: Verification) -> list[str]:
    """``corrected: "three dogs" -> "two dogs" (perception finds: there are 2 dogs (90 %).)``, one line a correction."""
    korean = language_of(made.question) == "ko"
    nothing = "(없음)" if korean else "(nothing)"
    return [
        f'{"고침" if korean else "corrected"}: "{c.before}" -> {quoted(c.after) or nothing} '
        f"[{c.reason_ko if korean else c.reason}]"
        for c in made.corrections
    ]


def quoted(words: str) -> str:
    """Words in quotation marks; "" for none."""
    return f'"{words}"' if words else ""
