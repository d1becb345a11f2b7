"""What a request passes before the application: API key, rate, size and time. Plain ASGI, so that streams are never
held back."""

from __future__ import annotations

import asyncio
import hmac
import json
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from nunbit.serving.errors import error_body
from nunbit.serving.settings import ServerSettings
from nunbit.translation import Language, accepted_language, translated

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
PUBLIC_PATHS = ("/health", "/ready", "/")
"""Paths that need no key, beside the page's files. Everything else does, the API's documents included: what is added
later is private unless it is entered here."""
PUBLIC_FOLDER = "/page/"
MAX_CALLERS = 10_000
DRAIN_TIMEOUT_S = 1.0


class AccessMiddleware:
    """ASGI middleware: 401 without a valid key, 429 above the rate, 413 above the size, 408 when a body does not
    arrive.

    Args:
        app: the application behind it.
        settings: keys and bounds.
    """

    def __init__(self, app: Any, settings: ServerSettings) -> None:
        self.app, self.settings, self.rate_limiter = app, settings, RateLimiter(settings.requests_per_minute)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on to the application, or refuse it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = {k.lower(): v for k, v in scope["headers"]}
        public = scope["path"] in PUBLIC_PATHS or scope["path"].startswith(PUBLIC_FOLDER)
        refusal = None
        if not public and scope["method"] != "OPTIONS":
            refusal = self._refusal(self._caller(headers, scope))
        length = headers.get(b"content-length", b"0")
        if refusal is None and (not length.isdigit() or int(length) > self.settings.max_body_bytes):
            refusal = Refusal(413, f"a body above {self.settings.max_body_bytes:,} bytes", "invalid_request_error")
        if refusal is not None:
            await _drain(receive, headers)
            await refusal.send(send, _language(scope))
            return
        await BoundedBody(self.settings, receive, send).run(self.app, scope)

    def _refusal(self, caller: str | None) -> Refusal | None:
        if caller is None:
            message = "an API key is needed: Authorization: Bearer KEY"
            return Refusal(401, message, "authentication_error", "invalid_api_key")
        wait_s = self.rate_limiter.acquire(caller)
        if wait_s > 0:
            return Refusal(429, "too many requests a minute", "rate_limit_error", "rate_limit_exceeded", wait_s)
        return None

    def _caller(self, headers: dict[bytes, bytes], scope: Scope) -> str | None:
        """The caller's name: its key's place in the list, else its address; None when a key is needed and wrong."""
        if not self.settings.api_keys:
            return str((scope.get("client") or ["?"])[0])
        given = headers.get(b"authorization", b"")
        given = given[7:].strip() if given[:7].lower() == b"bearer " else given  # a scheme's case does not matter
        matches = [i for i, key in enumerate(self.settings.api_keys) if hmac.compare_digest(key.encode(), given)]
        return f"key {matches[0]}" if matches else None


class BoundedBody:
    """Runs the application on a body that is bounded in size and time. What it makes of a broken body is not sent."""

    def __init__(self, settings: ServerSettings, receive: Receive, send: Send) -> None:
        self.settings, self._receive, self._send = settings, receive, send
        self._until = time.monotonic() + settings.body_timeout_s
        self._bytes, self._complete, self._started = 0, False, False
        self._refusal: Refusal | None = None

    async def run(self, app: Any, scope: Scope) -> None:
        """Call the application; refuse the request if its body turned out too large or too slow."""
        try:
            await app(scope, self.receive, self.send)
        except (TimeoutError, ValueError):
            if self._refusal is None:
                raise
        if self._refusal is not None and not self._started:
            if self._refusal.status == 413:
                await _drain(self._receive, {})
            await self._refusal.send(self._send, _language(scope))

    async def receive(self) -> MutableMapping[str, Any]:
        """The next message for the application.

        Raises:
            TimeoutError: the body did not arrive in time.
            ValueError: it is too large.
        """
        if self._complete:
            return await self._receive()
        try:
            message = await asyncio.wait_for(self._receive(), max(0.01, self._until - time.monotonic()))
        except TimeoutError:
            late = f"the body did not arrive within {self.settings.body_timeout_s:g} s"
            self._refusal = Refusal(408, late, "invalid_request_error")
            raise
        self._bytes += len(message.get("body", b""))
        if self._bytes > self.settings.max_body_bytes:
            large = f"a body above {self.settings.max_body_bytes:,} bytes"
            self._refusal = Refusal(413, large, "invalid_request_error")
            raise ValueError(large)
        self._complete = not message.get("more_body", False)
        return message

    async def send(self, message: MutableMapping[str, Any]) -> None:
        """Pass a message of the application on, unless the request is going to be refused."""
        if self._refusal is None or self._started:
            self._started = True
            await self._send(message)


class RateLimiter:
    """A token bucket for each caller, refilled evenly over a minute; the least recent callers are forgotten.

    Args:
        requests_per_minute: size of a bucket; 0 is unlimited.
    """

    def __init__(self, requests_per_minute: int) -> None:
        self.requests_per_minute = requests_per_minute
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def acquire(self, caller: str) -> float:
        """Count one request. Returns 0 if it is allowed, else the seconds to wait."""
        if not self.requests_per_minute:
            return 0.0
        now = time.monotonic()
        tokens, last = self._buckets.pop(caller, (float(self.requests_per_minute), now))
        tokens = min(self.requests_per_minute, tokens + (now - last) * self.requests_per_minute / 60)
        allowed = tokens >= 1
        self._buckets[caller] = (tokens - allowed, now)
        while len(self._buckets) > MAX_CALLERS:
            self._buckets.popitem(last=False)
        return 0.0 if allowed else (1 - tokens) * 60 / self.requests_per_minute


class Refusal:
    """A response that ends a request before the application sees it.

    Args:
        status: HTTP status.
        message, kind, code: fields of the error.
        wait_s: seconds after which the caller may try again; 0 names none.
    """

    def __init__(self, status: int, message: str, kind: str, code: str | None = None, wait_s: float = 0.0) -> None:
        self.status, self.wait_s = status, wait_s
        self.message, self.kind, self.code = message, kind, code

    async def send(self, send: Send, language: Language = "en") -> None:
        """Send the response and close the connection."""
        body = json.dumps(error_body(translated(self.message, language), self.kind, self.code)).encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
        ]
        if self.wait_s:
            headers.append((b"retry-after", str(max(1, round(self.wait_s + 0.5))).encode()))
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def _language(scope: Scope) -> Language:
    headers = {k.lower(): v for k, v in scope["headers"]}
    return accepted_language(headers.get(b"accept-language", b"").decode("latin-1"))


async def _drain(receive: Receive, headers: dict[bytes, bytes]) -> None:
    """Read and drop what is still coming, for a moment: a connection closed on unread bytes loses the refusal too."""
    if b"expect" in headers:  # reading would invite the body
        return
    try:
        async with asyncio.timeout(DRAIN_TIMEOUT_S):
            while (await receive()).get("more_body", False):
                pass
    except TimeoutError:
        pass
