"""Fetches a picture from a host that the operator has allowed (`FetchPolicy.hosts`); off unless configured.

The host name is resolved once, each of its addresses must be public, the connection goes to the address that was
checked, redirects are not followed, and bytes and time are bounded. It blocks: call it in a worker thread.
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


def fetch(address: str, policy: FetchPolicy, *, max_bytes: int, timeout_s: float = 10.0) -> bytes:
    """Download the bytes behind an allowed address.

    Raises:
        UserError: not allowed, not public, a redirect, an error status, too large or too slow.
    """
    parts = urlsplit(policy.admit(address))
    host, until = parts.hostname or "", time.monotonic() + timeout_s
    connection = PinnedConnection(host, public_address(host), timeout_s)
    try:
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("GET", path, headers={"Accept": "image/*", "User-Agent": "nunbit"})
        response = connection.getresponse()
        if response.status != 200:
            raise UserError(f"the address answered with status {response.status}", allowed="200, without redirects")
        return _read(response, connection, max_bytes, until)
    except (OSError, http.client.HTTPException):
        raise UserError("an address that could not be read", todo="send the picture itself as a data: URI") from None
    finally:
        connection.close()


def public_address(host: str) -> str:
    """Resolve a host to one of its addresses.

    Raises:
        UserError: it has none, or one of them is private, local or otherwise not public.
    """
    try:
        found = {str(entry[4][0]) for entry in socket.getaddrinfo(host, 443, type=socket.SOCK_STREAM)}
    except OSError:
        raise UserError(f"the host '{host[:100]}', which has no address") from None
    if not found or not all(ipaddress.ip_address(a.split("%")[0]).is_global for a in found):
        raise UserError(f"the host '{host[:100]}'", allowed="hosts with public addresses only")
    return sorted(found)[0]


def _read(
    response: http.client.HTTPResponse, connection: http.client.HTTPSConnection, max_bytes: int, until: float
) -> bytes:
    out = bytearray()
    while chunk := response.read1(65536):
        out += chunk
        if len(out) > max_bytes or time.monotonic() > until:
            raise UserError("a picture that is too large or arrives too slowly", allowed=f"at most {max_bytes:,} bytes")
        if connection.sock is not None:
            connection.sock.settimeout(max(0.1, until - time.monotonic()))
    return bytes(out)


class PinnedConnection(http.client.HTTPSConnection):
    """An HTTPS connection to an address that was checked; certificate and Host header are those of the host name."""

    def __init__(self, host: str, address: str, timeout_s: float) -> None:
        self._tls = ssl.create_default_context()
        super().__init__(host, timeout=timeout_s, context=self._tls)
        self._address = address

    def connect(self) -> None:
        """Connect to the address, whatever the name resolves to now."""
        plain = socket.create_connection((self._address, 443), self.timeout)
        self.sock = self._tls.wrap_socket(plain, server_hostname=self.host)
