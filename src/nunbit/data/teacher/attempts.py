"""One item: tries, waits between them, and what the journal gets of each."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from nunbit.data.teacher.base import MAX_REPLY_CHARS, ItemError, RetryableError, Teacher, TeacherRequest
from nunbit.data.teacher.budget import Budget, estimated_tokens
from nunbit.data.teacher.context import symbolic_context
from nunbit.data.teacher.journal import Journal
from nunbit.data.teacher.plan import Item, mixed
from nunbit.data.teacher.prompting import messages
from nunbit.data.teacher.reply_format import parse
from nunbit.data.validation.problems import Problem
from nunbit.errors import UserError
from nunbit.scene import Scene

LONGEST_PAUSE_S = 60.0
BUSY_TRIES = 20
"""How often in a row a busy teacher is asked again for an item, for each try that the item has."""
Check = Callable[[str, Item, Scene], Sequence[Problem]]
"""Raw text, item and Scene to what is wrong with it."""


class Stop(Exception):
    """The run ends here; the item stays to be made. ``why`` is empty where somebody else said why."""


@dataclass(slots=True)
class Gate:
    """Lets all requests wait while the teacher asks for it, and ends all waits when the run stops."""

    stopped: threading.Event
    until: float = 0.0

    def hold(self, seconds: float) -> None:
        """No request before so many seconds have passed."""
        self.until = max(self.until, time.monotonic() + seconds)

    def wait(self, seconds: float) -> None:
        """Sleep for some seconds, and as long as the gate is held.

        Raises:
            Stop: the run stops.
        """
        end = time.monotonic() + seconds
        while (left := max(end, self.until) - time.monotonic()) > 0 or self.stopped.is_set():
            if self.stopped.wait(min(left, 1.0)):
                raise Stop


def pause_s(failures: int, base_s: float) -> float:
    """Exponential back-off with jitter: between half and one and a half times ``base * 2 ** failures``."""
    return float(min(LONGEST_PAUSE_S, base_s * 2 ** min(failures, 16)) * random.uniform(0.5, 1.5))


@dataclass(slots=True)
class Attempts:
    """Makes items: what all of them share.

    Attributes:
        retries: tries after the first that an item has.
        backoff_s: the first pause.
        reply_tokens: the largest reply.
    """

    teacher: Teacher
    journal: Journal
    budget: Budget
    gate: Gate
    check: Check
    seed: int
    retries: int
    backoff_s: float
    reply_tokens: int

    def make(self, item: Item, look: Callable[[], Scene]) -> None:
        """Make one item, or write into the journal why it was given up.

        Args:
            look: gives the Scene of the item's picture; a picture that cannot be read fails its items alone.

        Raises:
            Stop: the budget does not allow another request, or the run stops.
            UserError: of the teacher; it ends the run.
        """
        try:
            scene = look()
        except UserError as e:
            self.journal.append({"item": item.id, "ok": False, "why": str(e), "given_up": True})
            return
        asked = messages(item.kind, item.language, symbolic_context(scene, item.language))
        attempt = failures = 0
        while True:
            self.gate.wait(0)
            begin = time.monotonic()
            seed = mixed(self.seed, item.id, attempt) % (1 << 31)
            request = TeacherRequest(item.id, item.kind, item.language, asked, scene, attempt, seed, self.reply_tokens)
            record, error = self._once(request, item, scene)
            failures += 1
            busy = isinstance(error, RetryableError) and error.busy and failures < BUSY_TRIES * (self.retries + 1)
            last = not record["ok"] and (isinstance(error, ItemError) or (not busy and attempt >= self.retries))
            facts = {"item": item.id, "try": attempt, "seconds": round(time.monotonic() - begin, 3)}
            self.journal.append(facts | record | ({"given_up": True} if last else {}))
            if record["ok"] or last:
                return
            attempt += not busy
            if isinstance(error, RetryableError):
                if error.busy:
                    self.gate.hold(error.wait_s)
                self.gate.wait(max(error.wait_s, pause_s(failures - 1, self.backoff_s)))

    def _once(
        self, request: TeacherRequest, item: Item, scene: Scene
    ) -> tuple[dict[str, Any], RetryableError | ItemError | None]:
        """One request: its record, and the error that the teacher gave instead of a text."""
        held = (sum(estimated_tokens(m["content"]) for m in request.messages), request.max_tokens)
        while not self.budget.reserve(*held):
            if not self.budget.under_way:
                raise Stop("budget")
            self.gate.wait(0.1)  # what other requests set aside may come back
        spent = (0, 0)
        try:
            reply = self.teacher.ask(request)
            text = reply.text[:MAX_REPLY_CHARS]
            spent = (
                held[0] if reply.prompt_tokens is None else reply.prompt_tokens,
                estimated_tokens(text) if reply.reply_tokens is None else reply.reply_tokens,
            )
            found = [p.to_json() for p in self.check(text, item, scene)]
            why = "; ".join(f"{p['code']}: {p['words'] or p['why']}" for p in found[:3])
            bad = {"why": why, "problems": found} if found else {}
            return {"ok": not found, "text": text, **bad, **_tokens(spent)}, None
        except RetryableError as e:
            spent = (e.prompt_tokens or 0, e.reply_tokens or 0)
            return {"ok": False, "why": e.why, "raw": e.raw, **_tokens(spent)}, e
        except ItemError as e:
            return {"ok": False, "why": e.why, "raw": e.raw}, e
        finally:
            self.budget.settle(held, spent)


def _tokens(spent: tuple[int, int]) -> dict[str, int]:
    return {"prompt_tokens": spent[0], "reply_tokens": spent[1]}


def format_problems(text: str, item: Item, scene: Scene) -> list[Problem]:
    """What is wrong with the form of a text, for a run that checks nothing else."""
    parsed = parse(text, item.kind)
    return [] if parsed.turns else [Problem("breaks-format", 0, parsed.words, parsed.why)]
