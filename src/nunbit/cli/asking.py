"""ask, ask --batch and chat."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nunbit.prompting.pointing as pointing
from nunbit.errors import UserError
from nunbit.evaluation.matching import is_right
from nunbit.media import decode
from nunbit.messages import Message, Part, assistant, question
from nunbit.models.assistant import Answer, Assistant
from nunbit.prompting import compose, show
from nunbit.prompting.chain_of_thought import self_consistency, zero_shot
from nunbit.prompting.rices import Rices, picture_embedder
from nunbit.prompting.shots import few_shot, load_shots


@dataclass(frozen=True, slots=True)
class Wishes:
    """How a question is to be asked: see the options of `nunbit ask`."""

    shots: Path | None = None
    k: int = 4
    rices: bool = False
    text_only: bool = False
    cot: bool = False
    zero_shot_cot: bool = False
    votes: int = 0
    marks: bool = False
    show_prompt: bool = False
    pointers: dict[str, str] = field(default_factory=dict)

    @property
    def plain(self) -> bool:
        """Nothing that needs more than one answer."""
        return not (self.zero_shot_cot or self.votes)


def ask_once(pictures: Sequence[str], text: str, model: str | None, device: str, as_json: bool, max_new_tokens: int,
             wishes: Wishes = Wishes()) -> None:  # fmt: skip
    images = [decode(Path(p)) for p in pictures]
    _need_words(text)
    helper = Assistant(model, device)
    turns = _prepared(question(text, images), wishes, helper)
    if wishes.show_prompt:
        print(show(turns), file=sys.stderr)
    if wishes.plain:
        answer = helper.ask(turns, max_new_tokens=max_new_tokens, on_text=None if as_json else _say)
    else:
        answer = _reasoned(helper, turns, wishes, max_new_tokens)
        if not as_json:
            _say(answer.text)
    if as_json:
        print(json.dumps({"image": list(pictures), "question": text, **_figures(answer)}, ensure_ascii=False))
    else:
        print()
        print(f"[{answer.ttft_ms:.0f} ms to the first token]", file=sys.stderr)


def _prepared(turns: list[Message], wishes: Wishes, helper: Assistant) -> list[Message]:
    """The conversation with pointers, numbers and solved examples."""
    steps = [pointing.point_at(pointing.parse(kind, at)) for kind, at in wishes.pointers.items()]
    if wishes.marks:
        steps.insert(0, _numbered)
    if wishes.shots is not None:
        shots = load_shots(wishes.shots)
        if wishes.rices:
            if not turns[-1].images:
                raise UserError(
                    "--rices for a question without a picture", allowed="a picture to look for similar ones"
                )
            index = Rices(shots, picture_embedder(helper.model, helper.processor.image_processor), encoder=helper.name,
                          file=wishes.shots.with_suffix(".rices.safetensors"))  # fmt: skip
            shots = index.nearest(turns[-1].images[0], wishes.k)
        steps.append(few_shot(shots[: wishes.k], text_only=wishes.text_only, reasoning=wishes.cot))
    elif wishes.rices or wishes.cot:
        raise UserError("--rices or --cot without examples", allowed="together with --shots FILE")
    return compose(*steps)(turns)


def _numbered(turns: Sequence[Message]) -> list[Message]:
    from nunbit.cli.seeing import segmenter
    from nunbit.perception import Perception

    last = turns[-1]
    perception, parts = Perception(panoptic=segmenter(None, read=False)), []
    for p in last.parts:
        if p.kind == "image":
            marked, table = pointing.set_of_marks(p.content, scene := perception([p.content])[0])
            print(", ".join(f"{n}: {scene.objects[i].name}" for n, i in table.items()), file=sys.stderr)
            p = Part.image(marked)
        parts.append(p)
    return [*turns[:-1], Message(last.role, tuple(parts))]


def _reasoned(helper: Assistant, turns: Sequence[Message], wishes: Wishes, max_new_tokens: int) -> Answer:
    """Answers that take several: reasoning first, or a vote. The reasoning goes to stderr."""
    first: list[Answer] = []

    def once(messages: Sequence[Message], seed: int | None = None) -> str:
        first.append(helper.ask(messages, max_new_tokens=max_new_tokens, seed=seed))
        return first[-1].text

    def reason(messages: Sequence[Message], seed: int | None = None) -> str:
        if not wishes.zero_shot_cot:
            return once(messages, seed)
        return zero_shot(lambda m: once(m, seed), lambda said: print(f"thinking: {said}", file=sys.stderr))(messages)

    text = self_consistency(reason, wishes.votes)(turns) if wishes.votes else reason(turns)
    return Answer(text, first[0].ttft_ms, sum(a.tokens for a in first))


def ask_batch(file: Path, model: str | None, device: str, readable: bool, max_new_tokens: int) -> None:
    """One model load for a whole file. With known answers, a last line on stderr counts the right ones."""
    rows = read_questions(file)
    images = [decode(file.parent / r["image"]) for r in rows]
    helper = Assistant(model, device)
    helper.ask(
        question(rows[0]["question"], [images[0]]), max_new_tokens=1
    )  # the first pass through a model warms it up
    marks = []
    for row, image in zip(rows, images, strict=True):
        answer = helper.ask(question(row["question"], [image]), max_new_tokens=max_new_tokens)
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
