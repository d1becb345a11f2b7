"""A backend's events passed on as they come, with evidence and corrections where a request wants them, and one clear
error where the backend ends in the middle."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, suppress
from functools import partial
from typing import Any

import anyio
import httpx
from fastapi.responses import StreamingResponse

from nunbit.serving.answer_checks import AnswerCheck
from nunbit.serving.disconnect import CallerGone, until_gone
from nunbit.serving.errors import error_body
from nunbit.serving.gateway.backend import Backend, BackendFailure
from nunbit.serving.gateway.wire import choices_of, completion_tokens, count, json_object
from nunbit.serving.responses import STREAM_END, event

MAX_HELD_CHARS = 1 << 20
"""Characters of answers that are held back for their check."""
CUT = "the backend ended in the middle of its answer"


class Held:
    """Counts the words of answers that wait for their check."""

    def __init__(self) -> None:
        self._chars = 0

    def add(self, words: str) -> str:
        """Count and return words.

        Raises:
            BackendFailure: there are more than `MAX_HELD_CHARS`.
        """
        self._chars += len(words)
        if self._chars > MAX_HELD_CHARS:
            raise BackendFailure(502, error_body("the backend's answer is too long to be checked", "server_error"))
        return words


class Passing:
    """A streamed reply on its way to the caller: what both APIs have in common.

    Args:
        backend: whose reply it is.
        response: the reply.
        warnings: sentences that go along with the first event.
        check: of the answer, where one is wanted; words that it may correct are held back until the answer is complete.

    Attributes:
        tokens: completion tokens that the backend reported.
        failed: whether the answer ended in an error.
    """

    def __init__(
        self,
        backend: Backend,
        response: httpx.Response,
        warnings: Sequence[str] = (),
        check: AnswerCheck | None = None,
    ) -> None:
        self.backend, self.warnings, self.check = backend, list(warnings), check
        self.holds_back = check is not None and check.corrects
        self.tokens, self.failed, self.begun = 0, False, False
        self.ended = False
        self.batches = backend.events(response)
        self.held = Held()

    async def close(self) -> None:
        """Leave the connection so that it can be used again, if the backend has said its last word."""
        if self.ended:
            await self.backend.drain(self.batches)
        await self.batches.aclose()


class Relay(Passing):
    """Passes the events of one chat or text completion on."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._text: dict[int, list[str]] = defaultdict(list)
        self._open: set[int] = set()

    async def events(self) -> AsyncIterator[str]:
        """The events for the caller; those that came together go out together."""
        try:
            async for batch in self.batches:
                out: list[str] = []
                self.ended = await self._passed_on(batch, out)
                yield "".join(out)
                if self.ended:
                    return
        except BackendFailure as e:
            self.failed = True
            yield event(dict(e.body))
            return
        if self.begun and not self._open:  # some servers leave the last event out
            yield STREAM_END
        else:
            self.failed = True
            yield event(error_body(CUT, "server_error", "backend_failed"))

    async def _passed_on(self, batch: Sequence[bytes], out: list[str]) -> bool:
        """Write the caller's events for some of the backend's. Returns whether the stream ends with them."""
        for data in batch:
            if data == b"[DONE]":
                out.append(STREAM_END)
                return True
            chunk = event_object(data)
            if chunk.get("error") is not None:
                self.failed = True
                out.append(event({"error": self.backend.shown_error(chunk["error"])}))
                return True
            async for made in self._passed(chunk):
                out.append(made)
        return False

    async def _passed(self, chunk: dict[str, Any]) -> AsyncIterator[str]:
        """The events that one of the backend's becomes."""
        if "model" in chunk:
            chunk["model"] = self.backend.name
        if self.warnings and not self.begun:
            chunk["nunbit_warnings"] = self.warnings
        usage, self.begun = chunk.get("usage"), True
        if isinstance(usage, dict):
            self.tokens = completion_tokens(usage)
        for choice in choices_of(chunk):
            index = count(choice.get("index"))
            self._open.add(index)
            delta = choice.get("delta")
            words = delta.get("content") if isinstance(delta, dict) else choice.get("text")
            if isinstance(words, str) and self.check is not None:
                self._text[index].append(self.held.add(words))
                if self.holds_back and isinstance(delta, dict):
                    delta["content"] = ""
            if choice.get("finish_reason") is not None:
                self._open.discard(index)
                async for made in self._checked(chunk, choice, index):
                    yield made
        yield event(chunk)

    async def _checked(self, chunk: dict[str, Any], choice: dict[str, Any], index: int) -> AsyncIterator[str]:
        """The held words of a choice that has ended, corrected; what the check found goes into its last event."""
        text = "".join(self._text.pop(index, ()))
        if self.check is None:
            return
        if text.strip():
            made = await self.check(text)
            text = made.text
            choice.update(made.added)
        if self.holds_back and text:
            said = {"index": index, "delta": {"content": text}, "finish_reason": None, "logprobs": None}
            yield event({**chunk, "choices": [said], "usage": None})


class RelayResponse(StreamingResponse):
    """A streamed response that closes what it reads from, also where the caller is gone before the first event.

    Args:
        events: what is sent.
        upstream: what is closed at the end.
    """

    def __init__(self, events: AsyncIterator[str], upstream: AsyncExitStack, headers: dict[str, str]) -> None:
        super().__init__(events, media_type="text/event-stream", headers=headers | {"Cache-Control": "no-store"})
        self._upstream = upstream

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Send the events until they end or the caller is gone."""
        try:
            with suppress(CallerGone):
                await until_gone(receive, partial(self.stream_response, send))
        finally:
            with anyio.CancelScope(shield=True):
                await self._upstream.aclose()


def event_object(data: bytes) -> dict[str, Any]:
    """An event's JSON object.

    Raises:
        BackendFailure: it is none.
    """
    found = json_object(data)
    if found is None:
        raise BackendFailure(502, error_body("the backend sent an event that is no JSON", "server_error"))
    return found
