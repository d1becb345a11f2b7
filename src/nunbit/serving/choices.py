"""The answers to one request: engine events brought to the event loop, and cancelled together when the caller is
gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from fastapi import Request

from nunbit.engine.request import PreparedPrompt
from nunbit.engine.sampling import SamplingParams
from nunbit.engine.scheduler import Engine, Event, RequestOutput, TokenChunk
from nunbit.engine.scheduler import Request as EngineRequest
from nunbit.errors import UserError
from nunbit.serving.answer_checks import AnswerCheck
from nunbit.serving.disconnect import disconnected
from nunbit.serving.errors import describe_failure, error_body
from nunbit.serving.responses import STREAM_END, ResponseFormatter, event

Job = tuple[PreparedPrompt, SamplingParams | None]
"""A prompt and how it is answered; None where nothing is generated (``max_tokens=0``)."""


class ChoiceStream:
    """Runs the answers to one request in the engine.

    Args:
        engine: answers them.
        jobs: one for each choice.
        on_output: called with every finished answer, from the engine's thread.
        check: of finished answers, where the request asks for one.

    Attributes:
        count: of the choices.
        outputs, added: finished answers, and what their check found, by the number of their choice.
    """

    def __init__(
        self,
        engine: Engine,
        jobs: Sequence[Job],
        on_output: Callable[[RequestOutput], None],
        check: AnswerCheck | None = None,
    ) -> None:
        self.engine, self.on_output, self._check = engine, on_output, check
        self.holds_back = check is not None and check.corrects
        self.count, self._jobs = len(jobs), list(jobs)
        self.outputs: dict[int, RequestOutput] = {}
        self.added: dict[int, dict[str, Any]] = {}
        self._events: asyncio.Queue[tuple[int, Event]] = asyncio.Queue()
        self._requests: list[EngineRequest] = []
        self._loop = asyncio.get_running_loop()

    def submit(self) -> None:
        """Queue every answer. Blocks for a moment: call it in a worker thread.

        Raises:
            UserError: the engine refused one; the others are cancelled.
        """
        try:
            for i in range(self.count):
                prompt, sampling = self._jobs[i]
                if sampling is None:
                    self._receive(i, RequestOutput("", "length", len(prompt.ids), []))
                else:
                    self._requests.append(self.engine.submit(prompt, sampling, partial(self._receive, i)))
        except UserError:
            self.cancel()
            raise
        self._jobs.clear()

    def _receive(self, index: int, item: Event) -> None:
        if isinstance(item, RequestOutput):
            self.on_output(item)
        self._loop.call_soon_threadsafe(self._events.put_nowait, (index, item))

    async def next(self) -> tuple[int, Event]:
        """The next event and the index of its choice."""
        index, item = await self._events.get()
        if isinstance(item, RequestOutput):
            if self._check is not None and not item.failed:
                checked = await self._check(item.text, item.scenes)
                item = replace(item, text=checked.text)  # its tokens stay: they were made, and count
                self.added[index] = checked.added
            self.outputs[index] = item
        return index, item

    @property
    def complete(self) -> bool:
        """Whether every answer has ended."""
        return len(self.outputs) == self.count

    @property
    def ordered(self) -> list[RequestOutput]:
        """The finished answers in the order of the choices."""
        return [self.outputs[i] for i in sorted(self.outputs)]

    async def wait(self, request: Request) -> list[RequestOutput]:
        """Wait for every answer; cancel them when the caller disconnects."""
        gone = asyncio.create_task(disconnected(request.receive))
        try:
            while not self.complete:
                item = asyncio.create_task(self.next())
                await asyncio.wait({item, gone}, return_when=asyncio.FIRST_COMPLETED)
                if not item.done():
                    self.cancel()
                    await item
            return self.ordered
        finally:
            gone.cancel()
            self.cancel()

    def cancel(self) -> None:
        """Stop all answers that still run, and let go of everything. A request leads back to this object, and the error
        that ends an abandoned stream leads to the frames that hold it: Python frees such circles only when it searches
        for them, which a server with a million objects seldom does."""
        while self._requests:
            self._requests.pop().cancel()
        self._jobs.clear()
        self.outputs.clear()


async def stream_events(choices: ChoiceStream, formatter: ResponseFormatter) -> AsyncIterator[str]:
    """The server-sent events of a streamed response. A caller who disconnects ends the work."""
    try:
        for i in range(choices.count):
            yield formatter.opening(i)
        while not choices.complete:
            i, item = await choices.next()
            if isinstance(item, TokenChunk):
                if not choices.holds_back:
                    yield formatter.chunk(i, item)
            elif item.failed:
                yield event(error_body(*describe_failure(item)[:2]))
            else:
                if choices.holds_back:
                    yield formatter.chunk(i, TokenChunk(item.text, item.tokens))
                yield formatter.closing(i, item, choices.added.get(i, {}))
        if formatter.include_usage:
            yield formatter.final_usage(choices.ordered)
        yield STREAM_END
    finally:
        choices.cancel()
