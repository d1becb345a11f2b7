"""A request's JSON -> Messages and SamplingParams. Decoding and fetching happen here, in worker threads, never on the
event loop."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from nunbit.engine.sampling import SamplingParams
from nunbit.errors import ContextLengthError
from nunbit.media import decode, kind_of
from nunbit.messages import Message, Part
from nunbit.serving.conversation import ordered, tool_calls_of
from nunbit.serving.errors import RequestError
from nunbit.serving.fetch import fetch
from nunbit.serving.schemas import (
    ChatMessage,
    ChatRequest,
    CompletionRequest,
    ContentPart,
    GenerationRequest,
    RequestModel,
    ResponseFormat,
)
from nunbit.serving.settings import ServerSettings

ROLES = {"developer": "system", "function": "tool"}
PICTURE_FIELD = re.compile(r"im(ag|ga)|picture|photo", re.IGNORECASE)
"""Names of fields that carry a picture in other servers' forms, or misspelt."""


def messages_of(
    request: ChatRequest, settings: ServerSettings, *, template_takes_tools: bool = False
) -> tuple[list[Message], list[str]]:
    """Convert the messages of a request, with pictures decoded.

    Args:
        template_takes_tools: whether the chat template has a place for tool calls.

    Returns:
        the turns in an order that a template takes, and what was changed for it, as warnings.

    Raises:
        UserError: too many messages or pictures, a part of an unknown type, a picture that cannot be read.
    """
    pictures = sum(p.type == "image_url" for m in request.messages if isinstance(m.content, list) for p in m.content)
    check_counts(len(request.messages), pictures, settings)
    refuse_pictures_aside(request.messages, "messages")
    names = {c.id: c.name for m in request.messages for c in tool_calls_of(_calls(m))}
    turns = [_message(m, i, settings, names) for i, m in enumerate(request.messages)]
    messages, warnings = ordered(turns, template_takes_tools=template_takes_tools)
    warnings += [
        f"unknown field 'messages.{i}.name' was ignored"
        for i, m in enumerate(request.messages)
        if m.name and ROLES.get(m.role, m.role) != "tool"
    ]
    return messages, warnings[:20]


def check_counts(messages: int, pictures: int, settings: ServerSettings) -> None:
    """Refuse more messages or pictures than a request may have.

    Raises:
        RequestError: there are more.
    """
    bounds = (("messages", messages, settings.max_messages), ("pictures", pictures, settings.max_pictures))
    for what, count, most in bounds:
        if count > most:
            raise RequestError(f"{count} {what}", allowed=f"at most {most} in one request", param="messages")


def refuse_pictures_aside(items: Sequence[RequestModel], field: str) -> None:
    """Refuse a picture in a place that nothing reads, as other servers' forms have it: it would be lost.

    Args:
        items: the turns of a request.
        field: where they are in it.

    Raises:
        RequestError: there is one.
    """
    for i, item in enumerate(items):
        for path, value in item.unknown_values():
            if value and PICTURE_FIELD.search(path.rpartition(".")[2]) or _holds_picture(value):
                raise RequestError(
                    f"a picture in the field '{field}.{i}.{path}'",
                    allowed='{"type": "image_url", "image_url": {"url": "data:image/png;base64,..."}} in content',
                    param=f"{field}.{i}.{path}",
                )


def _holds_picture(value: Any) -> bool:
    """Whether a value, or a value within it, is a picture as text."""
    if isinstance(value, str):
        return value.lstrip()[:11].lower() == "data:image/" or (len(value) > 39 and kind_of(value) == "inline")
    if isinstance(value, (list, dict)):
        return any(_holds_picture(v) for v in (value.values() if isinstance(value, dict) else value))
    return False


def _message(message: ChatMessage, index: int, settings: ServerSettings, names: Mapping[str, str]) -> Message:
    role: Any = ROLES.get(message.role, message.role)
    content = message.content
    calls = tool_calls_of(_calls(message)) if role == "assistant" else ()
    name = (message.name or names.get(message.tool_call_id, "")) if role == "tool" else ""
    if isinstance(content, list):
        parts = tuple(_part(p, f"picture {index}.{i}", settings) for i, p in enumerate(content))
    else:
        parts = (Part.text(content or ""),) if content or not calls else ()
    return Message(role, parts, calls, name, message.tool_call_id if role == "tool" else "")


def _calls(message: ChatMessage) -> list[dict[str, Any]]:
    """The calls of a turn, in the present form or as ``function_call`` of older clients."""
    older = [{"type": "function", "function": message.function_call}] if message.function_call else []
    return message.tool_calls or older


def _part(part: ContentPart, name: str, settings: ServerSettings) -> Part:
    if part.type in ("text", "input_text", "refusal"):
        return Part.text(part.text or part.refusal or "")
    if part.type == "image_url" and part.image_url is not None:
        source = part.image_url if isinstance(part.image_url, str) else part.image_url.url
        return Part.image(decode_picture(source, name, settings))
    if part.type == "input_audio":
        raise RequestError(
            "a sound in the conversation",
            allowed="text and pictures: this model takes no sound",
            todo="leave the sound out",
            param="messages",
        )
    raise RequestError(
        f"a content part of type '{part.type}'", allowed="text and image_url (with its url)", param="messages"
    )


