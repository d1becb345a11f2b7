"""What an operator may set. Everything that a request could make large, slow or far-reaching has its bound here."""

from __future__ import annotations

from dataclasses import dataclass, field

from nunbit.media import FetchPolicy, Limits


@dataclass(frozen=True, slots=True)
class Settings:
    """Bounds of the server.

    Attributes:
        keys: accepted API keys; none means that no key is asked for.
        origins: web origins that may call from a browser (CORS); none by default.
        per_minute: requests a caller (key, else address) may make a minute; 0 is no bound.
        body_bytes, body_s: the largest request, and how long it may take to arrive.
        pictures, turns, choices: at most so many in one request.
        picture: bounds of one picture.
        deadline_s: an answer ends after so long, as it is.
        max_tokens: of one answer.
        decoders: pictures decoded at the same time.
        fetch: what a request may name besides its own bytes; nothing by default.
        page: serve the web page.
    """

    keys: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    per_minute: int = 0
    body_bytes: int = 32 * 1024 * 1024
    body_s: float = 30.0
    pictures: int = 8
    turns: int = 64
    choices: int = 8
    picture: Limits = field(default_factory=lambda: Limits(max_bytes=10 * 1024 * 1024))
    deadline_s: float = 120.0
    max_tokens: int = 512
    decoders: int = 2
    fetch: FetchPolicy = field(default_factory=FetchPolicy)
    page: bool = True
