"""Items of a Responses request -> a chat request, and items of an answer -> turns of the next one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from nunbit.serving.errors import RequestError
from nunbit.serving.responses_api.schemas import InputItem, InputPart, ResponsesRequest, TextFormat
from nunbit.serving.schemas import ChatMessage, ChatRequest, ContentPart, ImageUrl, JsonSchema, ResponseFormat

RESPONSE = "resp_"
"""How the id of a response begins."""
LOGPROBS = "message.output_text.logprobs"
"""What ``include`` holds where log probabilities are asked for."""
Lookup = Callable[[str], list[ChatMessage]]
"""The id of an item that an earlier response gave -> its turns."""


def check_supported(body: ResponsesRequest) -> None:
    """Refuse what would make another answer than the caller expects.

    Raises:
        RequestError: a field of the hosted API that this server does not have.
    """
    if body.background:
        raise RequestError(
            "background=true", allowed="answers that the request waits for, whole or streamed", param="background"
        )
    for name in ("conversation", "prompt"):
        if getattr(body, name) is not None:
            raise RequestError(
                f"'{name}', which names something kept by the hosted API",
                allowed="previous_response_id, or the whole conversation in 'input'",
                param=name,
            )


def turns_of(body: ResponsesRequest, lookup: Lookup) -> list[ChatMessage]:
    """The turns of a request's ``input``, without ``instructions``.

    Args:
        lookup: finds the items that an ``item_reference`` names.

    Raises:
        RequestError: an item or a part that this server does not take.
    """
    if isinstance(body.input, str):
        return [ChatMessage(role="user", content=body.input)]
    return [turn for i, item in enumerate(body.input) for turn in _turns(item, i, lookup)]


def _turns(item: InputItem, index: int, lookup: Lookup) -> list[ChatMessage]:
    if item.type == "message" and item.role is not None and item.content is not None:
        return [ChatMessage(role=item.role, content=_content(item.content, f"input.{index}"))]
    if item.type == "function_call":
        function = {"name": item.name, "arguments": item.arguments}
        call = {"id": item.call_id, "type": "function", "function": function}
        return [ChatMessage(role="assistant", tool_calls=[call])]
    if item.type == "function_call_output":
        content = _content(item.output or "", f"input.{index}")
        return [ChatMessage(role="tool", content=content, tool_call_id=item.call_id, name=item.name)]
    if item.type == "item_reference":
        return lookup(item.id)
    if item.type == "reasoning":  # thoughts of an earlier answer: this server writes none, and a model reads none
        return []
    if item.type == "message":
        raise RequestError(
            f"a message without {'content' if item.role else 'a role'}",
            allowed='{"role": "user", "content": ...}',
            param=f"input.{index}",
        )
    raise RequestError(
        f"an input item of type '{item.type}'",
        allowed="message, function_call, function_call_output and item_reference",
        param=f"input.{index}",
    )


def _content(content: str | Sequence[InputPart], place: str) -> str | list[ContentPart]:
    return content if isinstance(content, str) else [_part(p, place) for p in content]


def _part(part: InputPart, place: str) -> ContentPart:
    if part.type in ("input_text", "output_text", "text", "refusal"):
        return ContentPart(type="text", text=part.text or part.refusal or "")
    if part.type in ("input_image", "image_url"):
        if part.image_url is None:
            given = (
                "a picture by its file_id: this server keeps no files" if part.file_id else "a picture without a source"
            )
            raise RequestError(
                given,
                allowed='{"type": "input_image", "image_url": "data:image/png;base64,..."}',
                param=place,
            )
        url = part.image_url if isinstance(part.image_url, ImageUrl) else ImageUrl(url=part.image_url)
        return ContentPart(type="image_url", image_url=url)
    raise RequestError(
        f"a content part of type '{part.type}'", allowed="input_text and input_image (with its image_url)", param=place
    )


def chat_request_of(body: ResponsesRequest, turns: Sequence[ChatMessage]) -> ChatRequest:
    """The chat request that asks the same.

    Args:
        turns: of earlier responses and of this request.

    Raises:
        RequestError: no turns, tools that are no functions, or an unknown ``tool_choice``.
    """
    if not turns:
        raise RequestError("an empty input", allowed="text, or a list with at least one message", param="input")
    messages = [ChatMessage(role="system", content=body.instructions)] if body.instructions else []
    tools, tool_choice = _tools(body)
    return ChatRequest(
        model=body.model,
        messages=[*messages, *turns],
        stream=body.stream,
        max_completion_tokens=body.max_output_tokens,
        temperature=body.temperature,
        top_p=body.top_p,
        logprobs=LOGPROBS in body.include or bool(body.top_logprobs),
        top_logprobs=body.top_logprobs,
        response_format=_response_format(body.text.format if body.text else None),
        tools=tools,
        tool_choice=tool_choice,
        parallel_tool_calls=body.parallel_tool_calls,
        seed=body.seed,
        evidence=body.evidence,
        verify=body.verify,
        guard=body.guard,
    )


def _response_format(form: TextFormat | None) -> ResponseFormat | None:
    if form is None:
        return None
    schema = JsonSchema(name=form.name, schema=form.schema_) if form.type == "json_schema" else None
    return ResponseFormat(type=form.type, json_schema=schema, pattern=form.pattern)


def _tools(body: ResponsesRequest) -> tuple[list[dict[str, Any]], str | dict[str, Any] | None]:
    """Tools and ``tool_choice`` in the form that chat requests have."""
    for tool in body.tools:
        if tool.get("type") != "function":
            raise RequestError(
                f"a tool of type '{str(tool.get('type'))[:40]}', which the hosted API runs itself",
                allowed='functions of your own: {"type": "function", "name": ..., "parameters": {...}}',
                param="tools",
            )
    choice = body.tool_choice
    if isinstance(choice, dict) and choice.get("type") == "allowed_tools":
        listed = choice.get("tools")
        named = [_chat_choice(t) for t in listed if isinstance(t, dict)] if isinstance(listed, list) else []
        choice = {"type": "allowed_tools", "allowed_tools": {"mode": choice.get("mode") or "auto", "tools": named}}
    elif isinstance(choice, dict):
        choice = _chat_choice(choice)
    return _chat_tools(body.tools), choice if body.tools or choice not in ("auto", "none") else None


def _chat_choice(choice: dict[str, Any]) -> dict[str, Any]:
    """A named tool in the form that chat requests have."""
    return {"type": choice.get("type"), "function": {"name": choice.get("name")}}


def _chat_tools(tools: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    keys = ("name", "description", "parameters", "strict")
    return [{"type": "function", "function": {k: t[k] for k in keys if t.get(k) is not None}} for t in tools]


def turns_of_output(output: Sequence[dict[str, Any]]) -> list[ChatMessage]:
    """The turns that the output items of a response are in the next request."""
    turns = []
    for item in output:
        if item["type"] == "function_call":
            function = {"name": item["name"], "arguments": item["arguments"]}
            call = {"id": item["call_id"], "type": "function", "function": function}
            turns.append(ChatMessage(role="assistant", tool_calls=[call]))
        else:
            turns.append(ChatMessage(role="assistant", content="".join(part["text"] for part in item["content"])))
    return turns


def new_item_id(kind: str, response_id: str, index: int) -> str:
    """The id of an output item. It names its response, so that a reference to the item finds it."""
    return f"{kind}_{response_id.removeprefix(RESPONSE)}_{index}"


def response_of_item(item_id: str) -> str:
    """The id of the response that gave an item."""
    return RESPONSE + item_id.partition("_")[2].rpartition("_")[0]
