"""ask, ask --batch and chat."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nunbit.cli.prompt_options import PromptedAssistant, PromptOptions
from nunbit.errors import UserError
from nunbit.evaluation.matching import is_right
from nunbit.media import decode
from nunbit.messages import Message, Part, assistant, question
from nunbit.models.assistant import Answer, Assistant


def ask_once(pictures: Sequence[str], text: str, model: str | None, device: str, as_json: bool, max_new_tokens: int,
             wishes: PromptOptions = PromptOptions()) -> None:  # fmt: skip
    images = [decode(Path(p)) for p in pictures]
    _need_words(text)
    asker = PromptedAssistant(wishes, model, device)
    answer = asker.ask(question(text, images), max_new_tokens, None if as_json else _say)
    if as_json:
        print(json.dumps({"image": list(pictures), "question": text, **_figures(answer)}, ensure_ascii=False))
    else:
        print()
        print(f"[{answer.ttft_ms:.0f} ms to the first token]", file=sys.stderr)


def ask_batch(
    file: Path, model: str | None, device: str, readable: bool, max_new_tokens: int, wishes: PromptOptions = PromptOptions()
) -> None:
    """One model load for a whole file. With known answers, a last line on stderr counts the right ones."""
    if wishes.pointers:
        raise UserError(
            "--batch with a place to point at", allowed="--point, --box, --circle and --arrow for one picture"
        )
    rows = read_questions(file)
    images = [decode(file.parent / r["image"]) for r in rows]
    asker = PromptedAssistant(wishes, model, device)
    asker.helper.ask(
        question(rows[0]["question"], [images[0]]), max_new_tokens=1
    )  # the first pass through a model warms it up
    marks = []
    for row, image in zip(rows, images, strict=True):
        answer = asker.ask(question(row["question"], [image]), max_new_tokens)
        out: dict[str, Any] = {"image": row["image"], "question": row["question"], **_figures(answer)}
        if row.get("answers"):
            out |= {"answers": row["answers"], "right": is_right(answer.text, row["answers"])}
            marks.append(out["right"])
        print(_readable(out) if readable else json.dumps(out, ensure_ascii=False), flush=True)
    if marks:
        print(f"{sum(marks)} of {len(marks)} right", file=sys.stderr)


def chat_loop(pictures: Sequence[str], model: str | None, device: str) -> None:
    images = [decode(Path(p)) for p in pictures]
    helper = Assistant(model, device)
    turns: list[Message] = []
    while True:
        try:
            text = input("> ").strip()
        except EOFError:
            break
        if not text:
            break
        parts = [Part.image(i) for i in images] if not turns else []
        turns.append(Message("user", (*parts, Part.text(text))))
        answer = helper.ask(turns, on_text=_say)
        print()
        turns.append(assistant(answer.text))


def read_questions(file: Path) -> list[dict[str, Any]]:
    """Lines of ``image``, ``question`` and, optionally, ``answers``; the first bad line is named."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as e:
        raise UserError(
            f"the file '{file}' cannot be read ({e.__class__.__name__})", allowed="a UTF-8 text file of JSON lines"
        ) from None
    rows = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            good = (
                isinstance(row["image"], str)
                and isinstance(row["question"], str)
                and isinstance(row.get("answers", []), list)
            )
        except (json.JSONDecodeError, KeyError, TypeError, AttributeError):
            good = False
        if not good or not row["question"].strip():
            raise UserError(f"line {number} of '{file}' is not a question",
                            allowed='{"image": "file.png", "question": "...", "answers": ["..."]}, answers optional')  # fmt: skip
        rows.append(row)
    if not rows:
        raise UserError(f"the file '{file}' holds no question", allowed="one JSON object a line")
    return rows


def _need_words(text: str) -> None:
    if not text.strip():
        raise UserError("an empty question", allowed="a question in words", todo="put it in quotes after the picture")


def _figures(answer: Answer) -> dict[str, Any]:
    return {"answer": answer.text, "ttft_ms": round(answer.ttft_ms, 1)}


def _readable(out: dict[str, Any]) -> str:
    mark = {True: "right", False: "WRONG", None: ""}[out.get("right")]
    known = f"  (known: {' / '.join(out['answers'])})" if out.get("right") is False else ""
    return f"{out['image']:24} {out['question']}\n{'':24} -> {out['answer']}   [{out['ttft_ms']:.0f} ms] {mark}{known}"


def _say(text: str) -> None:
    print(text, end="", flush=True)
