"""What comes over the wire, from a backend or a caller, read without trust: JSON that can be written again, counts that
are counts, and headers that a header may hold."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from fastapi import Request

from nunbit.files import parse_json
from nunbit.serving.errors import RequestError

_MAY_OVERFLOW = re.compile(r"NaN|Infinity|[eE]\+?\d{3}|\d{200}")
"""Numbers that JSON does not have, or that become infinite as they are read."""
_RETRY_AFTER = re.compile(
    r"[0-9]{1,6}(?:\.[0-9]{1,3})?|[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9:]{8} GMT", re.ASCII
)
MOST_TOKENS = 1 << 40


def read_json(data: bytes) -> Any:
    """The value of a backend's JSON; NaN and infinite numbers, which no reply of ours may hold, become null.

    Raises:
        ValueError: no JSON, or not in UTF-8.
        RecursionError: nested too deeply.
    """
    text = data.decode("utf-8")
    value = parse_json(text)
    return _finite(value) if _MAY_OVERFLOW.search(text) else value


def written_again(line: bytes) -> str:
    """A line of a stream that is passed on as it is, but for numbers that JSON does not have."""
    text = line.decode("utf-8", "replace")
    if not text.startswith("data:") or not _MAY_OVERFLOW.search(text):
        return text
    try:
        return f"data: {json.dumps(read_json(line[5:]), ensure_ascii=False)}"
    except (ValueError, RecursionError):
        return text


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list):
        return [_finite(v) for v in value]
    return {k: _finite(v) for k, v in value.items()} if isinstance(value, dict) else value


def count(value: Any) -> int:
    """A number of tokens or of a choice; 0 for whatever is none."""
    return value if type(value) is int and 0 <= value < MOST_TOKENS else 0


def completion_tokens(usage: Any) -> int:
    """Completion tokens that a backend reports; 0 where it reports none that can be counted."""
    return count(usage.get("completion_tokens")) if isinstance(usage, dict) else 0


def choices_of(reply: dict[str, Any]) -> list[dict[str, Any]]:
    """The choices of a reply or of an event that are objects."""
    found = reply.get("choices")
    return [c for c in found if isinstance(c, dict)] if isinstance(found, list) else []


def retry_after(header: str) -> str:
    """A Retry-After header as it may be passed on: seconds or a date; empty for anything else."""
    return header if _RETRY_AFTER.fullmatch(header) else ""


async def request_object(request: Request) -> dict[str, Any]:
    """The JSON object of a caller's body; halves of surrogate pairs, which cannot be sent on, become U+FFFD.

    Raises:
        RequestError: it is none.
    """
    try:
        read = parse_json((await request.body()).decode("utf-8"))
    except (ValueError, RecursionError):
        read = None
    if not isinstance(read, dict):
        raise RequestError("a body that is no JSON object", allowed='{"model": ..., ...}')
    return read
