"""Requests of the OpenAI API as far as the server answers them, and the form of its errors.

An unknown field is kept aside and named in a warning, never an error. A field that is null counts as left out, because
some clients send every field they know.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from nunbit.files import whole_values

NEUTRAL: dict[str, Any] = {
    "best_of": 1,
    "store": False,
    "modalities": ["text"],
}
"""Values of fields that nothing reads with which the answer is the same: clients send every field they know."""
Text = Annotated[str, Field(max_length=400_000)]
TokenIds = Annotated[list[Annotated[int, Field(ge=0, strict=True)]], Field(min_length=1, max_length=100_000)]
DataUri = Annotated[str, Field(max_length=40_000_000)]


class RequestModel(BaseModel):
    """A JSON object of a request that may hold unknown fields."""

    model_config = ConfigDict(extra="allow", protected_namespaces=())

    @model_validator(mode="before")
    @classmethod
    def _tidy(cls, data: Any) -> Any:
        """Nulls count as left out, and halves of surrogate pairs, which clients make that cut text, become U+FFFD."""
        return {k: whole_values(v) for k, v in data.items() if v is not None} if isinstance(data, dict) else data

    def unknown_fields(self) -> list[str]:
        """Names of the fields that nothing reads, with those of objects within, at most 20 and shortened."""
        empty: tuple[Any, ...] = ([], {}, "")
        found = ((p, v) for p, v in self.unknown_values() if v not in empty and (p not in NEUTRAL or v != NEUTRAL[p]))
        return [path[-80:] for path, _ in found][:20]

    def unknown_values(self) -> Iterator[tuple[str, Any]]:
        """The place and the value of every field that nothing reads."""
        for name, value in sorted((self.model_extra or {}).items()):
            yield name[:60], value
        for name in type(self).model_fields:
            value = getattr(self, name)
            for i, item in enumerate(value if isinstance(value, list) else [value]):
                if isinstance(item, RequestModel):
                    within = f"{name}.{i}" if isinstance(value, list) else name
                    yield from ((f"{within}.{path}", found) for path, found in item.unknown_values())


class ImageUrl(RequestModel):
    """A picture: a data: URI, or an address or file that the operator allows."""

    url: DataUri
    detail: str = "auto"


class ContentPart(RequestModel):
    """A part of a message: text or a picture."""

    type: Annotated[str, Field(max_length=40)]
    text: Text | None = None
    refusal: Text | None = None
    image_url: ImageUrl | str | None = None


class ChatMessage(RequestModel):
    """A turn of a conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: Text | Annotated[list[ContentPart], Field(max_length=256)] | None = None
    tool_calls: Annotated[list[dict[str, Any]], Field(max_length=64)] | None = None
    function_call: dict[str, Any] | None = None
    tool_call_id: Annotated[str, Field(max_length=200)] = ""
    name: Annotated[str, Field(max_length=200)] = ""


class JsonSchema(RequestModel):
    """The schema that an answer must match."""

    name: str | None = None
    description: str | None = None
    strict: bool | None = None
    schema_: dict[str, Any] | None = Field(default=None, alias="schema")


class ResponseFormat(RequestModel):
    """The form of the answer; ``regex`` is an extension of this server."""

    type: Literal["text", "json_object", "json_schema", "regex"]
    json_schema: JsonSchema | None = None
    pattern: Annotated[str, Field(max_length=20_000)] | None = None


class StreamOptions(RequestModel):
    """Options of a streamed response."""

    include_usage: bool = False


class GenerationRequest(RequestModel):
    """Fields that chat and text completions share.

    The fields after ``user`` are taken and have no effect: they steer the accounts and caches of the hosted API.
    """

    model: str | None = None
    stream: bool = False
    stream_options: StreamOptions | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    top_k: Annotated[int, Field(ge=-1, le=1_000_000)] | None = None
    min_p: Annotated[float, Field(ge=0, le=1)] | None = None
    repetition_penalty: Annotated[float, Field(ge=0.1, le=10)] | None = None
    frequency_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    presence_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    stop: Text | Annotated[list[Text], Field(max_length=16)] | None = None
    logit_bias: Annotated[dict[str, float], Field(max_length=1024)] | None = None
    n: Annotated[int, Field(ge=1)] = 1
    user: str | None = None
    metadata: dict[str, Any] | None = None
    service_tier: str | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: str | None = None
    safety_identifier: str | None = None


class ChatRequest(GenerationRequest):
    """POST /v1/chat/completions. ``evidence``, ``verify`` and ``guard`` are extensions: with the first every choice
    says what the answer claims of the pictures and what in them each claim rests on (`nunbit.evidence`); with the
    second the answer is corrected by what is in the pictures, and the choice says how (`nunbit.trust.woodpecker`)."""

    messages: Annotated[list[ChatMessage], Field(min_length=1)]
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    response_format: ResponseFormat | None = None
    tools: Annotated[list[dict[str, Any]], Field(max_length=64)] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool = True
    evidence: bool = False
    verify: bool | None = None
    guard: str | None = None

    @property
    def formed(self) -> bool:
        """Whether the answer has a form, such as JSON, that a correction could break."""
        return self.response_format is not None and self.response_format.type != "text"


class CompletionRequest(GenerationRequest):
    """POST /v1/completions."""

    prompt: (
        Text
        | Annotated[list[Text], Field(min_length=1, max_length=16)]
        | TokenIds
        | Annotated[list[TokenIds], Field(min_length=1, max_length=16)]
    )
    max_tokens: Annotated[int, Field(ge=0)] | None = None
    logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    echo: bool = False


class EmbeddingRequest(RequestModel):
    """POST /v1/embeddings."""

    model: str | None = None
    input: DataUri | Annotated[list[DataUri], Field(min_length=1, max_length=64)]
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: Annotated[int, Field(ge=1)] | None = None
    user: str | None = None


class PerceiveRequest(RequestModel):
    """POST /v1/perceive, an extension of this server. Without ``overlays`` no pictures are drawn, which is quicker."""

    image: DataUri
    overlays: bool = True


class Error(BaseModel):
    """What was wrong with a request."""

    message: str
    type: str
    param: str | None
    code: str | None


class ErrorResponse(BaseModel):
    """The error form of the OpenAI API."""

    error: Error


_INVALID = {"model": ErrorResponse, "description": "What was wrong with the request, and what is allowed"}
_BUSY = {"model": ErrorResponse, "description": "The queue is full: try again after Retry-After seconds"}
ERROR_RESPONSES: dict[int | str, dict[str, Any]] = {"4XX": _INVALID, 503: _BUSY}
