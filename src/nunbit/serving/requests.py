"""A request's JSON -> Messages and SamplingParams. Decoding and fetching happen here, in worker threads, never on the event loop."""

from __future__ import annotations

import json
from typing import Any

from nunbit.engine.sampling import SamplingParams
from nunbit.errors import UserError
from nunbit.media import decode, kind_of
from nunbit.messages import Message, Part
from nunbit.serving.fetch import fetch
from nunbit.serving.schemas import ChatRequest, ContentPart, GenerationRequest, ResponseFormat, Turn
from nunbit.serving.settings import Settings

ROLES = {"developer": "system", "tool": "user"}


def messages_of(request: ChatRequest, settings: Settings) -> list[Message]:
    """Turns of the API as our Messages, pictures decoded.

    Raises:
        UserError: too many turns or pictures, a part of an unknown kind, a picture that cannot be read.
    """
    if len(request.messages) > settings.turns:
        raise UserError(f"{len(request.messages)} messages", allowed=f"at most {settings.turns} in one request")
    pictures = sum(p.type == "image_url" for t in request.messages if isinstance(t.content, list) for p in t.content)
    if pictures > settings.pictures:
        raise UserError(f"{pictures} pictures", allowed=f"at most {settings.pictures} in one request")
    return _joined([_message(t, i, settings) for i, t in enumerate(request.messages)])


def _joined(messages: list[Message]) -> list[Message]:
    """Turns of one role in a row, the results of several tools say, as one turn."""
    out: list[Message] = []
    for m in messages:
        if out and out[-1].role == m.role:
            out[-1] = Message(m.role, (*out[-1].parts, Part.text("\n"), *m.parts))
        else:
            out.append(m)
    return out


def _message(turn: Turn, at: int, settings: Settings) -> Message:
    role: Any = ROLES.get(turn.role, turn.role)
    content = turn.content
    if content is None:
        content = json.dumps(turn.tool_calls) if turn.tool_calls else ""
    if isinstance(content, str):
        return Message(role, (Part.text(content),))
    return Message(role, tuple(_part(p, f"picture {at}.{i}", settings) for i, p in enumerate(content)))


def _part(part: ContentPart, name: str, settings: Settings) -> Part:
    if part.type in ("text", "input_text", "refusal"):
        return Part.text(part.text or "")
    if part.type == "image_url" and part.image_url is not None:
        source = part.image_url if isinstance(part.image_url, str) else part.image_url.url
        return Part.image(picture_of(source, name, settings))
    if part.type == "input_audio":
        raise UserError("a sound in the conversation", allowed="text and pictures: this model has no ears",
                        todo="leave the sound out")  # fmt: skip
    raise UserError(f"a content part of type '{part.type}'", allowed="text and image_url (with its url)")


def picture_of(source: str, name: str, settings: Settings) -> Any:
    """Decode a picture that a request carries, or names where the operator allows it."""
    admitted = settings.fetch.admit(source)
    if kind_of(admitted) == "address":
        admitted = fetch(admitted, settings.fetch, max_bytes=settings.picture.max_bytes)
    return decode(admitted, name=name, limits=settings.picture)


def sampling_of(request: GenerationRequest, settings: Settings, *, index: int = 0) -> SamplingParams:
    """The wishes of one of the ``n`` answers of a request; each has a seed of its own."""
    chat = request if isinstance(request, ChatRequest) else None
    asked = (chat.max_completion_tokens if chat else None) or request.max_tokens or settings.max_tokens
    stop = [request.stop] if isinstance(request.stop, str) else request.stop or []
    logprobs = (
        (chat.top_logprobs or 0) if chat and chat.logprobs else None if chat else getattr(request, "logprobs", None)
    )
    try:
        bias = {int(k): v for k, v in (request.logit_bias or {}).items()}
    except ValueError:
        raise UserError("a logit_bias key that is not a token id", allowed="whole numbers as strings") from None
    return SamplingParams(
        max_tokens=min(asked, settings.max_tokens), temperature=request.temperature or 0.0, top_p=request.top_p or 1.0,
        top_k=max(0, request.top_k or 0), min_p=request.min_p or 0.0, repetition=request.repetition_penalty or 1.0,
        seed=None if request.seed is None else (request.seed + index) % 2**63, bias=bias, stop=tuple(stop), logprobs=logprobs,
        grammar=_grammar(chat.response_format) if chat else None, deadline_s=settings.deadline_s,
    )  # fmt: skip


def _grammar(wish: ResponseFormat | None) -> tuple[str, str] | None:
    if wish is None or wish.type == "text":
        return None
    if wish.type == "regex":
        if not wish.pattern:
            raise UserError("response_format regex without a pattern")
        return "regex", wish.pattern
    schema = wish.json_schema.schema_ if wish.type == "json_schema" and wish.json_schema else None
    if wish.type == "json_schema" and schema is None:
        raise UserError(
            "response_format json_schema without a schema", allowed='{"json_schema": {"name": ..., "schema": {...}}}'
        )
    return "json", json.dumps(schema or {"type": "object"})
