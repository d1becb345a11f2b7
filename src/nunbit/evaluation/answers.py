"""The answers of one target under one protocol, kept in a file: each answer is written at once, so a killed run
resumes where it stopped.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO

from nunbit.errors import UserError
from nunbit.evaluation.target import Failure, Target, TargetError
from nunbit.files import text_lines, whole_characters
from nunbit.messages import Message

Say = Callable[[str], None]
Conversations = dict[str, tuple[str, list[Message]]]
"""Key of an answer -> id of its item, and the conversation."""
MAX_REFUSED_FIRST = 16
"""Refused items without an answer before them that end a run."""
SYNC_S = 1.0
"""Seconds between two times that answers are forced onto the disk."""


class AnswerStore:
    """Answers of a target, with the file that keeps them.

    Args:
        protocol_id: benchmark, protocol and version; part of every key.
        file: JSON lines of ``key``, ``id`` and ``answer``, appended to.
        tries: how often a failing request is made.
        wait_s: seconds before the second try; each further wait is twice as long.

    Attributes:
        answers: key -> answer, of this run and earlier ones.
        reused: how many items were answered by an earlier run.
        outdated: how many items have answers in the file that do not count: of another model, with other settings, or
            under the keys of an earlier version.
        left_out: item id -> why, of items that the target refuses.
        sent: item id -> the words of its conversation, and the hashes of its pictures.

    Raises:
        UserError: the file is damaged.
    """

    def __init__(self, target: Target, protocol_id: str, file: Path, tries: int, wait_s: float) -> None:
        self.target, self.protocol_id, self.file, self.tries, self.wait_s = target, protocol_id, file, tries, wait_s
        self.answers, self._answered = _read_answers(file)
        self.reused, self.outdated, self._synced_at = 0, 0, 0.0
        self.sent: dict[str, tuple[str, list[str]]] = {}
        self.left_out: dict[str, str] = {}

    def ask_all(self, todo: Sequence[tuple[str, Callable[[], list[Message]]]], say: Say) -> list[str]:
        """An answer for each (item id, maker of its conversation), in order; an empty one for those in ``left_out``.

        Raises:
            UserError: a request failed ``tries`` times, or the first items are all refused.
        """
        keys: list[str] = []
        batch: Conversations = {}
        with self.file.open("a", encoding="utf-8") as out:
            for n, (id_, make) in enumerate(todo, start=1):
                try:
                    messages = make()
                except UserError as e:  # a picture that is missing or damaged
                    self._leave_out(id_, str(e))
                    keys.append("")
                    continue
                key, pictures = self._key(messages)
                keys.append(key)
                self.sent[id_] = ("\n".join(m.text for m in messages), pictures)
                if key in self.answers:
                    self.reused += 1
                elif key not in batch:
                    batch[key] = (id_, messages)
                    self._note_outdated(id_, say)
                if len(batch) >= self.target.batch:
                    self._ask(batch, out, f"{n - len(batch)} of {len(todo)}")
                    batch = {}
                    say(f"{n}/{len(todo)}")
            self._ask(batch, out, f"{len(todo) - len(batch)} of {len(todo)}")
        say(f"{len(todo)}/{len(todo)}")
        return [self.answers.get(k, "") for k in keys]

    def _key(self, messages: Sequence[Message]) -> tuple[str, list[str]]:
        """The key of a conversation; an answer that is kept under the target's old name is taken over to it."""
        key, pictures = key_of(messages, self.target, self.protocol_id)
        if self.target.old_name and key not in self.answers:
            old, _ = key_of(messages, replace(self.target, name=self.target.old_name), self.protocol_id)
            if old in self.answers:
                self.answers[key] = self.answers[old]
        return key, pictures

    def _note_outdated(self, id_: str, say: Say) -> None:
        """Say once that answers in the file are not used."""
        if id_ not in self._answered:
            return
        self.outdated += 1
        if self.outdated == 1:
            say(
                f"'{self.file}' has answers of another model, of other settings or of an earlier version: "
                "they stay there and are not used\n"
            )

    def _ask(self, batch: Conversations, out: IO[str], kept: str) -> None:
        """Ask one batch. Answers are written at once; failures are tried again, then end the run."""
        left = dict(batch)
        reason = ""
        for attempt in range(self.tries):
            if attempt and left:
                time.sleep(self.wait_s * 2 ** (attempt - 1))
            failed: Conversations = {}
            for (key, (id_, messages)), answer in zip([*left.items()], self._request(left), strict=True):
                if isinstance(answer, Failure) and answer.refused:
                    self._leave_out(id_, answer.why)
                    continue
                if isinstance(answer, Failure):
                    failed[key], reason = (id_, messages), answer.why
                    continue
                self.answers[key] = answer = whole_characters(answer)
                out.write(json.dumps({"key": key, "id": id_, "answer": answer}, ensure_ascii=False) + "\n")
            self._flush(out)
            left = failed
            if not left:
                return
        first = next(iter(left.values()))[0]
        raise UserError(
            f"{self.target.name} failed {self.tries} times on the item '{first}' ({reason})",
            allowed=f"answers; about {kept} are kept in '{self.file}'",
            todo="repair the model or server and give the same command again: it resumes from there",
        )

    def _leave_out(self, id_: str, why: str) -> None:
        """Note an item that is refused.

        Raises:
            UserError: so many are refused, and none is answered, that the request itself must be wrong.
        """
        self.left_out[id_] = why
        if not self.answers and len(self.left_out) >= MAX_REFUSED_FIRST:
            raise UserError(
                f"{self.target.name} refuses each of the first {len(self.left_out)} items ({why[:300]})",
                todo="correct the request, the key or the data",
            )

    def _flush(self, out: IO[str]) -> None:
        """A killed process loses no answer that was flushed; a machine that stops loses at most those of the last
        second.
        """
        out.flush()
        if time.monotonic() - self._synced_at > SYNC_S:
            os.fsync(out.fileno())
            self._synced_at = time.monotonic()

    def _request(self, batch: Conversations) -> Sequence[str | Failure]:
        if not batch:
            return []
        try:
            return self.target.answer([messages for _, messages in batch.values()])
        except TargetError:
            raise
        except UserError as e:
            if len(batch) == 1:
                return [Failure(str(e), refused=True)]
            return [answer for key, item in batch.items() for answer in self._request({key: item})]
        except (OSError, RuntimeError, TimeoutError) as e:
            return [Failure(f"{type(e).__name__}: {e}")] * len(batch)


