"""A backend's events passed on as they come, with evidence and corrections where a request wants them, and one clear
error where the backend ends in the middle."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

import anyio
import httpx
from fastapi.responses import StreamingResponse

from nunbit.serving.answer_checks import FindEvidence, Revise
from nunbit.serving.disconnect import until_gone
from nunbit.serving.errors import error_body
from nunbit.serving.gateway.backend import Backend, BackendFailure
from nunbit.serving.gateway.wire import choices_of, completion_tokens, count, read_json, written_again
from nunbit.serving.responses import STREAM_END, event

MAX_HELD_CHARS = 1 << 20
"""Characters of answers that are held back for their check."""
CUT = "the backend ended in the middle of its answer"


class Relay:
    """Passes the events of one chat or text completion on.

    Args:
        backend: whose reply it is.
        response: the reply.
        warnings: sentences that go along with the first event.
        find_evidence, revise: of `nunbit.serving.answer_checks`; with the second the words are held back until the
            answer is complete.

    Attributes:
        tokens: completion tokens that the backend reported.
        failed: whether the answer ended in an error.
    """

    def __init__(
        self,
        backend: Backend,
        response: httpx.Response,
        warnings: Sequence[str] = (),
        find_evidence: FindEvidence | None = None,
        revise: Revise | None = None,
    ) -> None:
        self.backend, self.response, self.warnings = backend, response, list(warnings)
        self.find_evidence, self.revise = find_evidence, revise
        self.tokens, self.failed = 0, False
        self._text: dict[int, list[str]] = defaultdict(list)
        self._held = 0
        self._open: set[int] = set()
        self._begun = False

    async def events(self) -> AsyncIterator[str]:
        """The events for the caller; those that came together go out together."""
        try:
            async for batch in self.backend.events(self.response):
                out: list[str] = []
                ended = await self._passed_on(batch, out)
                yield "".join(out)
                if ended:
                    return
        except BackendFailure as e:
            self.failed = True
            yield event(dict(e.body))
            return
        if self._begun and not self._open:  # some servers leave the last event out
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
            chunk = _object(data)
            if chunk.get("error") is not None:
                self.failed = True
                out.append(event({"error": self.backend.shown_error(chunk["error"])}))
                return True
            async for made in self._passed(chunk):
                out.append(made)
        return False

    async def untouched(self) -> AsyncIterator[str]:
        """The events as they are, their types with them."""
        try:
            async for lines in self.backend.lines(self.response):
                yield "".join(written_again(line) + "\n" for line in lines)
        except BackendFailure as e:
            failed = {"type": "error", **e.body["error"]}
            yield f"event: error\n{event(failed)}"

    async def _passed(self, chunk: dict[str, Any]) -> AsyncIterator[str]:
        """The events that one of the backend's becomes."""
        if "model" in chunk:
            chunk["model"] = self.backend.name
        if self.warnings and not self._begun:
            chunk["nunbit_warnings"] = self.warnings
        usage, self._begun = chunk.get("usage"), True
        if isinstance(usage, dict):
            self.tokens = completion_tokens(usage)
        for choice in choices_of(chunk):
            index = count(choice.get("index"))
            self._open.add(index)
            delta = choice.get("delta")
            words = delta.get("content") if isinstance(delta, dict) else choice.get("text")
            if isinstance(words, str) and (self.revise or self.find_evidence):
                self._hold(index, words)
                if self.revise is not None and isinstance(delta, dict):
                    delta["content"] = ""
            if choice.get("finish_reason") is not None:
                self._open.discard(index)
                async for made in self._checked(chunk, choice, index):
                    yield made
        yield event(chunk)

    def _hold(self, index: int, words: str) -> None:
        self._held += len(words)
        if self._held > MAX_HELD_CHARS:
            raise BackendFailure(502, error_body("the backend's answer is too long to be checked", "server_error"))
        self._text[index].append(words)

    async def _checked(self, chunk: dict[str, Any], choice: dict[str, Any], index: int) -> AsyncIterator[str]:
        """The held words of a choice that has ended, corrected; its evidence and corrections go into its last event."""
        text = "".join(self._text.pop(index, ()))
        if self.revise is not None and text.strip():
            made = await self.revise(text, ())
            choice["verification"], text = made.to_json(), made.answer
        if self.revise is not None and text:
            said = {"index": index, "delta": {"content": text}, "finish_reason": None, "logprobs": None}
            yield event({**chunk, "choices": [said], "usage": None})
        if self.find_evidence is not None:
            choice["evidence"] = await self.find_evidence(text, ())


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
            await until_gone(receive, partial(self.stream_response, send))
        finally:
            with anyio.CancelScope(shield=True):
                await self._upstream.aclose()


def _object(data: bytes) -> dict[str, Any]:
    """An event's JSON object.

    Raises:
        BackendFailure: it is none.
    """
    try:
        read = read_json(data)
    except (ValueError, RecursionError):
        read = None
    if not isinstance(read, dict):
        raise BackendFailure(502, error_body("the backend sent an event that is no JSON", "server_error"))
    return read
