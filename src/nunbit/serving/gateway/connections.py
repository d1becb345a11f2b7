"""Connections to one backend, used again. A request costs the same however many there are.

The pool of httpcore looks at every connection when a request begins and when it ends: a thousand callers who hang up
together would keep the event loop busy for seconds."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator

import anyio
import httpx

KEPT_S, MOST_KEPT = 60.0, 64
"""Seconds for which an idle connection is kept, since opening another, with TLS, may take longer than all the rest; and
how many are."""


class Connections(httpx.AsyncBaseTransport):
    """A transport of httpx over connections that each serve one request at a time.

    Args:
        most: requests that may be under way; more of them wait for the ``pool`` time-out of the request.
    """

    def __init__(self, most: int) -> None:
        self._free = asyncio.Semaphore(most)
        self._idle: list[tuple[httpx.AsyncHTTPTransport, float]] = []
        self._context: ssl.SSLContext | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request over an idle connection, or over a new one.

        Raises:
            httpx.PoolTimeout: too many requests are under way.
        """
        try:
            async with asyncio.timeout(request.extensions.get("timeout", {}).get("pool")):
                await self._free.acquire()
        except TimeoutError:
            raise httpx.PoolTimeout("too many requests are under way", request=request) from None
        connection = self._idle.pop()[0] if self._idle else self._new(request.url.scheme == "https")
        try:
            response = await connection.handle_async_request(request)
        except BaseException:
            await self._give_back(connection, good=False)
            raise
        response.stream = _Returning(response.stream, self, connection)
        return response

    def _new(self, secure: bool) -> httpx.AsyncHTTPTransport:
        if secure and self._context is None:
            self._context = httpx.create_ssl_context()  # once: it reads all certificates
        limits = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=KEPT_S)
        return httpx.AsyncHTTPTransport(verify=self._context or False, limits=limits)

    async def _give_back(self, connection: httpx.AsyncHTTPTransport, *, good: bool) -> None:
        """Keep a connection for the next request, or close it; those that were idle for long are closed on the way."""
        now, closing = time.monotonic(), []
        if good:
            self._idle.append((connection, now))
        else:
            closing.append(connection)
        while self._idle and (len(self._idle) > MOST_KEPT or self._idle[0][1] < now - KEPT_S):
            closing.append(self._idle.pop(0)[0])
        self._free.release()
        with anyio.CancelScope(shield=True):
            for old in closing:
                await old.aclose()

    async def aclose(self) -> None:
        """Close every idle connection."""
        while self._idle:
            await self._idle.pop()[0].aclose()


class _Returning(httpx.AsyncByteStream):
    """A reply's bytes; their connection goes back when they are closed."""

    def __init__(
        self,
        stream: httpx.AsyncByteStream | httpx.SyncByteStream,
        owner: Connections,
        connection: httpx.AsyncHTTPTransport,
    ):
        self._stream, self._owner, self._connection, self._closed = stream, owner, connection, False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        assert isinstance(self._stream, httpx.AsyncByteStream)
        async for piece in self._stream:
            yield piece

    async def aclose(self) -> None:
        if self._closed:
            return
        self._closed = True
        assert isinstance(self._stream, httpx.AsyncByteStream)
        try:
            await self._stream.aclose()  # a reply that was not read to its end closes its connection here
        finally:
            await self._owner._give_back(self._connection, good=True)
