"""``nunbit ask``, ``nunbit ask --batch`` and ``nunbit chat``."""

from __future__ import annotations

import json
import sys
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nunbit.assistant import Answer
from nunbit.cli.evidence import AnswerEvidence
from nunbit.cli.guarding import AskedGuard, guard_config, print_found
from nunbit.cli.output import print_notices, say, waiting
from nunbit.cli.prompt_options import AskOptions, ChatOptions
from nunbit.cli.prompted import PromptedAssistant
from nunbit.cli.verification import correction_lines, print_corrections, verified
from nunbit.errors import UserError
from nunbit.evaluation import matching, photo_marking
from nunbit.files import decoded_text, parse_json, text_lines
from nunbit.media import decode
from nunbit.media.heap import use_single_heap
from nunbit.media.sources import named_file
from nunbit.messages import Message, Part, assistant, question
from nunbit.models.loading import default_name
from nunbit.perception.pipeline import perception_fields
from nunbit.system_errors import named_below
from nunbit.trust.guard.verdict import Verdict


def ask_once(options: AskOptions) -> None:
    """Answer one question about one or several pictures: the answer on stdout, its time to the first token on stderr.

    Raises:
        UserError: a picture that cannot be read, or an empty question.
    """
    *pictures, text = options.words or []
    images = [decode(named_file(p)) for p in pictures]
    if not text.strip():
        raise UserError("an empty question", allowed="a question in words", todo="put it in quotes after the picture")
    config = guard_config(options.guard)
    prompted = PromptedAssistant(options.prompt, options.model, options.engine)
    guarded = AskedGuard(config, prompted.assistant)(question(text, images))
    streamed = None if options.as_json or options.verify else _write
    answer = prompted.ask(guarded.messages, options.max_new_tokens, streamed)
    made = None
    if options.verify:
        answer, made = verified(prompted.assistant, images, text, answer, ask_model=options.llm)
        if not options.as_json:
            _write(answer.text)
    # Contradictions are said wherever the model had Scenes anyway; without them perception runs only when asked for.
    wanted = options.evidence or options.draw is not None
    found = AnswerEvidence(prompted.assistant, images, text, answer) if wanted or answer.scenes else None
    if options.as_json:
        out = {"image": pictures, "question": text, **_answer_fields(answer)}
        out |= {"evidence": found.json()} if found and options.evidence else {}
        out |= {"verification": made.to_json()} if made else {}
        out |= {"guard": guarded.verdict.to_json()} if guarded.verdict else {}
        print(json.dumps(out, ensure_ascii=False))
    else:
        print(file=sys.stderr)
        say(f"[{answer.ttft_ms:.0f} ms to the first token]")
    print_notices(answer.notices, set())
    print_found(guarded.verdict, text)
    if made:
        print_corrections(made)
    if found:
        _show_evidence(found, options)


def _show_evidence(found: AnswerEvidence, options: AskOptions) -> None:
    if options.evidence and not options.as_json:
        found.print()
    found.warn()
    if options.draw is not None:
        say(f"drawn: {', '.join(map(str, found.draw(options.draw)))}")


def ask_batch(options: AskOptions) -> None:
    """Answer a file of questions, several at a time. Pictures are decoded as the engine takes them, never all at once.

    Every answer is a line on stdout as soon as it and those before it are ready. The last lines on stderr have the
    time and, where answers are known, how many are right.

    Raises:
        UserError: a line that is not a question, a picture that cannot be read, a pointer or a drawing, which need one
            picture.
    """
    assert options.batch is not None
    if options.prompt.pointers:
        allowed = "--point, --box, --circle and --arrow for one picture"
        raise UserError("--batch with a place to point at", allowed=allowed)
    if options.draw is not None:
        raise UserError("--batch with --draw", allowed="--draw for one question")
    rows, folder = read_questions(options.batch), options.batch.parent
    for row in rows:
        row["file"] = Path(named_below(folder, row["image"]))
        if not row["file"].is_file():
            decode(row["file"])  # raises, before the model loads
    config = guard_config(options.guard)
    prompted = PromptedAssistant(options.prompt, options.model, options.engine)
    guard, verdicts = AskedGuard(config, prompted.assistant), deque[Verdict | None]()

    def guarded(row: dict[str, Any]) -> list[Message]:
        made = guard(question(row["question"], [decode(row["file"])]))
        verdicts.append(made.verdict)
        return made.messages

    began, right, said = time.perf_counter(), list[bool](), set[str]()
    conversations = (guarded(row) for row in rows)
    for row, answer in zip(rows, prompted.stream_many(conversations, options.max_new_tokens), strict=True):
        made = None
        if options.verify:
            shown = [decode(row["file"])]
            answer, made = verified(prompted.assistant, shown, row["question"], answer, ask_model=options.llm)
        out = {"image": row["image"], "question": row["question"], **_answer_fields(answer)}
        out |= {"verification": made.to_json()} if made else {}
        verdict = verdicts.popleft()
        out |= {"guard": verdict.to_json()} if verdict else {}
        lines: list[str] = correction_lines(made) if made else []
        if options.evidence:
            shown = [decode(row["file"])]
            found = AnswerEvidence(prompted.assistant, shown, row["question"], answer)
            out["evidence"], lines = found.json(), [*lines, *found.lines()]
        if row.get("answers"):
            out |= {"answers": row["answers"], "right": _is_right(answer.text, row)}
            right.append(out["right"])
        print_notices(answer.notices, said)
        readable = options.readable and not options.as_json
        print(_readable(out, lines) if readable else json.dumps(out, ensure_ascii=False), flush=True)
    say(f"{len(rows)} answers in {time.perf_counter() - began:.1f} s")
    if right:
        say(f"{sum(right)} of {len(right)} right")


