"""Engine events -> the JSON of the OpenAI API, whole or streamed."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Sequence
from typing import Any

from nunbit.engine.sampling import Logprob
from nunbit.engine.scheduler import RequestOutput

FINISH = {"stop": "stop", "length": "length", "deadline": "length", "cancelled": "stop"}


class Replies:
    """Forms the replies to one request, chat or text completion."""

    def __init__(self, model: str, tokenizer: Any, *, chat: bool, warnings: Sequence[str] = ()) -> None:
        self.chat, self.tokenizer, self.warnings = chat, tokenizer, list(warnings)
        self.base = {
            "id": ("chatcmpl-" if chat else "cmpl-") + uuid.uuid4().hex,
            "created": int(time.time()),
            "model": model,
        }

    def whole(self, results: Sequence[RequestOutput], *, logprobs: bool) -> dict[str, Any]:
        choices = []
        for i, r in enumerate(results):
            said: dict[str, Any] = {"index": i, "finish_reason": FINISH.get(r.finish, "stop")}
            said["logprobs"] = self._logprobs(r.tokens) if logprobs else None
            said |= (
                {"message": {"role": "assistant", "content": r.text, "refusal": None}}
                if self.chat
                else {"text": r.text}
            )
            choices.append(said)
        out = self.base | {
            "object": "chat.completion" if self.chat else "text_completion",
            "choices": choices,
            "usage": usage(results),
        }
        first = min((r.first_s for r in results), default=0.0)
        out["nunbit"] = {
            "first_token_ms": round(1000 * first, 1),
            "total_ms": round(1000 * max(r.total_s for r in results), 1),
        }
        return out | ({"nunbit_warnings": self.warnings} if self.warnings else {})

    def opening(self, index: int) -> str:
        return self._chunk(index, {"role": "assistant", "content": ""}, None)

    def piece(self, index: int, text: str, tokens: Sequence[Logprob], *, logprobs: bool) -> str:
        return self._chunk(index, {"content": text}, None, self._logprobs(tokens) if logprobs else None)

    def closing(self, index: int, result: RequestOutput) -> str:
        return self._chunk(index, {}, FINISH.get(result.finish, "stop"))

    def figures(self, results: Sequence[RequestOutput]) -> str:
        """The last chunk of a stream whose options ask for usage."""
        return _event(self.base | {"object": self._object(), "choices": [], "usage": usage(results)})

    def _chunk(self, index: int, delta: dict[str, Any], finish: str | None, logprobs: Any = None) -> str:
        choice: dict[str, Any] = {"index": index, "finish_reason": finish, "logprobs": logprobs}
        choice |= {"delta": delta} if self.chat else {"text": delta.get("content", "")}
        extra = {"nunbit_warnings": self.warnings} if self.warnings and "role" in delta else {}
        return _event(self.base | {"object": self._object(), "choices": [choice]} | extra)

    def _object(self) -> str:
        return "chat.completion.chunk" if self.chat else "text_completion"

    def _logprobs(self, tokens: Sequence[Logprob]) -> dict[str, Any]:
        if not self.chat:
            return {"tokens": [self._text(t.token) for t in tokens], "token_logprobs": [t.logprob for t in tokens],
                    "top_logprobs": [{self._text(i): p for i, p in t.others} for t in tokens], "text_offset": []}  # fmt: skip
        return {"content": [self._entry(t.token, t.logprob) | {"top_logprobs": [self._entry(i, p) for i, p in t.others]}
                            for t in tokens], "refusal": None}  # fmt: skip

    def _entry(self, token: int, logprob: float) -> dict[str, Any]:
        text = self._text(token)
        return {"token": text, "logprob": max(logprob, -9999.0), "bytes": list(text.encode())}

    def _text(self, token: int) -> str:
        return str(self.tokenizer.decode([token]))


def usage(results: Sequence[RequestOutput]) -> dict[str, Any]:
    """Tokens of all choices; the prompt counts once."""
    prompt, made = results[0].prompt_tokens, sum(len(r.tokens) for r in results)
    return {"prompt_tokens": prompt, "completion_tokens": made, "total_tokens": prompt + made,
            "prompt_tokens_details": {"cached_tokens": results[0].cached_tokens}}  # fmt: skip


def _event(data: dict[str, Any]) -> str:
    return f"data: {json.dumps(data, ensure_ascii=False)}\n\n"


def failure(message: str, kind: str) -> str:
    """An error in the middle of a stream."""
    return _event({"error": {"message": message, "type": kind, "param": None, "code": None}})


DONE = "data: [DONE]\n\n"
