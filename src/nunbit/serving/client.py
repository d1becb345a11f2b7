"""The other end of a server: asks any OpenAI-compatible address, for evaluations. No redirects; failures are returned, never answers."""

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
from nunbit.evaluation.target import Failure, Target
from nunbit.messages import Message, Part

_FINAL = {400, 401, 403, 404, 405, 413, 415, 422}
"""Answers of a server that asking again does not change."""
_LOCAL = {"localhost", "127.0.0.1", "::1"}
MOST_BYTES = 1 << 26
_KINDS = ((b"\x89PNG", "png"), (b"\xff\xd8\xff", "jpeg"), (b"GIF8", "gif"), (b"BM", "bmp"), (b"RIFF", "webp"))


def endpoint(
    url: str, *, model: str = "", key: str = "", max_tokens: int = 64, concurrent: int = 8, seconds: float = 120.0
) -> Target:
    """A Target at an address such as ``http://127.0.0.1:8000/v1``.

    Args:
        model: its id there; the first that the server lists if not named.
    """
    client = _Client(url.rstrip("/").removesuffix("/chat/completions"), key, seconds)
    model = model or client.first_model()
    settings = {"max_tokens": max_tokens, "temperature": 0}

    def one(messages: Sequence[Message]) -> str | Failure:
        return client.ask({"model": model, "messages": [_turn(m) for m in messages], **settings})

    pool = ThreadPoolExecutor(concurrent)

    def answer(batch: Sequence[Sequence[Message]]) -> list[str | Failure]:
        return [*pool.map(one, batch)]

    return Target(f"{model} at {client.url}", answer, settings, batch=4 * concurrent)


class _Client:
    """Requests of several threads over connections that are kept: a new one for each would cost more than most requests."""

    def __init__(self, url: str, key: str, seconds: float) -> None:
        try:
            parts = urllib.parse.urlsplit(url)
            self.host, self.port, secure = parts.hostname or "", parts.port, parts.scheme == "https"
        except ValueError:  # a port or a host that is none
            parts, self.host = urllib.parse.urlsplit(""), ""
        if parts.scheme not in ("http", "https") or not self.host:
            raise UserError(f"'{url}' is no address of a server", allowed="http://HOST:PORT/v1 or https://HOST/v1")
        self.url, self.seconds = url, seconds
        self.headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
        self._kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        around = self.host in _LOCAL or urllib.request.proxy_bypass(self.host)
        self._proxy = None if around else urllib.request.getproxies().get(parts.scheme)
        self._path = url if self._proxy and not secure else parts.path  # a plain proxy is asked for the whole address
        self._idle: queue.SimpleQueue[http.client.HTTPConnection] = queue.SimpleQueue()

    def first_model(self) -> str:
        said = self._call("/models", None)
        try:
            if not isinstance(said, Failure):
                return str(said["data"][0]["id"])
            why = said.why
        except (KeyError, IndexError, TypeError):
            why = "it lists no model"
        raise UserError(f"the server at {self.url} cannot be asked ({why})", allowed="an OpenAI-compatible server that is running",
                        todo="start it, check the address, or name the model with --model-id")  # fmt: skip

    def ask(self, body: Mapping[str, Any]) -> str | Failure:
        said = self._call("/chat/completions", body)
        if isinstance(said, Failure):
            return said
        try:
            content = said["choices"][0]["message"]["content"]
        except (KeyError, IndexError, TypeError):
            return Failure("the reply holds no message")
        return content if isinstance(content, str) else Failure("the reply's message has no text")

    def _call(self, path: str, body: Mapping[str, Any] | None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        try:
            status, said = self._sent(path, data)
            if status == 200:
                return json.loads(said) if len(said) <= MOST_BYTES else Failure(f"a reply of over {MOST_BYTES} bytes")
        except (OSError, ValueError, RecursionError, http.client.HTTPException) as e:
            return Failure(f"{type(e).__name__}: {e}")
        why = said[:500].decode("utf-8", "replace")
        if status in _FINAL:
            raise UserError(f"the server at {self.url} answers {status}: {why}", todo="mend the request or the key")
        return Failure(f"{status}: {why[:200]}")  # a redirect too: it would carry the key and the pictures elsewhere

    def _sent(self, path: str, data: bytes | None) -> tuple[int, bytes]:
        """Status and body of a reply. A kept connection that the server has closed meanwhile is no failure of the request."""
        while True:
            kept = not self._idle.empty()
            connection = self._idle.get() if kept else self._connected()
            try:
                connection.request("GET" if data is None else "POST", self._path + path, data, self.headers)
                reply = connection.getresponse()
                said = reply.read(MOST_BYTES + 1)
            except BaseException as e:
                connection.close()
                if kept and isinstance(e, (ConnectionError, http.client.BadStatusLine)):
                    continue
                raise
            if reply.isclosed():  # read to its end
                self._idle.put(connection)
            else:
                connection.close()
            return reply.status, said

    def _connected(self) -> http.client.HTTPConnection:
        if not self._proxy:
            return self._kind(self.host, self.port, timeout=self.seconds)
        proxy = urllib.parse.urlsplit(self._proxy)
        connection = self._kind(proxy.hostname or "", proxy.port, timeout=self.seconds)
        if self._kind is http.client.HTTPSConnection:
            connection.set_tunnel(self.host, self.port)
        return connection


def _turn(message: Message) -> dict[str, Any]:
    return {"role": message.role, "content": [_part(p) for p in message.parts]}


def _part(part: Part) -> dict[str, Any]:
    if part.kind == "text":
        return {"type": "text", "text": part.content}
    kind = next((k for head, k in _KINDS if part.content.startswith(head)), "png")
    data = base64.b64encode(part.content).decode()
    return {"type": "image_url", "image_url": {"url": f"data:image/{kind};base64,{data}"}}
