"""Addresses are read only where allowed, and then only public ones."""

import socket

import pytest

from nunbit.errors import UserError
from nunbit.media import FetchPolicy
from nunbit.serving import fetch as room


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "fd00::1", "0.0.0.0", "::ffff:127.0.0.1"]
)
def test_private_addresses_are_refused_even_beside_public_ones(monkeypatch, address):
    found = [(0, 0, 0, "", ("93.184.216.34", 443)), (0, 0, 0, "", (address, 443))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **k: found)
    with pytest.raises(UserError, match="public"):
        room.public_address("pictures.example")


def test_only_allowed_hosts_are_even_resolved(monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **k: pytest.fail("resolved"))
    for address in (
        "https://evil.example/x.png",
        "http://pictures.example/x.png",
        "https://pictures.example@evil.example/x",
        "https://pictures.example\\@evil.example/",
    ):
        with pytest.raises(UserError):
            room.fetch(address, FetchPolicy(hosts=("pictures.example",)), max_bytes=10)


class Reply:
    def __init__(self, status, body):
        self.status, self.body = status, body

    def read1(self, n):
        piece, self.body = self.body[:n], self.body[n:]
        return piece


@pytest.mark.parametrize(
    ("status", "body", "fine"), [(200, b"abc", True), (302, b"", False), (404, b"", False), (200, b"x" * 99, False)]
)
def test_redirects_errors_and_sizes(monkeypatch, status, body, fine):
    monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **k: [(0, 0, 0, "", ("93.184.216.34", 443))])
    seen = []
    monkeypatch.setattr(room.PinnedConnection, "request", lambda self, *a, **k: seen.append((self.host, self._address)))
    monkeypatch.setattr(room.PinnedConnection, "getresponse", lambda self: Reply(status, body))
    policy = FetchPolicy(hosts=("pictures.example",))
    if fine:
        assert room.fetch("https://pictures.example/a.png", policy, max_bytes=10) == body
    else:
        with pytest.raises(UserError):
            room.fetch("https://pictures.example/a.png", policy, max_bytes=10)
    assert seen == [("pictures.example", "93.184.216.34")]
