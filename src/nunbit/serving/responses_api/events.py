"""Engine events -> the JSON of a response: whole, or as the events of a stream."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from nunbit.engine.sampling import Logprob
from nunbit.engine.scheduler import RequestOutput, TokenChunk
from nunbit.perception.pipeline import perception_fields
from nunbit.serving.errors import describe_failure
from nunbit.serving.responses import FINISH_REASONS, logprob_entries, usage
from nunbit.serving.responses_api.items import LOGPROBS, RESPONSE, new_item_id
from nunbit.serving.responses_api.schemas import ResponsesRequest
from nunbit.serving.tools import ToolCall, ToolChoice


class ResponseWriter:
    """Writes the response to one request.

    Args:
        body: the request.
        model: the served model's name.
        tokenizer: turns single tokens into text for log probabilities.
        tool_choice: what turns answers into function calls.
        warnings: sentences that go along with the answer.

    Attributes:
        response: the response as it stands.
    """

    def __init__(
        self, body: ResponsesRequest, model: str, tokenizer: Any, tool_choice: ToolChoice, warnings: Sequence[str]
    ) -> None:
        self.tokenizer, self.tool_choice = tokenizer, tool_choice
        self.logprobs = LOGPROBS in body.include or bool(body.top_logprobs)
        self.response = _opened(body, model)
        if warnings:
            self.response["nunbit_warnings"] = list(warnings)
        self._number = 0
        self._spaces = ""

    def opening(self) -> Iterator[str]:
        """The events before the first token."""
        yield self._event("response.created", response=self.response)
        yield self._event("response.in_progress", response=self.response)
        if self.tool_choice.function:
            item = self._call(ToolCall(self.tool_choice.function, ""), "in_progress")
            yield self._event("response.output_item.added", output_index=0, item=item)
        elif not self.tool_choice.forced:
            item = self._message("", "in_progress") | {"content": []}
            yield self._event("response.output_item.added", output_index=0, item=item)
            yield self._of_part("response.content_part.added", part=_text_part("", []))

    def chunk(self, chunk: TokenChunk) -> Iterator[str]:
        """The event of new text. White space waits for the text after it: an answer does not end with it."""
        if self.tool_choice.function:
            yield self._of_item("response.function_call_arguments.delta", self._item_id("fc"), delta=chunk.text)
        elif not self.tool_choice.forced:
            text = self._spaces + chunk.text
            delta = text.rstrip()
            self._spaces = text[len(delta) :]
            tokens = self._logprobs(chunk.tokens)
            if delta or tokens:
                yield self._of_part("response.output_text.delta", delta=delta, logprobs=tokens)

    def closing(self, output: RequestOutput, added: Mapping[str, Any] = MappingProxyType({})) -> Iterator[str]:
        """The last events. The response is whole after them."""
        self.finish(output, added)
        response = self.response
        if output.failed:
            yield self._event("response.failed", response=response)
            return
        for i, item in enumerate(response["output"]):
            if item["type"] == "message":
                part = item["content"][0]
                fields = {"text": part["text"], "logprobs": part.get("logprobs") or []}
                yield self._of_part("response.output_text.done", **fields)
                yield self._of_part("response.content_part.done", part=part)
            else:
                if not self.tool_choice.function:
                    begun = item | {"arguments": "", "status": "in_progress"}
                    yield self._event("response.output_item.added", output_index=i, item=begun)
                    fields = {"delta": item["arguments"]}
                    yield self._of_item("response.function_call_arguments.delta", item["id"], i, **fields)
                fields = {"name": item["name"], "arguments": item["arguments"]}
                yield self._of_item("response.function_call_arguments.done", item["id"], i, **fields)
            yield self._event("response.output_item.done", output_index=i, item=item)
        yield self._event(f"response.{response['status']}", response=response)

    def finish(self, output: RequestOutput, added: Mapping[str, Any] = MappingProxyType({})) -> dict[str, Any]:
        """Enter a finished answer and what its check found into the response. Returns the response."""
        response = self.response
        if output.failed:
            message, kind, _ = describe_failure(output)
            code = "server_error" if kind == "server_error" else "invalid_prompt"
            response |= {"status": "failed", "error": {"code": code, "message": message}}
            return response
        cut = FINISH_REASONS.get(output.finish) == "length"
        status = "incomplete" if cut else "completed"
        response |= {"status": status, "completed_at": None if cut else int(time.time())}
        if cut:
            response["incomplete_details"] = {"reason": "max_output_tokens"}
        response["output"] = self._items(output, status)
        response["usage"] = _usage(output)
        response["nunbit"] = {
            "first_token_ms": round(1000 * output.ttft_s, 1),
            "total_ms": round(1000 * output.total_s, 1),
        } | perception_fields(output.scenes)
        response |= added
        return response

    def _items(self, output: RequestOutput, status: str) -> list[dict[str, Any]]:
        if not self.tool_choice.forced:
            return [self._message(output.text, status, output.tokens)]
        return [self._call(call, status, i) for i, call in enumerate(self.tool_choice.calls(output.text))]

    def _message(self, text: str, status: str, tokens: Sequence[Logprob] = ()) -> dict[str, Any]:
        content = [_text_part(text, self._logprobs(tokens))]
        return {
            "id": self._item_id("msg"),
            "type": "message",
            "role": "assistant",
            "status": status,
            "content": content,
        }

    def _call(self, call: ToolCall, status: str, index: int = 0) -> dict[str, Any]:
        return {
            "id": self._item_id("fc", index),
            "type": "function_call",
            "status": status,
            "call_id": self._item_id("call", index),
            "name": call.name,
            "arguments": call.arguments,
        }

    def _item_id(self, kind: str, index: int = 0) -> str:
        return new_item_id(kind, self.response["id"], index)

    def _logprobs(self, tokens: Sequence[Logprob]) -> list[dict[str, Any]]:
        return logprob_entries(self.tokenizer, tokens) if self.logprobs else []

    def _of_part(self, kind: str, **fields: Any) -> str:
        return self._of_item(kind, self._item_id("msg"), content_index=0, **fields)

    def _of_item(self, kind: str, item_id: str, output_index: int = 0, **fields: Any) -> str:
        return self._event(kind, item_id=item_id, output_index=output_index, **fields)

    def _event(self, kind: str, **fields: Any) -> str:
        data = {"type": kind, "sequence_number": self._number} | fields
        self._number += 1
        return f"event: {kind}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"


def _text_part(text: str, logprobs: list[dict[str, Any]]) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": logprobs}


def _usage(output: RequestOutput) -> dict[str, Any]:
    counted = usage([output])
    return {
        "input_tokens": counted["prompt_tokens"],
        "input_tokens_details": {"cached_tokens": output.cached_tokens, "cache_write_tokens": 0},
        "output_tokens": counted["completion_tokens"],
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": counted["total_tokens"],
    }


def _opened(body: ResponsesRequest, model: str) -> dict[str, Any]:
    """A response before its answer: what the request said, with the values that take effect."""
    form = body.text.format if body.text else None
    return {
        "id": RESPONSE + uuid.uuid4().hex,
        "object": "response",
        "created_at": int(time.time()),
        "completed_at": None,
        "status": "in_progress",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": body.instructions,
        "max_output_tokens": body.max_output_tokens,
        "model": model,
        "output": [],
        "parallel_tool_calls": body.parallel_tool_calls,
        "previous_response_id": body.previous_response_id,
        "reasoning": {"effort": None, "summary": None},
        "store": body.store,
        "temperature": body.temperature or 0.0,
        "text": {"format": form.model_dump(by_alias=True, exclude_none=True) if form else {"type": "text"}},
        "tool_choice": body.tool_choice,
        "tools": [{"strict": None, "parameters": None} | tool for tool in body.tools],
        "top_logprobs": body.top_logprobs or 0,
        "top_p": body.top_p or 1.0,
        "truncation": "disabled",
        "usage": None,
        "user": body.user,
        "metadata": body.metadata,
    }
