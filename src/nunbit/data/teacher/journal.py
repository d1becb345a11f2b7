"""Every reply on the disk before it counts: JSON lines that are only ever appended to.

A killed process leaves at most one torn line at the end, which is cut off when the file is opened again. An item is
made when it has a record with ``ok``; which of two such records came first decides, so that none counts twice.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from nunbit.errors import UserError


class Journal:
    """The journal of one folder; held by one process (`nunbit.lock.held`).

    Args:
        path: the file; it is made where it is missing.

    Attributes:
        made: item -> where its accepted record begins.
        failed: item -> why it was given up last; an item that is made is not in it.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.made, self.failed = path, dict[str, int](), dict[str, str]()
        self.prompt_tokens = self.reply_tokens = self.replies = 0
        self._lock = threading.Lock()
        self._end = self._recover()
        self._file = path.open("ab")

    def _recover(self) -> int:
        """Read what is there; cut off what does not end in a whole record."""
        end = 0
        if not self.path.exists():
            return 0
        with self.path.open("rb") as file:
            for line in file:
                record = _record(line)
                if record is None:
                    break
                self._count(record, end)
                end += len(line)
            rest = file.read(1)
        if rest:  # a torn line can only be the last one: anything else is damage that nobody should write over
            raise UserError(
                f"'{self.path}' is damaged at byte {end}",
                todo="restore the file from a copy, or start in a new folder",
            )
        if end < self.path.stat().st_size:
            with self.path.open("r+b") as file:
                file.truncate(end)
                os.fsync(file.fileno())
        return end

    def _count(self, record: Mapping[str, Any], at: int) -> None:
        item = str(record["item"])
        self.replies += 1
        self.prompt_tokens += int(record.get("prompt_tokens") or 0)
        self.reply_tokens += int(record.get("reply_tokens") or 0)
        if record.get("ok"):
            self.made.setdefault(item, at)
            self.failed.pop(item, None)
        elif record.get("given_up") and item not in self.made:
            self.failed[item] = str(record.get("why", ""))

    def append(self, record: Mapping[str, Any]) -> None:
        """Write a record, and return when it is on the disk."""
        line = json.dumps(record, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
        with self._lock:
            self._file.write(line)
            self._file.flush()
            os.fsync(self._file.fileno())
            self._count(record, self._end)
            self._end += len(line)

    def accepted(self, items: Iterator[str]) -> Iterator[dict[str, Any]]:
        """The accepted records of items, in their order; items without one are left out."""
        with self.path.open("rb") as file:
            for item in items:
                if (at := self.made.get(item)) is not None:
                    file.seek(at)
                    yield json.loads(file.readline())

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _record(line: bytes) -> dict[str, Any] | None:
    """A whole record, else None."""
    if not line.endswith(b"\n"):
        return None
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) and isinstance(found.get("item"), str) else None
