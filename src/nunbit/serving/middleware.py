"""What stands before the application: keys, rate, size and time of a request. Plain ASGI, so that streams are never held back."""

from __future__ import annotations

import asyncio
import hmac
import json
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from nunbit.serving.settings import Settings

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
OPEN = ("/health", "/ready")
MOST_CALLERS = 10_000


def error_body(message: str, kind: str, code: str | None = None) -> dict[str, Any]:
    """The error form of the OpenAI API."""
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


class Gate:
    """ASGI middleware: 401 without a key, 429 above the rate, 413 above the size, 408 when a body does not come."""

    def __init__(self, app: Any, settings: Settings) -> None:
        self.app, self.settings, self.rate = app, settings, Rate(settings.per_minute)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = {k.lower(): v for k, v in scope["headers"]}
        private = scope["path"].startswith("/v1") or scope["path"] == "/metrics"
        caller = self._caller(headers, scope)
        if scope["method"] == "OPTIONS" or scope["path"] in OPEN or not private:
            pass
        elif caller is None:
            await _drain(receive, headers)
            await _refuse(
                send, 401, "an API key is needed: Authorization: Bearer KEY", "authentication_error", "invalid_api_key"
            )
            return
        elif (wait := self.rate.take(caller)) > 0:
            await _drain(receive, headers)
            await _refuse(send, 429, "too many requests a minute", "rate_limit_error", "rate_limit_exceeded", wait)
            return
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or int(length) > self.settings.body_bytes:
            await _drain(receive, headers)
            await _refuse(send, 413, f"a body above {self.settings.body_bytes:,} bytes", "invalid_request_error")
            return
        await self._run(scope, receive, send)

    async def _run(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application on a body bounded in size and time. What the application makes of a broken body is not sent."""
        until, size, whole, begun, broken = time.monotonic() + self.settings.body_s, 0, False, False, ""

        async def bounded() -> MutableMapping[str, Any]:
            nonlocal size, whole, broken
            if whole:
                return await receive()
            try:
                message = await asyncio.wait_for(receive(), max(0.01, until - time.monotonic()))
            except TimeoutError:
                broken = f"the body did not arrive within {self.settings.body_s:g} s"
                raise
            size += len(message.get("body", b""))
            if size > self.settings.body_bytes:
                broken = f"a body above {self.settings.body_bytes:,} bytes"
                raise ValueError(broken)
            whole = not message.get("more_body", False)
            return message

        async def noting(message: MutableMapping[str, Any]) -> None:
            nonlocal begun
            if not broken or begun:
                begun = True
                await send(message)

        try:
            await self.app(scope, bounded, noting)
        except (TimeoutError, ValueError):
            if not broken:
                raise
        if broken and not begun:
            late = "arrive" in broken
            if not late:
                await _drain(receive, {})
            await _refuse(send, 408 if late else 413, broken, "invalid_request_error")

    def _caller(self, headers: dict[bytes, bytes], scope: Scope) -> str | None:
        """Who asks: a key's place in the list, else the address; None when a key is needed and wrong."""
        if not self.settings.keys:
            return str((scope.get("client") or ["?"])[0])
        given = headers.get(b"authorization", b"").removeprefix(b"Bearer ")
        matches = [i for i, key in enumerate(self.settings.keys) if hmac.compare_digest(key.encode(), given)]
        return f"key {matches[0]}" if matches else None


class Rate:
    """A bucket of tokens a caller, filled evenly over a minute; callers unseen for long are forgotten."""

    def __init__(self, per_minute: int) -> None:
        self.per_minute = per_minute
        self._held: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, caller: str) -> float:
        """0 if the caller may go on, else the seconds to wait."""
        if not self.per_minute:
            return 0.0
        now = time.monotonic()
        tokens, then = self._held.pop(caller, (float(self.per_minute), now))
        tokens = min(self.per_minute, tokens + (now - then) * self.per_minute / 60)
        allowed = tokens >= 1
        self._held[caller] = (tokens - allowed, now)
        while len(self._held) > MOST_CALLERS:
            self._held.popitem(last=False)
        return 0.0 if allowed else (1 - tokens) * 60 / self.per_minute


async def _drain(receive: Receive, headers: dict[bytes, bytes], seconds: float = 1.0) -> None:
    """Read and drop what is still coming, for a moment: a connection closed on unread bytes takes the refusal with it."""
    if b"expect" in headers:  # reading would invite the body
        return
    try:
        async with asyncio.timeout(seconds):
            while (await receive()).get("more_body", False):
                pass
    except TimeoutError:
        pass


async def _refuse(send: Send, status: int, message: str, kind: str, code: str | None = None, wait: float = 0.0) -> None:
    body = json.dumps(error_body(message, kind, code)).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    if wait:
        headers.append((b"retry-after", str(max(1, round(wait + 0.5))).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
