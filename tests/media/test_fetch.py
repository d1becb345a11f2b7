"""A request names no picture unless the operator lists where it may lie."""

from __future__ import annotations

import base64

import pytest
from tests.media.pictures import encoded

from nunbit.errors import UserError
from nunbit.media import FetchPolicy, decode, kind_of


def test_a_request_names_nothing_unless_listed(tmp_path):
    shared, other = tmp_path / "shared", tmp_path / "shared-not"
    for folder in (shared, other):
        folder.mkdir()
        (folder / "a.png").write_bytes(encoded("PNG"))
    (shared / "way_out.png").symlink_to(other / "a.png")
    inline = "data:image/png;base64," + base64.b64encode(encoded("PNG")).decode()
    named = [
        str(shared / "a.png"),
        shared / "a.png",
        "a.png",
        "/etc/passwd",
        "https://example.org/a.png",
        "file:///etc/passwd",
    ]
    for source in named:
        with pytest.raises(UserError, match="data:image"):
            FetchPolicy().admit(source)
    assert FetchPolicy().admit(inline) is inline
    policy = FetchPolicy(folders=(shared,), hosts=("Example.org",))
    assert decode(policy.admit(str(shared / "a.png"))).size == (64, 48)
    assert policy.admit("https://example.org/a.png?b=1") == "https://example.org/a.png?b=1"
    refused = [
        shared / "way_out.png",
        f"{shared}/../shared-not/a.png",
        other / "a.png",
        "a\0b",
        "http://example.org/a.png",
        "https://example.org.evil.net/a",
        "https://example.org@evil.net/a",
        "https://evil.net\\@example.org/",
        "https://example.org:8080/a",
        "https://sub.example.org/a",
        "HTTPS://127.0.0.1/",
        " https://example.org/a",
        "ftp://example.org/a",
        "https://example.org\n.evil.net/",
    ]
    for source in refused:
        with pytest.raises(UserError):
            policy.admit(source)


def test_what_the_policy_takes_for_a_picture_is_never_opened_as_a_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for text in ("iVBORw0KGgo" + "A" * 60, "R0lGODlh" + "A" * 60):
        (tmp_path / text).write_bytes(encoded("PNG"))
        assert kind_of(text) == "inline"
        with pytest.raises(UserError):
            decode(text)
        assert decode(tmp_path / text).size == (64, 48)
