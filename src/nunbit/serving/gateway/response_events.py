"""A backend's events of the Responses API passed on, with evidence and corrections where a request wants them.

Every text of the output is checked when it is complete; what the check of the last one found stands in the response.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

from nunbit.serving.errors import error_body
from nunbit.serving.gateway.backend import BackendFailure
from nunbit.serving.gateway.streaming import CUT, Passing, event_object
from nunbit.serving.gateway.wire import count
from nunbit.serving.responses import STREAM_END, event

LAST_EVENTS = ("response.completed", "response.incomplete", "response.failed")
Place = tuple[int, int]
"""The number of an item of the output, and of a part of its content."""


def texts_of(response: Any) -> Iterator[dict[str, Any]]:
    """The parts of a response's output that hold text of the model, empty ones left out."""
    yield from (part for _, part in _placed(response))


def _placed(response: Any) -> Iterator[tuple[Place, dict[str, Any]]]:
    output = response.get("output") if isinstance(response, dict) else None
    for i, item in enumerate(output if isinstance(output, list) else ()):
        yield from (((i, j), part) for j, part in _parts(item))


def _parts(item: Any) -> Iterator[tuple[int, dict[str, Any]]]:
    content = item.get("content") if isinstance(item, dict) and item.get("type") == "message" else None
    for j, part in enumerate(content if isinstance(content, list) else ()):
        if _is_text(part) and part["text"].strip():
            yield j, part


def _is_text(part: Any) -> bool:
    return isinstance(part, dict) and part.get("type") == "output_text" and isinstance(part.get("text"), str)


class ResponseRelay(Passing):
    """Passes the events of one response on; without a check they go on as they are."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._corrected: dict[Place, str] = {}
        self._added: dict[str, Any] = {}
        self._number = 0

    async def events(self) -> AsyncIterator[str]:
        """The events for the caller, with their types."""
        try:
            async for batch in self.batches:
                out = [made for data in batch async for made in self._passed(data)]
                yield "".join(out)
        except BackendFailure as e:
            self.failed = True
            yield f"event: error\n{event({'type': 'error', **e.body['error']})}"
            return
        if not self.ended:
            self.failed = True
            error = error_body(CUT, "server_error", "backend_failed")["error"]
            yield f"event: error\n{event({'type': 'error', **error})}"

    async def _passed(self, data: bytes) -> AsyncIterator[str]:
        """The events that one of the backend's becomes."""
        if data == b"[DONE]":  # of servers that end as a chat does
            self.ended = True
            yield STREAM_END
            return
        found = event_object(data)
        kind = found.get("type")
        response = found.get("response")
        if isinstance(response, dict) and "model" in response:
            response["model"] = self.backend.name
        if kind == "error" or found.get("error") is not None:
            self.failed = self.ended = True
            shown = self.backend.shown_error(found["error"] if found.get("error") is not None else found)
            yield self._written("error", {"type": "error", **shown})
            return
        if self.check is not None:
            async for made in self._checked(str(kind), found):
                yield made
            if self.holds_back and kind == "response.output_text.delta":
                return
        if kind in LAST_EVENTS and isinstance(response, dict):
            self.ended, self.failed = True, kind == "response.failed"
            usage = response.get("usage")
            self.tokens = count(usage.get("output_tokens")) if isinstance(usage, dict) else 0
            response.update(self._added)
            if self.warnings:
                response["nunbit_warnings"] = self.warnings
        yield self._written(kind if isinstance(kind, str) else "", found)

    async def _checked(self, kind: str, found: dict[str, Any]) -> AsyncIterator[str]:
        """Check a text that is complete, and write the corrected one wherever an event repeats it."""
        at = count(found.get("output_index")), count(found.get("content_index"))
        if kind == "response.output_text.delta" and isinstance(found.get("delta"), str):
            self.held.add(found["delta"])
        elif kind == "response.output_text.done" and isinstance(found.get("text"), str):
            self._corrected[at] = await self._check_text(found["text"])
            if self.holds_back and self._corrected[at]:
                delta = {k: v for k, v in found.items() if k != "text"} | {"delta": self._corrected[at], "logprobs": []}
                yield self._written("response.output_text.delta", delta | {"type": "response.output_text.delta"})
            found["text"] = self._corrected[at]
        elif kind == "response.content_part.done" and _is_text(found.get("part")):
            found["part"]["text"] = self._corrected.get(at, found["part"]["text"])
        elif kind == "response.output_item.done":
            for j, part in _parts(found.get("item")):
                part["text"] = self._corrected.get((at[0], j), part["text"])
        elif kind in LAST_EVENTS:
            for place, part in _placed(found.get("response")):
                if place not in self._corrected:  # of a server that has texts only here
                    self._corrected[place] = await self._check_text(part["text"])
                part["text"] = self._corrected[place]

    async def _check_text(self, text: str) -> str:
        if self.check is None or not text.strip():
            return text
        made = await self.check(text)
        self._added = made.added
        return made.text

    def _written(self, kind: str, data: dict[str, Any]) -> str:
        """An event; where some are held back, the numbers of the others still follow one another."""
        if self.holds_back and "sequence_number" in data:
            data["sequence_number"] = self._number
        self._number += 1
        named = f"event: {kind}\n" if kind.isprintable() and kind else ""
        return f"{named}{event(data)}"
