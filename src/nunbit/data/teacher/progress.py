"""The line of progress: items, rate, failures, tokens, cost, time left."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from nunbit.data.teacher.budget import Budget
from nunbit.data.teacher.journal import Journal

EVERY_S = 1.0


class Progress:
    """Says how far a run is.

    Args:
        total: items in all.
        say: takes a line.
    """

    def __init__(self, total: int, journal: Journal, budget: Budget, say: Callable[[str], None]) -> None:
        self.total, self.journal, self.budget, self.say = total, journal, budget, say
        self.began, self.before = time.monotonic(), len(journal.made)

    def watch(self, threads: Sequence[threading.Thread]) -> None:
        """Say it every second until all threads have ended, and once then."""
        while any(t.is_alive() for t in threads):
            end = time.monotonic() + EVERY_S
            for t in threads:
                t.join(max(0.0, end - time.monotonic()))
            self.say(self.line())
        self.say(self.line())

    def line(self) -> str:
        """``812/2052 items  14.2/s  3 failed  1.2M tokens  cost 0.41  1:27 left``."""
        made, spent = len(self.journal.made), time.monotonic() - self.began
        rate = (made - self.before) / spent if spent > 0 else 0.0
        tokens = self.budget.prompt_tokens + self.budget.reply_tokens
        parts = [f"{made}/{self.total} items", f"{rate:.1f}/s"]
        if self.journal.failed:
            parts.append(f"{len(self.journal.failed)} failed")
        if tokens:
            parts.append(f"{_short(tokens)} tokens")
        if self.budget.cost:
            parts.append(f"cost {self.budget.cost:.4g}")
        if 0 < made < self.total and rate:
            seconds = round((self.total - made) / rate)
            parts.append(f"{seconds // 60}:{seconds % 60:02} left")
        return "  ".join(parts)


def _short(number: float) -> str:
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.1f}{letter}"
    return str(int(number))