def key_of(messages: Sequence[Message], target: Target, protocol_id: str) -> tuple[str, list[str]]:
    """The key of an answer, and the hashes of the pictures.

    Words, picture bytes, settings, model and protocol all change the key.
    """
    pictures: list[str] = []
    turns = []
    for m in messages:
        parts = []
        for p in m.parts:
            if p.kind == "text":
                parts.append(["text", p.content])
            else:
                pictures.append(hashlib.sha256(p.content.data).hexdigest())
                parts.append([p.kind, pictures[-1]])
        turns.append([m.role, parts])
    covered = [turns, target.name, dict(target.settings), protocol_id]
    return hashlib.sha256(json.dumps(covered, sort_keys=True, ensure_ascii=False).encode()).hexdigest(), pictures


def _read_answers(file: Path) -> tuple[dict[str, str], set[str]]:
    """Answers of an earlier run by key, and the ids of their items. A last line that a kill cut off is removed."""
    if not file.exists():
        return {}, set()
    data = file.read_bytes()
    complete = data[: data.rfind(b"\n") + 1]
    if len(complete) < len(data):
        file.write_bytes(complete)
    try:
        rows = [json.loads(line) for line in text_lines(complete.decode("utf-8")) if line]
        return {r["key"]: r["answer"] for r in rows}, {str(r.get("id", "")) for r in rows}
    except (ValueError, KeyError, TypeError):
        raise UserError(
            f"'{file}' is damaged",
            allowed="the answers as nunbit wrote them",
            todo="delete the file, or choose another folder",
        ) from None
