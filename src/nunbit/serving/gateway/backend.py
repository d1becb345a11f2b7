"""One backend over HTTP: every reply bounded in time and size, retries only while nothing of a reply has come.

The key goes into one header and nowhere else: not into logs, errors or the representation of anything here, and what a
backend says in an error is passed on without it.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import anyio
import httpx

from nunbit.errors import UserError
from nunbit.serving.errors import error_body
from nunbit.serving.gateway.connections import Connections
from nunbit.serving.gateway.options import BackendOptions
from nunbit.serving.gateway.wire import json_object, retry_after

log = logging.getLogger("nunbit.serving.gateway")
MAX_REPLY_BYTES, MAX_EVENT_BYTES, MAX_ERROR_BYTES = 1 << 26, 1 << 23, 1 << 16
RETRIED = frozenset((429, 502, 503, 504))
"""Statuses that another try may change."""
LONGEST_WAIT_S = 4.0
"""A backend that asks for a longer pause is not tried again: the caller gets its refusal."""
MAX_ERROR_CHARS, MAX_MODEL_CHARS = 2000, 200
DRAIN_S, DRAIN_BYTES = 0.5, 1 << 16
"""How long, and how far, a stream is read after its end so that its connection can be used again."""
LEAST_SECRET_CHARS = 16
"""A key of so many characters is blotted out wherever a backend writes it; a shorter one, which may be a word such as
EMPTY, in errors alone."""


Body = Mapping[str, Any] | bytes | None
"""What is sent: JSON, JSON that is written already, or nothing."""


class BackendFailure(Exception):
    """A backend that did not answer, or refused: with what the caller is sent.

    Args:
        body: JSON in the form of OpenAI's errors.
        retry_after: the header of that name; empty for none.
    """

    def __init__(self, status: int, body: Mapping[str, Any], retry_after: str = "") -> None:
        super().__init__(f"status {status}")
        self.status, self.body, self.retry_after = status, body, retry_after


class Backend:
    """A client of one backend, for the event loop of one server.

    Args:
        options: its address, key and bounds.
        transport: of httpx, for tests.
    """

    def __init__(self, options: BackendOptions, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self.options, self.model = options, options.model
        self.name = options.name or options.model
        self.open_replies = 0
        headers = {"Accept-Encoding": "identity"}  # a few bytes of a packed reply could become gigabytes
        if options.key:
            headers["Authorization"] = f"Bearer {options.key}"
        self._http = httpx.AsyncClient(
            headers=headers,
            timeout=httpx.Timeout(options.silence_s, connect=options.connect_s, pool=options.connect_s),
            follow_redirects=False,  # a redirect would carry key and pictures elsewhere
            transport=transport or Connections(options.max_connections),
        )
        # One caller's session is not another's.
        self._http.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))

    def __repr__(self) -> str:
        return f"Backend({self.name!r}, {self.options.url!r})"

    async def close(self) -> None:
        """Close every connection."""
        await self._http.aclose()

    async def find_model(self) -> None:
        """Ask for the model's id where none is configured.

        Raises:
            UserError: the backend lists none.
        """
        if self.model:
            return
        try:
            reply = await self.call("GET", "/models")
            self.model = _model_id(reply["data"][0]["id"])
        except (BackendFailure, KeyError, IndexError, TypeError, ValueError) as e:
            why = "it lists no model" if not isinstance(e, BackendFailure) else e.body["error"]["message"]
            raise UserError(
                f"the backend {self.options.url} cannot be asked for its models ({why})",
                todo="start it, check the address, or name the model with --backend-model",
            ) from None
        self.name = self.name or self.model

    async def call(self, method: str, path: str, body: Body = None) -> dict[str, Any]:
        """The JSON object of a whole reply.

        Raises:
            BackendFailure: the backend did not answer, refused, or sent anything else.
        """
        async with self.reply(method, path, body) as response:
            found = json_object(await self._read(response, MAX_REPLY_BYTES))
        if found is None:
            raise BackendFailure(502, error_body("the backend's reply is no JSON object", "server_error"))
        return found

    async def post(self, path: str, body: Body) -> dict[str, Any]:
        """The JSON object that answers a body; raises as `call`."""
        return await self.call("POST", path, body)

    async def events(self, response: httpx.Response) -> AsyncGenerator[list[bytes]]:
        """The data of server-sent events of a reply, those that came together in one list; comments are left out.

        Raises:
            BackendFailure: an event of more than `MAX_EVENT_BYTES`, or a reply that ends early or takes too long.
        """
        async for lines in self.lines(response):
            if data := [line[5:].strip() for line in lines if line.startswith(b"data:")]:
                yield data

    async def drain(self, batches: AsyncIterator[list[bytes]]) -> None:
        """Read what is left of a stream that has said its last word, for a moment: a connection is used again only when
        its reply was read to the end."""
        left = DRAIN_BYTES
        try:
            async with asyncio.timeout(DRAIN_S):
                while left > 0:
                    left -= max(1, sum(map(len, await anext(batches))))
        except (TimeoutError, StopAsyncIteration, BackendFailure):
            pass

    async def lines(self, response: httpx.Response) -> AsyncIterator[list[bytes]]:
        """The lines of a streamed reply, those that came together in one list; raises as `events`."""
        held = bytearray()  # grows in place: a line that comes in many pieces is not copied for each
        async for piece in self._pieces(response):
            *lines, rest = piece.split(b"\n")
            if lines:
                lines[0] = bytes(held) + lines[0]
                held.clear()
                yield [self._blotted(line.removesuffix(b"\r")) for line in lines]
            held += rest
            if len(held) > MAX_EVENT_BYTES:
                raise self._failed(502, "sent an event without an end")
        if held:
            yield [self._blotted(bytes(held))]

    def _blotted(self, data: bytes) -> bytes:
        key = self.options.key.encode()
        return data.replace(key, b"***") if len(key) >= LEAST_SECRET_CHARS else data

    async def _read(self, response: httpx.Response, most: int) -> bytes:
        out = bytearray()
        async for piece in self._pieces(response):
            out += piece
            if len(out) > most:
                raise self._failed(502, "sent too large a reply")
        return self._blotted(bytes(out))

    async def _pieces(self, response: httpx.Response) -> AsyncIterator[bytes]:
        """A reply's bytes as they come, within the time that a reply has."""
        if response.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
            raise self._failed(502, "packed its answer, which it was asked not to do")
        until = time.monotonic() + self.options.total_s
        try:
            async for piece in response.aiter_raw():
                if time.monotonic() > until:
                    raise self._failed(504, f"was not done within {self.options.total_s:g} s")
                yield piece
        except httpx.TimeoutException:
            raise self._failed(504, f"was silent for {self.options.silence_s:g} s") from None
        except httpx.HTTPError as e:
            raise self._failed(502, f"ended in the middle of its answer ({type(e).__name__})") from None

    @asynccontextmanager
    async def reply(self, method: str, path: str, body: Body = None) -> AsyncIterator[httpx.Response]:
        """A good reply whose body was not read yet. Its connection closes at the end of the block, whatever happens.

        Raises:
            BackendFailure: the backend did not answer, or refused, after the tries that it has.
        """
        response = await self._open(method, path, body)
        self.open_replies += 1
        try:
            yield response
        finally:
            self.open_replies -= 1
            with anyio.CancelScope(shield=True):  # a caller who is gone must not leave the connection open
                await response.aclose()

    async def _open(self, method: str, path: str, body: Body) -> httpx.Response:
        content = body if body is None or isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
        headers = {} if content is None else {"Content-Type": "application/json"}
        for left in range(self.options.retries, -1, -1):
            request = self._http.build_request(method, self.options.url + path, content=content, headers=headers)
            try:
                async with asyncio.timeout(self.options.total_s):  # headers may come a byte at a time, or without end
                    response = await self._http.send(request, stream=True)
            except TimeoutError:
                raise self._failed(504, f"did not answer within {self.options.total_s:g} s") from None
            except httpx.PoolTimeout:
                raise self._failed(503, "has as many requests as it may have", retry_after="1") from None
            except httpx.TimeoutException as e:
                where = "did not accept a connection" if isinstance(e, httpx.ConnectTimeout) else "did not answer"
                failure = self._failed(504, f"{where} in time")
                if not isinstance(e, httpx.ConnectTimeout):  # it may be at work: asking again would double that
                    raise failure from None
            except httpx.HTTPError as e:
                failure = self._failed(502, f"cannot be reached ({type(e).__name__})")
            else:
                if response.status_code == 200:
                    return response
                failure = await self._refusal(response)
                if response.status_code not in RETRIED:
                    raise failure
            wait_s = _wait_s(failure.retry_after, self.options.retries - left)
            if not left or wait_s > LONGEST_WAIT_S:
                raise failure
            await asyncio.sleep(wait_s)
        raise AssertionError("no try was made")

    async def _refusal(self, response: httpx.Response) -> BackendFailure:
        """What the caller is sent for a reply that is none: the backend's own words where they are an error of
        OpenAI's form."""
        try:
            data = await self._read(response, MAX_ERROR_BYTES)
        except BackendFailure:
            data = b""
        finally:
            await response.aclose()
        status, pause = response.status_code, retry_after(response.headers.get("retry-after", ""))
        if status in (401, 403):  # of the gateway's key, not of the caller's
            return self._failed(502, f"refuses the gateway's key (status {status})")
        if not 400 <= status < 600:
            return self._failed(502, f"answers with status {status}")
        error = _error_of(data)
        if error is None:
            return self._failed(status, f"answers with status {status}", retry_after=pause)
        return BackendFailure(status, {"error": self.shown_error(error)}, pause)

    def shown_error(self, error: Any) -> dict[str, Any]:
        """An error of the backend as callers see it: OpenAI's fields, the key blotted out."""
        known = _fields_of(error) or {"message": "the backend failed"}
        key = self.options.key
        kept = {"message": "", "type": "server_error", "param": None, "code": None} | known
        return {
            k: (v.replace(key, "***") if key else v)[:MAX_ERROR_CHARS] if isinstance(v, str) else v
            for k, v in kept.items()
        }

    def _failed(self, status: int, what: str, retry_after: str = "") -> BackendFailure:
        log.warning("the backend %s %s", self.name or self.options.url, what)
        return BackendFailure(status, error_body(f"the backend {what}", "server_error", "backend_failed"), retry_after)


def _error_of(data: bytes) -> dict[str, Any] | None:
    read = json_object(data)
    return None if read is None else _fields_of(read.get("error", read))


def _fields_of(error: Any) -> dict[str, Any] | None:
    """OpenAI's fields of an error, however much of them a server gives; None where there is no message."""
    if isinstance(error, str):
        return {"message": error}
    if not isinstance(error, dict) or not isinstance(error.get("message"), str):
        return None
    return {k: error[k] for k in ("message", "type", "param", "code") if isinstance(error.get(k), (str, int))}


def _model_id(found: Any) -> str:
    if not isinstance(found, str) or not found.isprintable() or not 0 < len(found) <= MAX_MODEL_CHARS:
        raise ValueError("no name of a model")
    return found


def _wait_s(pause: str, tried: int) -> float:
    """Seconds until the next try: what the backend asks for, else a little longer each time."""
    return float(pause) if pause[:1].isdigit() else 0.25 * 2**tried