def decode_picture(source: str, name: str, settings: ServerSettings) -> Any:
    """Decode a picture that a request carries, or that it names where the operator allows it.

    Args:
        source: a data: URI, an https address or a path.
        name: the picture's name in errors.

    Raises:
        UserError: a source that is not allowed, or a picture that cannot be read.
    """
    admitted = settings.fetch.admit(source)
    if kind_of(admitted) == "address":
        admitted = fetch(admitted, settings.fetch, max_bytes=settings.picture_limits.max_bytes)
    return decode(admitted, name=name, limits=settings.picture_limits)


def requested_tokens(request: GenerationRequest) -> int | None:
    """The number of answer tokens that a request names, or None."""
    newer = request.max_completion_tokens if isinstance(request, ChatRequest) else None
    return newer if newer is not None else request.max_tokens


def max_tokens_of(request: GenerationRequest, settings: ServerSettings, prompt_tokens: int, context_tokens: int) -> int:
    """Answer tokens for one prompt: what the request names, within the operator's bound; else what fits.

    Args:
        prompt_tokens: length of the prompt.
        context_tokens: tokens that prompt and answer may have together.

    Raises:
        ContextLengthError: the prompt and the named number of tokens do not fit.
        RequestError: 0 tokens, where nothing is echoed either.
    """
    requested, room = requested_tokens(request), context_tokens - prompt_tokens
    if requested is None:
        return min(settings.max_tokens, room)
    if requested > room:
        total = f"{prompt_tokens + requested} tokens ({prompt_tokens} in the prompt, {requested} for the answer)"
        raise ContextLengthError(
            total, allowed=f"at most {context_tokens} together", todo="shorten the prompt or lower max_tokens"
        )
    if requested == 0 and not (isinstance(request, CompletionRequest) and request.echo):
        raise RequestError("max_tokens=0", allowed="1 or more, or 0 together with echo", param="max_tokens")
    return min(requested, settings.max_tokens)


def sampling_of(
    request: GenerationRequest,
    settings: ServerSettings,
    max_tokens: int,
    *,
    index: int = 0,
    schema: dict[str, Any] | None = None,
) -> SamplingParams:
    """The sampling parameters of one of the ``n`` answers of a request.

    Args:
        max_tokens: of `max_tokens_of`, at least 1.
        index: the answer's number; it moves the seed, so that the answers differ.
        schema: JSON schema of a forced tool call.

    Raises:
        UserError: a value out of bounds, or a response_format that is not complete.
    """
    stop = [request.stop] if isinstance(request.stop, str) else request.stop or []
    try:
        bias = {int(k): v for k, v in (request.logit_bias or {}).items()}
    except ValueError:
        raise RequestError(
            "a logit_bias key that is not a token id", allowed="whole numbers as strings", param="logit_bias"
        ) from None
    return SamplingParams(
        max_tokens=max_tokens,
        temperature=request.temperature or 0.0,
        top_p=request.top_p or 1.0,
        top_k=max(0, request.top_k or 0),
        min_p=request.min_p or 0.0,
        repetition=request.repetition_penalty or 1.0,
        frequency=request.frequency_penalty or 0.0,
        presence=request.presence_penalty or 0.0,
        seed=None if request.seed is None else (request.seed + index) % 2**63,
        bias=bias,
        stop=tuple(stop),
        logprobs=_logprobs(request),
        grammar=_grammar(request, schema),
        deadline_s=settings.deadline_s,
    )


def _logprobs(request: GenerationRequest) -> int | None:
    if isinstance(request, ChatRequest):
        if request.top_logprobs and not request.logprobs:
            raise RequestError(
                f"top_logprobs={request.top_logprobs} without logprobs", allowed="logprobs=true", param="top_logprobs"
            )
        return (request.top_logprobs or 0) if request.logprobs else None
    return request.logprobs if isinstance(request, CompletionRequest) else None


def _grammar(request: GenerationRequest, schema: dict[str, Any] | None) -> tuple[str, str] | None:
    if schema is not None:
        return "json", json.dumps(schema)
    if not isinstance(request, ChatRequest) or request.response_format is None:
        return None
    return _format_grammar(request.response_format)


def _format_grammar(form: ResponseFormat) -> tuple[str, str] | None:
    if form.type == "text":
        return None
    if form.type == "regex":
        if not form.pattern:
            raise RequestError("response_format regex without a pattern", param="response_format")
        return "regex", form.pattern
    schema = form.json_schema.schema_ if form.type == "json_schema" and form.json_schema else None
    if form.type == "json_schema" and schema is None:
        allowed = '{"json_schema": {"name": ..., "schema": {...}}}'
        raise RequestError("response_format json_schema without a schema", allowed=allowed, param="response_format")
    return "json", json.dumps(schema or {"type": "object"})
