"""An OpenAI-compatible server as teacher: every reply bounded in time and size, no redirect followed, its key in one
header and nowhere else."""

from __future__ import annotations

import email.utils
import json
import math
import os
import time
import urllib.parse
from typing import Any

import httpx

from nunbit.data.teacher.base import ItemError, RetryableError, Teacher, TeacherReply, TeacherRequest
from nunbit.errors import UserError
from nunbit.files import parse_json

MAX_REPLY_BYTES, MAX_ERROR_BYTES = 1 << 22, 1 << 14
BUSY = frozenset((429, 503, 529))
"""Statuses by which a server says that it has too much to do."""
RETRIED = frozenset((408, 409, 425, 500, 502, 504)) | BUSY
OF_THE_ITEM = frozenset((400, 413, 414, 422))
"""Statuses that one item's prompt may cause; any other refusal ends the run, as every item would meet it."""
LONGEST_WAIT_S = 600.0
TEMPERATURE = 0.7


def http_teacher(
    url: str, *, model: str = "", key_variable: str = "", timeout_s: float = 120.0, connections: int = 8
) -> Teacher:
    """A teacher behind an address such as ``http://127.0.0.1:8000/v1``.

    Args:
        model: its id on the server; the first that the server lists if empty.
        key_variable: the environment variable that holds the key; no key if empty.
        timeout_s: for a whole reply.

    Raises:
        UserError: not an address, a variable without a key, or a server that lists no model.
    """
    base = _address(url)
    key = os.environ.get(key_variable, "") if key_variable else ""
    if key_variable and not key:
        raise UserError(f"the environment variable '{key_variable}' is empty", todo="put the key of the teacher there")
    headers = {"Accept-Encoding": "identity"} | ({"Authorization": f"Bearer {key}"} if key else {})
    client = httpx.Client(
        headers=headers,
        timeout=httpx.Timeout(timeout_s, connect=min(10.0, timeout_s)),
        limits=httpx.Limits(max_connections=connections + 2, max_keepalive_connections=connections + 2),
        follow_redirects=False,
    )
    server = _Server(client, base, key, timeout_s)
    name = model or server.first_model()

    def ask(request: TeacherRequest) -> TeacherReply:
        body = {
            "model": name,
            "messages": request.messages,
            "max_tokens": request.max_tokens,
            "temperature": TEMPERATURE,
            "seed": request.seed,
        }
        return _reply(server.call("/chat/completions", body))

    return Teacher(name, ask, client.close, address=base)


class _Server:
    """One server and what it may take."""

    def __init__(self, client: httpx.Client, base: str, key: str, timeout_s: float) -> None:
        self.client, self.base, self.timeout_s, self._key = client, base, timeout_s, key

    def first_model(self) -> str:
        try:
            return str(self.call("/models", None)["data"][0]["id"])
        except (RetryableError, ItemError, KeyError, IndexError, TypeError) as e:
            raise UserError(
                f"the server at {self.base} does not list its models ({self._blotted(str(e))})",
                todo="start it, check the address, or name the model with --teacher-model",
            ) from None

    def call(self, path: str, body: dict[str, Any] | None) -> Any:
        """The JSON that answers, else one of the errors of `base`."""
        try:
            status, headers, data = self._exchange(path, body)
        except httpx.HTTPError as e:
            raise RetryableError(self._blotted(f"{type(e).__name__}: {e}")) from None
        text = self._blotted(data.decode("utf-8", "replace"))
        if status == 200:
            try:
                return parse_json(text)
            except (ValueError, RecursionError):
                raise RetryableError("the reply is no JSON", raw=text) from None
        why = f"status {status}: {' '.join(text.split())[:200]}"
        if status in RETRIED:
            raise RetryableError(why, wait_s=_wait(headers.get("retry-after", "")), busy=status in BUSY, raw=text)
        if status in OF_THE_ITEM and body is not None:
            raise ItemError(why, raw=text)
        raise UserError(f"the teacher at {self.base} answers {why}", todo="correct the address, the key or the model")

    def _exchange(self, path: str, body: dict[str, Any] | None) -> tuple[int, httpx.Headers, bytes]:
        """Status, headers and bytes of a reply that ends in time: a server may drip bytes for ever."""
        until = time.monotonic() + self.timeout_s
        with self.client.stream("GET" if body is None else "POST", self.base + path, json=body) as response:
            most = MAX_REPLY_BYTES if response.status_code == 200 else MAX_ERROR_BYTES
            out = bytearray()
            for piece in response.iter_raw():
                out += piece
                if time.monotonic() > until:
                    raise httpx.ReadTimeout(f"no whole reply in {self.timeout_s:g} seconds")
                if len(out) > most:
                    if response.status_code == 200:
                        raise RetryableError(f"a reply of more than {most} bytes")
                    break
            return response.status_code, response.headers, bytes(out[:most])

    def _blotted(self, text: str) -> str:
        return text.replace(self._key, "***") if self._key else text


def _address(url: str) -> str:
    try:
        parts = urllib.parse.urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good:
        raise UserError(f"'{url}' is not the address of a teacher", allowed="http://HOST:PORT/v1 or https://HOST/v1")
    if parts.username or parts.password:
        raise UserError("a teacher's address with a password in it", todo="name a variable with --key-variable")
    return url.rstrip("/").removesuffix("/chat/completions")


def _wait(value: str) -> float:
    """Seconds of a Retry-After header: a number or a date; 0 where there is none."""
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(value).timestamp() - time.time()
        except (TypeError, ValueError, OverflowError):
            return 0.0
    return min(LONGEST_WAIT_S, max(0.0, seconds)) if math.isfinite(seconds) else 0.0


def _reply(answer: Any) -> TeacherReply:
    try:
        choice = answer["choices"][0]
        message = choice["message"]
        text = message.get("content")
        usage = answer.get("usage") or {}
        finish = choice.get("finish_reason")
    except (KeyError, IndexError, TypeError, AttributeError):
        raise RetryableError("the reply holds no message", raw=json.dumps(answer)[:4000]) from None
    if isinstance(text, list):
        text = "".join(p.get("text", "") for p in text if isinstance(p, dict) and isinstance(p.get("text"), str))
    if not isinstance(text, str):
        text = message.get("refusal") if isinstance(message.get("refusal"), str) else ""
    prompt, reply = _count(usage, "prompt_tokens"), _count(usage, "completion_tokens")
    if finish == "length":
        why = "the reply was cut off at its limit of tokens"
        raise RetryableError(why, raw=text, prompt_tokens=prompt, reply_tokens=reply)
    return TeacherReply(text, prompt, reply)


def _count(usage: Any, name: str) -> int | None:
    value = usage.get(name) if isinstance(usage, dict) else None
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 31 else None
