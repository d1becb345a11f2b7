"""Fetching a picture from an address that the operator has allowed. Off unless configured (`FetchPolicy.hosts`).

The name is resolved once, every address must be a public one, the connection goes to that very address, redirects are not followed,
bytes and time are bounded as a whole. Blocking: run it in a worker thread.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import time
from urllib.parse import urlsplit

from nunbit.errors import UserError
from nunbit.media import FetchPolicy


def fetch(address: str, policy: FetchPolicy, *, max_bytes: int, seconds: float = 10.0) -> bytes:
    """The bytes behind an allowed address.

    Raises:
        UserError: not allowed, not public, a redirect, an error status, too large or too slow.
    """
    parts = urlsplit(policy.admit(address))
    host, until = parts.hostname or "", time.monotonic() + seconds
    connection = _Pinned(host, public_address(host), timeout=seconds)
    try:
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("GET", path, headers={"Accept": "image/*", "User-Agent": "nunbit"})
        reply = connection.getresponse()
        if reply.status != 200:
            raise UserError(f"the address answered with status {reply.status}", allowed="200, without redirects")
        return _read(reply, connection, max_bytes, until)
    except (OSError, http.client.HTTPException):
        raise UserError("an address that could not be read", todo="send the picture itself as a data: URI") from None
    finally:
        connection.close()


def public_address(host: str) -> str:
    """One address of the host; refused if any of them is private, local or otherwise not public."""
    try:
        found = {str(entry[4][0]) for entry in socket.getaddrinfo(host, 443, type=socket.SOCK_STREAM)}
    except OSError:
        raise UserError(f"the host '{host[:100]}', which has no address") from None
    if not found or not all(ipaddress.ip_address(a.split("%")[0]).is_global for a in found):
        raise UserError(f"the host '{host[:100]}'", allowed="hosts with public addresses only")
    return sorted(found)[0]


def _read(
    reply: http.client.HTTPResponse, connection: http.client.HTTPSConnection, max_bytes: int, until: float
) -> bytes:
    out = bytearray()
    while piece := reply.read1(65536):
        out += piece
        if len(out) > max_bytes or time.monotonic() > until:
            raise UserError(
                "a picture behind an address that is too large or too slow", allowed=f"at most {max_bytes:,} bytes"
            )
        if connection.sock is not None:
            connection.sock.settimeout(max(0.1, until - time.monotonic()))
    return bytes(out)


class _Pinned(http.client.HTTPSConnection):
    """Connects to the address that was checked, while certificate and Host header are those of the name."""

    def __init__(self, host: str, address: str, timeout: float) -> None:
        self._tls = ssl.create_default_context()
        super().__init__(host, timeout=timeout, context=self._tls)
        self._address = address

    def connect(self) -> None:
        plain = socket.create_connection((self._address, 443), self.timeout)
        self.sock = self._tls.wrap_socket(plain, server_hostname=self.host)
