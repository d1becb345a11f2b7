"""Asks a Target every item of a benchmark and keeps each answer at once, so that a killed run goes on where it stopped.

In the run's folder: ``answers.jsonl`` (append-only, one answer a line under the key of its content), and when all is answered
``samples.jsonl`` (every item with prompt, answer, rule, span, credit) and ``result.json``. A request that fails is tried again and then
ends the run with an error: it is never marked as an answer.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from nunbit import __version__
from nunbit.errors import UserError
from nunbit.evaluation import judging
from nunbit.evaluation.benchmarks.base import Benchmark
from nunbit.evaluation.items import BenchmarkResult, Item, Protocol, ScoredAnswer
from nunbit.evaluation.target import Failure, Target
from nunbit.files import write_text
from nunbit.lock import held
from nunbit.messages import Message

Say = Callable[[str], None]
SYNC_S = 1.0
"""Seconds between two times that answers are forced onto the disk."""


def run(benchmark: Benchmark, protocol: Protocol, items: Sequence[Item], target: Target, folder: Path, *, data: str = "",
        judge: Target | None = None, tries: int = 3, wait_s: float = 1.0, say: Say = lambda _: None) -> BenchmarkResult:  # fmt: skip
    """Ask, mark, write. Asking again in the same folder asks only what has no answer yet."""
    if benchmark.needs_judge and judge is None:
        raise UserError(f"{benchmark.name} without a judge", allowed="a judge model that grades the answers",
                        todo="name one with --judge http://HOST:PORT/v1")  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    with held(folder):
        return _run(benchmark, protocol, items, target, folder, data, tries, wait_s, say, judge)


def _run(benchmark: Benchmark, protocol: Protocol, items: Sequence[Item], target: Target, folder: Path, data: str, tries: int,
         wait_s: float, say: Say, judge: Target | None) -> BenchmarkResult:  # fmt: skip
    protocol_id = f"{benchmark.name}@{protocol.name}/{protocol.version}"
    began = time.perf_counter()
    asked = AnswerStore(target, protocol_id, folder / "answers.jsonl", tries, wait_s)
    answers = asked.all([(i.id, partial(benchmark.ask, i, protocol)) for i in items], say)
    verdicts: list[str] = []
    if judge is not None:
        heard = AnswerStore(judge, protocol_id + " judge", folder / "verdicts.jsonl", tries, wait_s)
        verdicts = heard.all([(i.id, partial(benchmark.judge_question, i, a)) for i, a in zip(items, answers, strict=True)], say)
    marks = benchmark.judged(items, answers, verdicts, protocol)
    beside = judging.agreement(items, marks, verdicts) if verdicts and not benchmark.needs_judge else None
    result = benchmark.summarise(items, marks, protocol)
    manifest = {"model": target.name, "settings": dict(target.settings), "judge": judge.name if judge else None, "agreement": beside, "data": data,
                "note": protocol.note, "nunbit": __version__, "seconds": round(time.perf_counter() - began, 3),
                "from_before": asked.reused}  # fmt: skip
    _write(folder, items, marks, protocol, asked, result, manifest)
    return result


def limited(items: Sequence[Item], limit: int | None) -> list[Item]:
    """The first ``limit`` items with their groups whole: a question's rotations or a picture's pair are never cut apart."""
    if limit is None or limit >= len(items):
        return [*items]
    kept = {i.group for i in items[:limit]}
    return [i for i in items if i.group in kept]


def key_of(messages: Sequence[Message], target: Target, protocol_id: str) -> tuple[str, list[str]]:
    """The key of an answer, and the hashes of its pictures: words, picture bytes, settings, model and protocol are all in it."""
    pictures: list[str] = []
    turns = []
    for m in messages:
        parts = []
        for p in m.parts:
            if p.kind == "text":
                parts.append(["text", p.content])
            else:
                pictures.append(hashlib.sha256(p.content).hexdigest())
                parts.append([p.kind, pictures[-1]])
        turns.append([m.role, parts])
    whole = [turns, target.name, dict(target.settings), protocol_id]
    return hashlib.sha256(json.dumps(whole, sort_keys=True, ensure_ascii=False).encode()).hexdigest(), pictures


class AnswerStore:
    """The answers of one target under one protocol, with their file."""

    def __init__(self, target: Target, protocol_id: str, file: Path, tries: int, wait_s: float) -> None:
        self.target, self.protocol_id, self.file, self.tries, self.wait_s = target, protocol_id, file, tries, wait_s
        self.known = _known(file)
        self.reused, self._synced = 0, 0.0
        self.sent: dict[str, tuple[str, list[str]]] = {}
        """Per item: the words that were sent, and the hashes of the pictures."""

    def all(self, todo: Sequence[tuple[str, Callable[[], list[Message]]]], say: Say) -> list[str]:
        """An answer for each (id, conversation), in order."""
        keys: list[str] = []
        batch: dict[str, tuple[str, list[Message]]] = {}
        with self.file.open("a", encoding="utf-8") as out:
            for n, (id_, make) in enumerate(todo, start=1):
                messages = make()
                key, pictures = key_of(messages, self.target, self.protocol_id)
                keys.append(key)
                self.sent[id_] = ("\n".join(m.text for m in messages), pictures)
                if key in self.known:
                    self.reused += 1
                elif key not in batch:
                    batch[key] = (id_, messages)
                if len(batch) >= self.target.batch:
                    self._ask(batch, out, f"{n - len(batch)} of {len(todo)}")
                    batch = {}
                    say(f"{n}/{len(todo)}")
            self._ask(batch, out, f"{len(todo) - len(batch)} of {len(todo)}")
        say(f"{len(todo)}/{len(todo)}")
        return [self.known[k] for k in keys]

    def _ask(self, batch: dict[str, tuple[str, list[Message]]], out: Any, so_far: str) -> None:
        """One batch: what succeeds is kept at once, what fails is tried again, then ends the run."""
        left = dict(batch)
        why = ""
        for attempt in range(self.tries):
            if attempt and left:
                time.sleep(self.wait_s * 2 ** (attempt - 1))
            failed = {}
            for (key, (id_, messages)), answer in zip(
                [*left.items()], self._answers([m for _, m in left.values()]), strict=True
            ):
                if isinstance(answer, Failure):
                    failed[key], why = (id_, messages), answer.why
                    continue
                self.known[key] = answer
                out.write(json.dumps({"key": key, "id": id_, "answer": answer}, ensure_ascii=False) + "\n")
            out.flush()  # a killed process loses nothing of this; what a machine loses that stops is a second's answers
            if time.monotonic() - self._synced > SYNC_S:
                os.fsync(out.fileno())
                self._synced = time.monotonic()
            left = failed
            if not left:
                return
        first = next(iter(left.values()))[0]
        raise UserError(f"{self.target.name} failed {self.tries} times on the item '{first}' ({why})",
                        allowed=f"answers; about {so_far} are kept in '{self.file}'", todo="mend the model or server and give the same command again: it goes on from there")  # fmt: skip

    def _answers(self, conversations: list[list[Message]]) -> Sequence[str | Failure]:
        if not conversations:
            return []
        try:
            return self.target.answer(conversations)
        except UserError:
            raise
        except (OSError, RuntimeError, TimeoutError) as e:
            return [Failure(f"{type(e).__name__}: {e}")] * len(conversations)


def _known(file: Path) -> dict[str, str]:
    """Answers of an earlier run; a last line that was cut off by a kill is removed from the file."""
    if not file.exists():
        return {}
    data = file.read_bytes()
    whole = data[: data.rfind(b"\n") + 1]
    if len(whole) < len(data):
        file.write_bytes(whole)
    try:
        rows = [json.loads(line) for line in whole.decode("utf-8").splitlines()]
        return {r["key"]: r["answer"] for r in rows}
    except (ValueError, KeyError, TypeError):
        raise UserError(
            f"'{file}' is damaged",
            allowed="the answers as nunbit wrote them",
            todo="delete the file, or choose another folder",
        ) from None


def _write(folder: Path, items: Sequence[Item], marks: Sequence[ScoredAnswer], protocol: Protocol, asked: AnswerStore, result: BenchmarkResult,
           manifest: dict[str, Any]) -> None:  # fmt: skip
    lines = []
    for item, mark in zip(items, marks, strict=True):
        prompt, pictures = asked.sent[item.id]
        lines.append(json.dumps({
            "id": item.id, "group": item.group, "pictures": pictures, "prompt": prompt, "gold": item.gold, "answer": mark.answer,
            "value": mark.found.value, "rule": mark.found.rule, "span": mark.found.span, "score": mark.score if item.gold else None,
            "categories": dict(item.categories),
        }, ensure_ascii=False))  # fmt: skip
    write_text(folder / "samples.jsonl", "\n".join(lines) + "\n")
    write_text(folder / "result.json", json.dumps({**manifest, **asdict(result)}, ensure_ascii=False, indent=1))
