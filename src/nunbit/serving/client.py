"""A client for any OpenAI-compatible server, for evaluations. It follows no redirects, and returns a failure as a
failure, never as an answer."""

from __future__ import annotations

import base64
import http.client
import json
import queue
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from nunbit.errors import UserError
from nunbit.evaluation.target import Failure, Target, TargetError
from nunbit.files import parse_json
from nunbit.media.sources import encoding_of
from nunbit.messages import Message, Part

_FINAL_STATUSES = {400, 401, 403, 404, 405, 413, 415, 422}
"""Statuses that another try does not change."""
_ITEM_STATUSES = {400, 413, 422}
"""Those that one item may cause: its picture is damaged, or its prompt too long."""
_LOCAL_HOSTS = {"localhost", "127.0.0.1", "::1"}
MAX_REPLY_BYTES = 1 << 26


def remote_target(
    url: str, *, model: str = "", key: str = "", max_tokens: int = 64, concurrent: int = 8, timeout_s: float = 120.0
) -> Target:
    """Make a Target of a server at an address such as ``http://127.0.0.1:8000/v1``.

    Args:
        url: the address.
        model: the model's id on the server; the first that the server lists if empty.
        key: API key.
        max_tokens: tokens of one answer.
        concurrent: requests in flight.
        timeout_s: time a server may be silent.

    Raises:
        UserError: not an address, or the server does not list its models.
    """
    client = _Client(url.rstrip("/").removesuffix("/chat/completions"), key, timeout_s)
    model = model or client.first_model()
    settings = {"max_tokens": max_tokens, "temperature": 0}

    def one(messages: Sequence[Message]) -> str | Failure:
        return client.ask({"model": model, "messages": [_message_json(m) for m in messages], **settings})

    pool = ThreadPoolExecutor(concurrent)

    def answer(batch: Sequence[Sequence[Message]]) -> list[str | Failure]:
        return [*pool.map(one, batch)]

    return Target(f"{model} at {client.url}", answer, settings, batch=4 * concurrent)


class _Client:
    """Sends requests of several threads over connections that are kept, because opening one costs more than most
    requests."""

    def __init__(self, url: str, key: str, timeout_s: float) -> None:
        try:
            parts = urllib.parse.urlsplit(url)
            self.host, self.port, secure = parts.hostname or "", parts.port, parts.scheme == "https"
        except ValueError:  # not a port, or not a host
            parts, self.host = urllib.parse.urlsplit(""), ""
        if parts.scheme not in ("http", "https") or not self.host:
            raise UserError(f"'{url}' is not the address of a server", allowed="http://HOST:PORT/v1 or https://HOST/v1")
        self.url, self.timeout_s = url, timeout_s
        self.headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
        self._kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        bypass = self.host in _LOCAL_HOSTS or urllib.request.proxy_bypass(self.host)
        self._proxy = None if bypass else urllib.request.getproxies().get(parts.scheme)
        self._path = url if self._proxy and not secure else parts.path  # a plain proxy needs the whole address
        self._idle: queue.SimpleQueue[http.client.HTTPConnection] = queue.SimpleQueue()

    def first_model(self) -> str:
        """The id of the first model that the server lists."""
        reply = self._call("/models", None)
        try:
            if not isinstance(reply, Failure):
                return str(reply["data"][0]["id"])
            why = reply.why
        except (KeyError, IndexError, TypeError):
            why = "it lists no model"
        raise UserError(
            f"the server at {self.url} cannot be used ({why})",
            allowed="an OpenAI-compatible server that is running",
            todo="start it, check the address, or name the model with --model-id",
        )

    def ask(self, body: Mapping[str, Any]) -> str | Failure:
        """The text that answers a chat request."""
        reply = self._call("/chat/completions", body)
        if isinstance(reply, Failure):
            return reply
        try:
            choice = reply["choices"][0]
            return _text_of(choice["message"], choice.get("finish_reason"))
        except (KeyError, IndexError, TypeError, AttributeError):
            return Failure("the reply holds no message")

    def _call(self, path: str, body: Mapping[str, Any] | None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        try:
            status, reply = self._exchange(path, data)
            if status == 200:
                return (
                    parse_json(reply.decode("utf-8"))
                    if len(reply) <= MAX_REPLY_BYTES
                    else Failure(f"a reply of over {MAX_REPLY_BYTES} bytes")
                )
        except (OSError, ValueError, RecursionError, http.client.HTTPException) as e:
            return Failure(f"{type(e).__name__}: {e}")
        why = reply[:500].decode("utf-8", "replace")
        if status in _ITEM_STATUSES and body is not None:
            return Failure(f"{status}: {why[:200]}", refused=True)
        if status in _FINAL_STATUSES:
            raise TargetError(
                f"the server at {self.url} answers {status}: {why}", todo="correct the request or the key"
            )
        return Failure(f"{status}: {why[:200]}")  # a redirect too: it would carry the key and the pictures elsewhere

    def _exchange(self, path: str, data: bytes | None) -> tuple[int, bytes]:
        """Status and body of a reply. A kept connection that the server has closed in the meantime is not a failure."""
        while True:
            kept = not self._idle.empty()
            connection = self._idle.get() if kept else self._connect()
            try:
                connection.request("GET" if data is None else "POST", self._path + path, data, self.headers)
                response = connection.getresponse()
                reply = response.read(MAX_REPLY_BYTES + 1)
            except BaseException as e:
                connection.close()
                if kept and isinstance(e, (ConnectionError, http.client.BadStatusLine)):
                    continue
                raise
            if response.isclosed():  # read to its end
                self._idle.put(connection)
            else:
                connection.close()
            return response.status, reply

    def _connect(self) -> http.client.HTTPConnection:
        if not self._proxy:
            return self._kind(self.host, self.port, timeout=self.timeout_s)
        proxy = urllib.parse.urlsplit(self._proxy)
        connection = self._kind(proxy.hostname or "", proxy.port, timeout=self.timeout_s)
        if self._kind is http.client.HTTPSConnection:
            connection.set_tunnel(self.host, self.port)
        return connection


def _text_of(message: Mapping[str, Any], finish: Any) -> str | Failure:
    """The words of a reply's message. One that ended without any (its thoughts are served apart or took every token, it
    calls a tool, a filter cut it) is an empty answer."""
    content = message.get("content")
    if isinstance(content, list):
        content = "".join(p["text"] for p in content if isinstance(p.get("text"), str))
    if isinstance(content, str) and content:
        return content
    if isinstance(message.get("refusal"), str):
        return str(message["refusal"])
    ended = isinstance(content, str) or finish is not None
    return "" if ended else Failure("the reply's message has no text")


def _message_json(message: Message) -> dict[str, Any]:
    return {"role": message.role, "content": [_part_json(p) for p in message.parts]}


def _part_json(part: Part) -> dict[str, Any]:
    if part.kind == "text":
        return {"type": "text", "text": part.content}
    kind = encoding_of(part.content.data) or "png"
    data = base64.b64encode(part.content.data).decode()
    return {"type": "image_url", "image_url": {"url": f"data:image/{kind};base64,{data}"}}
