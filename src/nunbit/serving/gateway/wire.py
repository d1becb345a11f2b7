"""What comes over the wire, from a backend or a caller, read without trust: JSON that can be written again, counts that
are counts, and headers that a header may hold."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Mapping
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError

from nunbit.files import parse_json
from nunbit.serving.errors import RequestError
from nunbit.serving.validation import is_json

_MAY_OVERFLOW = re.compile(r"NaN|Infinity|[eE]\+?\d{3}|\d{200}")
"""Numbers that JSON does not have, or that become infinite as they are read."""
_RETRY_AFTER = re.compile(
    r"[0-9]{1,6}(?:\.[0-9]{1,3})?|[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9:]{8} GMT", re.ASCII
)
_SPACE, _DECODER = re.compile(r"[ \t\n\r]*"), json.JSONDecoder()
_HALF_PAIR = re.compile(r"\\u[dD][89a-fA-F]")
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


def json_object(data: bytes) -> dict[str, Any] | None:
    """The JSON object of some bytes, read as `read_json` does; None where they are none."""
    try:
        value = read_json(data)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


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


class RequestBody:
    """A caller's JSON object, parsed once. What of it does not change is sent on as it was written, so that pictures of
    some megabytes are not written anew.

    Args:
        data: the body.

    Attributes:
        fields: its fields; halves of surrogate pairs, which cannot be sent on, are U+FFFD in them.

    Raises:
        ValueError: no JSON object in UTF-8.
        RecursionError: nested too deeply.
    """

    def __init__(self, data: bytes) -> None:
        self._text = data.decode("utf-8").removeprefix("\ufeff")
        self._spans: dict[str, tuple[int, int]] = {}
        if not _HALF_PAIR.search(self._text):
            try:
                self.fields = self._members()
                return
            except json.JSONDecodeError:  # raw control characters within texts, which we forgive and a backend may not
                self._spans = {}
        fields = parse_json(self._text)
        if not isinstance(fields, dict):
            raise ValueError("no object")
        self.fields = fields

    def _members(self) -> dict[str, Any]:
        """The fields, with the place of each value in the text."""
        out: dict[str, Any] = {}
        text = self._text
        at = self._expected("{", 0)
        while text[at : at + 1] != "}" or out:
            key, end = _DECODER.raw_decode(text, at)
            if not isinstance(key, str):
                raise json.JSONDecodeError("no name", text, at)
            begin = self._expected(":", end)
            out[key], end = _DECODER.raw_decode(text, begin)
            self._spans[key] = begin, end
            at = _skipped(text, end)
            if text[at : at + 1] == "}":
                break
            at = self._expected(",", at)
        if self._expected("}", at) != len(text):
            raise json.JSONDecodeError("more than one value", text, at)
        return out

    def _expected(self, sign: str, at: int) -> int:
        """The place after a sign and the white space around it."""
        at = _skipped(self._text, at)
        if self._text[at : at + 1] != sign:
            raise json.JSONDecodeError(f"no {sign}", self._text, at)
        return _skipped(self._text, at + 1)

    def written(self, changes: Mapping[str, Any], without: Collection[str] = ()) -> bytes:
        """The body in UTF-8 with other values for some fields, and without others."""
        parts = []
        for key in [k for k in self.fields if k not in changes and k not in without]:
            value = self._text[slice(*self._spans[key])] if key in self._spans else _dumped(self.fields[key])
            parts.append(f"{_dumped(key)}: {value}")
        parts += [f"{_dumped(k)}: {_dumped(v)}" for k, v in changes.items()]
        return ("{" + ", ".join(parts) + "}").encode()


def _skipped(text: str, at: int) -> int:
    """The place after the white space at a place."""
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _dumped(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


async def request_body(request: Request) -> RequestBody:
    """The JSON object of a caller's body.

    Raises:
        RequestError: it is none.
        RequestValidationError: it is not declared as JSON.
    """
    if not is_json(request.headers.get("content-type", "")):
        raise RequestValidationError([])
    try:
        return RequestBody(await request.body())
    except (ValueError, RecursionError):
        raise RequestError("a body that is no JSON object", allowed='an object: {"model": ..., ...}') from None
