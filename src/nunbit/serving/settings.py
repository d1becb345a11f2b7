"""Settings of the server. Whatever a request could make large, slow or far-reaching has its bound here."""

from __future__ import annotations

from dataclasses import dataclass, field

from nunbit.media import FetchPolicy, Limits
from nunbit.trust.guard.guard import GuardConfig


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Bounds and permissions of the server.

    Attributes:
        api_keys: accepted API keys; with none, every caller is served.
        origins: web origins that may call from a browser (CORS); none by default.
        requests_per_minute: requests that one caller (an API key, else an address) may make a minute; 0 is unlimited.
        max_body_bytes: size of the largest request.
        body_timeout_s: seconds in which a request's body must arrive.
        max_pictures: pictures in one request.
        max_messages: messages in one request.
        max_choices: answers in one request (``n`` times the number of prompts).
        picture_limits: bounds of one picture.
        deadline_s: seconds after which an answer ends where it is.
        max_tokens: tokens of one answer; a request that asks for more gets these and a warning.
        max_stored_bytes: memory for responses that `previous_response_id` may name; the oldest make room.
        decode_threads: pictures that are decoded at the same time.
        fetch: which folders and hosts a request may name pictures from; none by default.
        page: whether the web page is served.
        verify: whether answers are corrected by what is in the pictures where a request does not say.
        verify_llm: whether the model is asked again for that where perception knows nothing.
        guard: what is done about orders to a model that pictures hold, where a request does not ask for more.
        aliases: other names by which a request may call the model; ``*`` accepts every name.
    """

    api_keys: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    requests_per_minute: int = 0
    max_body_bytes: int = 32 * 1024 * 1024
    body_timeout_s: float = 30.0
    max_pictures: int = 8
    max_messages: int = 64
    max_choices: int = 8
    picture_limits: Limits = field(default_factory=lambda: Limits(max_bytes=10 * 1024 * 1024))
    deadline_s: float = 120.0
    max_tokens: int = 512
    max_stored_bytes: int = 64 * 1024 * 1024
    decode_threads: int = 2
    fetch: FetchPolicy = field(default_factory=FetchPolicy)
    page: bool = True
    verify: bool = False
    verify_llm: bool = True
    guard: GuardConfig = GuardConfig()
    aliases: tuple[str, ...] = ()
