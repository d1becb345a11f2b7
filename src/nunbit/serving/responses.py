"""Engine events -> the JSON of the OpenAI API, whole or streamed."""

from __future__ import annotations

import json
import time
import unicodedata
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from nunbit.engine.sampling import Logprob
from nunbit.engine.scheduler import RequestOutput, TokenChunk
from nunbit.engine.token_bytes import token_bytes
from nunbit.perception.pipeline import perception_fields
from nunbit.serving.tools import ToolChoice

FINISH_REASONS = {"stop": "stop", "length": "length", "deadline": "length", "cancelled": "stop"}
STREAM_END = "data: [DONE]\n\n"
MIN_LOGPROB = -9999.0
"""JSON has no minus infinity."""


@dataclass(frozen=True, slots=True)
class EchoedPrompt:
    """A prompt that the response repeats.

    Attributes:
        text: as it was sent.
        ids: its tokens.
        logprobs: of all its tokens but the first; empty where none were asked for.
    """

    text: str
    ids: Sequence[int]
    logprobs: Sequence[Logprob] = ()


class ResponseFormatter:
    """Writes the responses to one request, for a chat or for text completions.

    Args:
        model: the served model's name.
        tokenizer: turns single tokens into text for log probabilities.
        chat: chat completions instead of text completions.
        choices_per_prompt: ``n`` of the request; choice ``i`` belongs to prompt ``i // n``.
        logprobs: whether log probabilities are reported.
        warnings: sentences that go along with the answer.
        tool_choice: what turns answers into tool calls.
        echo: the prompts, where the response repeats them.

    Attributes:
        include_usage: whether a stream ends with its usage; the other events then say that they have none.
    """

    def __init__(
        self,
        model: str,
        tokenizer: Any,
        *,
        chat: bool,
        choices_per_prompt: int = 1,
        logprobs: bool = False,
        warnings: Sequence[str] = (),
        tool_choice: ToolChoice = ToolChoice(),
        echo: Sequence[EchoedPrompt] = (),
    ) -> None:
        self.chat, self.tokenizer, self.warnings = chat, tokenizer, list(warnings)
        self.choices_per_prompt, self.logprobs = choices_per_prompt, logprobs
        self.tool_choice, self.echo = tool_choice, echo
        self.base = {"id": _new_id("chatcmpl-" if chat else "cmpl-"), "created": int(time.time()), "model": model}
        self._before: dict[int, bytes] = {}
        self.include_usage = False

    def whole(
        self,
        outputs: Sequence[RequestOutput],
        added: Mapping[int, Mapping[str, Any]] = MappingProxyType({}),
    ) -> dict[str, Any]:
        """The response that is not streamed, from one output for each choice, with what the check of each found."""
        choices = [self._choice(i, output) | dict(added.get(i, {})) for i, output in enumerate(outputs)]
        kind = "chat.completion" if self.chat else "text_completion"
        response = self.base | {"object": kind, "choices": choices, "usage": usage(outputs, self.choices_per_prompt)}
        response["nunbit"] = {
            "first_token_ms": round(1000 * min((o.ttft_s for o in outputs), default=0.0), 1),
            "total_ms": round(1000 * max((o.total_s for o in outputs), default=0.0), 1),
        } | (perception_fields(outputs[0].scenes) if outputs else {})
        return response | ({"nunbit_warnings": self.warnings} if self.warnings else {})

    def opening(self, index: int) -> str:
        """The first event of a choice: the role, the echoed prompt, or the named function of a forced call."""
        if not self.chat:
            prompt = self._echoed(index)
            logprobs = self._logprobs(index, ()) if self.logprobs and prompt is not None else None
            return self._event(index, {"content": prompt.text if prompt else ""}, None, logprobs, first=True)
        delta: dict[str, Any] = {"role": "assistant", "content": None if self.tool_choice.forced else ""}
        if self.tool_choice.function:
            delta["tool_calls"] = [{"index": 0, **_call(self.tool_choice.function, "")}]
        return self._event(index, delta, None, first=True)

    def chunk(self, index: int, chunk: TokenChunk) -> str:
        """An event with new text. Text of a forced call that names its function itself waits for `closing`."""
        delta: dict[str, Any] = {"content": chunk.text}
        if self.tool_choice.function:
            delta = {"tool_calls": [{"index": 0, "function": {"arguments": chunk.text}}]}
        elif self.tool_choice.forced:
            delta = {}
        return self._event(index, delta, None, self._logprobs(index, chunk.tokens) if self.logprobs else None)

    def closing(self, index: int, output: RequestOutput, added: Mapping[str, Any] = MappingProxyType({})) -> str:
        """The last event of a choice, with its evidence and its corrections where the request asks for them."""
        delta: dict[str, Any] = {}
        if self.tool_choice.forced and not self.tool_choice.function:
            calls = [_call(c.name, c.arguments) for c in self.tool_choice.calls(output.text)]
            delta = {"tool_calls": [{"index": i, **call} for i, call in enumerate(calls)]}
        failed = perception_fields(output.scenes)
        extra = {"nunbit": failed} if failed else {}
        return self._event(index, delta, self._finish_reason(output), added=added, extra=extra)

    def final_usage(self, outputs: Sequence[RequestOutput]) -> str:
        """The event with the tokens of all choices, where the request asks for it."""
        return event(
            self.base
            | {"object": self._chunk_object(), "choices": [], "usage": usage(outputs, self.choices_per_prompt)}
        )

    def _choice(self, index: int, output: RequestOutput) -> dict[str, Any]:
        choice: dict[str, Any] = {"index": index, "finish_reason": self._finish_reason(output)}
        choice["logprobs"] = self._logprobs(index, output.tokens) if self.logprobs else None
        if not self.chat:
            prompt = self._echoed(index)
            return choice | {"text": (prompt.text if prompt else "") + output.text}
        message: dict[str, Any] = {"role": "assistant", "content": output.text, "refusal": None}
        if self.tool_choice.forced:
            calls = [_call(c.name, c.arguments) for c in self.tool_choice.calls(output.text)]
            message |= {"content": None, "tool_calls": calls}
        return choice | {"message": message}

    def _finish_reason(self, output: RequestOutput) -> str:
        reason = FINISH_REASONS.get(output.finish, "stop")
        called = self.tool_choice.forced and not self.tool_choice.function  # OpenAI: a named function ends with "stop"
        return "tool_calls" if called and reason == "stop" else reason

    def _event(
        self,
        index: int,
        delta: dict[str, Any],
        finish: str | None,
        logprobs: Any = None,
        *,
        first: bool = False,
        added: Mapping[str, Any] = MappingProxyType({}),
        extra: Mapping[str, Any] = MappingProxyType({}),
    ) -> str:
        choice: dict[str, Any] = {"index": index, "finish_reason": finish, "logprobs": logprobs}
        choice |= added
        choice |= {"delta": delta} if self.chat else {"text": delta.get("content", "")}
        warned = {"nunbit_warnings": self.warnings} if self.warnings and first else {}
        unused = {"usage": None} if self.include_usage else {}
        return event(self.base | {"object": self._chunk_object(), "choices": [choice]} | unused | warned | dict(extra))

    def _chunk_object(self) -> str:
        return "chat.completion.chunk" if self.chat else "text_completion"

    def _echoed(self, index: int) -> EchoedPrompt | None:
        return self.echo[index // self.choices_per_prompt] if self.echo else None

    def _logprobs(self, index: int, tokens: Sequence[Logprob]) -> dict[str, Any]:
        """Log probabilities of new tokens; before the first ones of a text completion come those of the echoed
        prompt."""
        if self.chat:
            return {"content": logprob_entries(self.tokenizer, tokens), "refusal": None}
        ids, values = [t.token for t in tokens], [max(t.logprob, MIN_LOGPROB) for t in tokens]
        tops: list[dict[str, float] | None] = [
            {self._text(i): max(p, MIN_LOGPROB) for i, p in t.others} for t in tokens
        ]
        prompt = self._echoed(index)
        if prompt is not None and index not in self._before:
            before = self._prompt_logprobs(prompt)
            ids, values, tops = [*prompt.ids, *ids], [*before[0], *values], [*before[1], *tops]
        texts: list[str] = []
        offsets: list[int] = []
        for i in ids:
            data = token_bytes(self.tokenizer).of(i)
            if prompt is not None and index not in self._before and not prompt.text.startswith(" "):
                data = data.removeprefix(b" ")  # which the tokenizer put before the first word
            so_far = self._before.get(index, b"")
            offsets.append(len(unicodedata.normalize("NFC", so_far.decode(errors="ignore"))))
            texts.append(_shown(data))
            self._before[index] = so_far + data
        return {"tokens": texts, "token_logprobs": values, "top_logprobs": tops, "text_offset": offsets}

    def _prompt_logprobs(self, prompt: EchoedPrompt) -> tuple[list[Any], list[Any]]:
        """Values and alternatives of a prompt's tokens; the first has none, as nothing precedes it."""
        values = [max(t.logprob, MIN_LOGPROB) for t in prompt.logprobs]
        tops = [{self._text(i): max(p, MIN_LOGPROB) for i, p in t.others} for t in prompt.logprobs]
        return [None, *values], [None, *tops]

    def _text(self, token: int) -> str:
        return _shown(token_bytes(self.tokenizer).of(token))


def logprob_entries(tokenizer: Any, tokens: Sequence[Logprob]) -> list[dict[str, Any]]:
    """Log probabilities of a chat's tokens, each with its alternatives."""

    def entry(token: int, logprob: float) -> dict[str, Any]:
        data = token_bytes(tokenizer).of(token)
        return {"token": _shown(data), "logprob": max(logprob, MIN_LOGPROB), "bytes": list(data)}

    return [entry(t.token, t.logprob) | {"top_logprobs": [entry(i, p) for i, p in t.others]} for t in tokens]


def usage(outputs: Sequence[RequestOutput], choices_per_prompt: int = 1) -> dict[str, Any]:
    """Tokens of a request: every prompt once, however many answers it has, and all answers."""
    prompts = outputs[::choices_per_prompt]
    read, written = sum(o.prompt_tokens for o in prompts), sum(len(o.tokens) for o in outputs)
    details = {"cached_tokens": sum(o.cached_tokens for o in prompts)}
    return {
        "prompt_tokens": read,
        "completion_tokens": written,
        "total_tokens": read + written,
        "prompt_tokens_details": details,
    }


def event(data: dict[str, Any]) -> str:
    """A server-sent event."""
    return f"data: {json.dumps(data, ensure_ascii=False)}\n\n"


def _shown(data: bytes) -> str:
    """Bytes of a token as text; a part of a character in the form that OpenAI's API has for it."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return "bytes:" + "".join(f"\\x{b:02x}" for b in data)


def _call(name: str, arguments: str) -> dict[str, Any]:
    return {"id": _new_id("call_"), "type": "function", "function": {"name": name, "arguments": arguments}}


def _new_id(prefix: str) -> str:
    return prefix + uuid.uuid4().hex
