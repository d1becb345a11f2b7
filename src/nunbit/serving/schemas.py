"""Requests of the OpenAI API as far as we answer them, and the form of its errors. Unknown fields are kept aside and named in a warning,
never an error; a field that is null is as good as left out, as some clients send every field they know."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Text = Annotated[str, Field(max_length=400_000)]


class Loose(BaseModel):
    model_config = ConfigDict(extra="allow", protected_namespaces=())

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, data: Any) -> Any:
        return {k: v for k, v in data.items() if v is not None} if isinstance(data, dict) else data

    def unknown(self) -> list[str]:
        return sorted(k[:60] for k in (self.model_extra or {}))[:20]


class ImageUrl(Loose):
    url: Annotated[str, Field(max_length=40_000_000)]


class ContentPart(Loose):
    type: Annotated[str, Field(max_length=40)]
    text: Text | None = None
    image_url: ImageUrl | str | None = None


class Turn(Loose):
    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: Text | Annotated[list[ContentPart], Field(max_length=256)] | None = None
    tool_calls: Annotated[list[dict[str, Any]], Field(max_length=64)] | None = None


class JsonSchema(Loose):
    name: str | None = None
    schema_: dict[str, Any] | None = Field(default=None, alias="schema")


class ResponseFormat(Loose):
    type: Literal["text", "json_object", "json_schema", "regex"]
    json_schema: JsonSchema | None = None
    pattern: Annotated[str, Field(max_length=20_000)] | None = None


class StreamOptions(Loose):
    include_usage: bool = False


class GenerationRequest(Loose):
    """What chat and text completions share."""

    model: str | None = None
    stream: bool = False
    stream_options: StreamOptions | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    top_k: Annotated[int, Field(ge=-1, le=1_000_000)] | None = None
    min_p: Annotated[float, Field(ge=0, le=1)] | None = None
    repetition_penalty: Annotated[float, Field(ge=0.1, le=10)] | None = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    stop: Text | Annotated[list[Text], Field(max_length=16)] | None = None
    logit_bias: Annotated[dict[str, float], Field(max_length=1024)] | None = None
    n: Annotated[int, Field(ge=1)] = 1
    user: str | None = None


class ChatRequest(GenerationRequest):
    messages: Annotated[list[Turn], Field(min_length=1)]
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    response_format: ResponseFormat | None = None
    tools: Annotated[list[dict[str, Any]], Field(max_length=64)] | None = None
    tool_choice: Any = None


class CompletionRequest(GenerationRequest):
    prompt: Text | Annotated[list[Text], Field(min_length=1, max_length=16)]
    logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    echo: bool = False


class EmbeddingRequest(Loose):
    model: str | None = None
    input: Annotated[str, Field(max_length=40_000_000)] | Annotated[list[Annotated[str, Field(max_length=40_000_000)]],
                                                                    Field(min_length=1, max_length=64)]  # fmt: skip
    encoding_format: Literal["float", "base64"] = "float"


class PerceiveRequest(Loose):
    image: Annotated[str, Field(max_length=40_000_000)]


class Error(BaseModel):
    message: str
    type: str
    param: str | None
    code: str | None


class ErrorReply(BaseModel):
    """The error form of the OpenAI API."""

    error: Error


_REFUSED = {"model": ErrorReply, "description": "What was wrong with the request, and what is allowed"}
_BUSY = {"model": ErrorReply, "description": "The queue is full: come back after Retry-After seconds"}
REFUSALS: dict[int | str, dict[str, Any]] = {"4XX": _REFUSED, 503: _BUSY}
