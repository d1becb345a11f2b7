"""Requests of ``POST /v1/responses`` as far as the server answers them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from nunbit.serving.schemas import DataUri, ImageUrl, RequestModel, Text

Name = Annotated[str, Field(max_length=200)]


class InputPart(RequestModel):
    """A part of an input message or of a function's result: text or a picture."""

    type: Annotated[str, Field(max_length=40)]
    text: Text | None = None
    refusal: Text | None = None
    image_url: DataUri | ImageUrl | None = None
    file_id: Name | None = None
    detail: Name | None = None
    annotations: list[Any] | None = None
    logprobs: list[Any] | None = None


class InputItem(RequestModel):
    """An item of the input: a message, a function call or its result, or an item that an earlier response gave."""

    type: Annotated[str, Field(max_length=60)] = "message"
    role: Literal["system", "developer", "user", "assistant"] | None = None
    content: Text | Annotated[list[InputPart], Field(max_length=256)] | None = None
    id: Name = ""
    status: Name | None = None
    phase: Name | None = None
    call_id: Name = ""
    name: Name = ""
    arguments: Text = ""
    output: Text | Annotated[list[InputPart], Field(max_length=256)] | None = None


class TextFormat(RequestModel):
    """The form of the answer; ``regex`` is an extension of this server."""

    type: Literal["text", "json_object", "json_schema", "regex"]
    name: Name | None = None
    schema_: dict[str, Any] | None = Field(default=None, alias="schema")
    strict: bool | None = None
    description: Text | None = None
    pattern: Annotated[str, Field(max_length=20_000)] | None = None


class TextOptions(RequestModel):
    """Options of the answer's text."""

    format: TextFormat | None = None


class ResponsesRequest(RequestModel):
    """POST /v1/responses. ``seed``, ``evidence``, ``verify`` and ``guard`` are extensions of this server.

    The fields after ``guard`` are taken and have no effect: they steer the accounts and caches of the hosted API.
    """

    model: str | None = None
    input: Text | Annotated[list[InputItem], Field(max_length=512)]
    instructions: Text | None = None
    previous_response_id: Name | None = None
    stream: bool = False
    store: bool = True
    max_output_tokens: Annotated[int, Field(ge=1)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    include: Annotated[list[Name], Field(max_length=32)] = []
    text: TextOptions | None = None
    tools: Annotated[list[dict[str, Any]], Field(max_length=64)] = []
    tool_choice: str | dict[str, Any] = "auto"
    parallel_tool_calls: bool = True
    background: bool = False
    conversation: str | dict[str, Any] | None = None
    prompt: dict[str, Any] | None = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**63)] | None = None
    evidence: bool = False
    verify: bool | None = None
    guard: str | None = None
    metadata: Annotated[dict[str, str], Field(max_length=16)] = {}
    truncation: Name = "disabled"
    user: Name | None = None
    service_tier: Name | None = None
    prompt_cache_key: Name | None = None
    prompt_cache_retention: Name | None = None
    safety_identifier: Name | None = None
    max_tool_calls: int | None = None
    stream_options: dict[str, Any] | None = None