def chat_loop(options: ChatOptions) -> None:
    """Read questions from stdin and answer them, until an empty line or the end of the input.

    Raises:
        UserError: a picture that cannot be read, or a conversation that the model's context does not hold.
    """
    use_single_heap()
    images = [decode(named_file(p)) for p in options.pictures]
    config = guard_config(options.guard)
    with waiting(f"loading {options.model or default_name()}"):
        model = options.engine.assistant(options.model)
    guard, turns = AskedGuard(config, model), list[Message]()
    said: set[str] = set()
    while True:
        try:
            text = input("> ").strip()
        except EOFError:
            break
        if not text:
            break
        parts = [Part.image(i) for i in images] if not turns else []
        guarded = guard([Message("user", (*parts, Part.text(text)))])
        turns += guarded.messages
        answer = model.ask(turns, max_new_tokens=options.max_new_tokens, on_text=None if options.verify else _write)
        if options.verify:
            answer, made = verified(model, images, text, answer, ask_model=options.llm)
            _write(answer.text)
        print()
        if options.verify:
            print_corrections(made)
        print_notices(answer.notices, said)
        print_found(guarded.verdict, text)
        turns.append(assistant(answer.text))


def read_questions(file: Path) -> list[dict[str, Any]]:
    """Read lines of ``image``, ``question`` and, optionally, ``answers`` and the ``kind`` that says how to mark.

    Raises:
        UserError: the file cannot be read, holds nothing, or has a bad line, which is named.
    """
    try:
        lines = text_lines(decoded_text(file.read_bytes()))
    except (OSError, UnicodeError) as e:
        problem = f"the file '{file}' cannot be read ({e.__class__.__name__})"
        raise UserError(problem, allowed="a UTF-8 text file of JSON lines") from None
    rows = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        row = _question_row(line)
        if row is None:
            allowed = '{"image": "file.png", "question": "...", "answers": ["..."]}, answers optional'
            raise UserError(f"line {number} of '{file}' is not a question", allowed=allowed)
        rows.append(row)
    if not rows:
        raise UserError(f"the file '{file}' holds no question", allowed="one JSON object a line")
    return rows


def _question_row(line: str) -> dict[str, Any] | None:
    try:
        row = parse_json(line)
        texts = isinstance(row["image"], str) and isinstance(row["question"], str) and row["question"].strip()
        good = texts and isinstance(row.get("answers") or [], list)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return row if good else None


def _is_right(answer: str, row: dict[str, Any]) -> bool:
    """By the rule of the row's ``kind``, where it names one ("It is a cat." is right for "cat"); else word for word."""
    if "kind" in row:
        return photo_marking.is_right(answer, row["answers"], str(row["kind"]))
    return matching.is_right(answer, row["answers"])


def _answer_fields(answer: Answer) -> dict[str, Any]:
    noticed = {"notices": [*answer.notices]} if answer.notices else {}
    fields = {"answer": answer.text, "ttft_ms": round(answer.ttft_ms, 1)}
    return fields | noticed | perception_fields(answer.scenes)


def _readable(out: dict[str, Any], evidence: Sequence[str]) -> str:
    mark = {True: "right", False: "WRONG", None: ""}[out.get("right")]
    known = f"  (known: {' / '.join(out['answers'][:3])})" if out.get("right") is False else ""
    answer = f"-> {out['answer']}   [{out['ttft_ms']:.0f} ms] {mark}{known}"
    return "\n".join([f"{out['image']:20} {out['question']}", *(f"{'':20} {line}" for line in (answer, *evidence))])


def _write(text: str) -> None:
    print(text, end="", flush=True)
