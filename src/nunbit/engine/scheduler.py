"""The engine: it admits requests, prefills them in chunks, and decodes all running ones together.

One loop, four verbs: admit, prefill, decode, finish. Nothing else runs the decoder. The loop runs in a thread of the
engine, for a server, beside a second thread that encodes pictures, one request at a time and in order, so that no
answer waits for the encoder of another's picture. Or it runs in the caller's thread (`Engine.run_until`): OpenMP keeps
a pool of threads for each thread that computes, and on two cores a second pool makes a first token three times slower.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from typing import Any

import torch

from nunbit.engine.batch import Batch
from nunbit.engine.detokenizer import Detokenizer
from nunbit.engine.grammar import Grammars
from nunbit.engine.request import (
    Busy,
    EngineStats,
    Event,
    PreparedPrompt,
    Request,
    RequestOutput,
    TokenChunk,
)
from nunbit.engine.sampling import Sampler, SamplingParams
from nunbit.messages import Message
from nunbit.models.object_aware import ObjectAwareModule

__all__ = ["Busy", "Engine", "EngineStats", "Event", "PreparedPrompt", "Request", "RequestOutput", "TokenChunk"]


class Engine(Batch):
    """Continuous batching over one model.

    Args:
        slots: answers made together.
        length: tokens (prompt and answer) a slot holds at most; 0 for the model's own context.
        chunk: prompt tokens prefilled between two steps of the others.
        together: tokens, padding included, of whole prompts that are read in one pass; 0: one prompt at a time.
        static: decode in fixed shapes, which a CUDA device replays as graphs.
        max_queue: requests that may wait; more are refused with `Busy`.
        prefix_bytes, feature_bytes: bounds of the two caches; 0 turns one off.
        background: whether threads of the engine do the work; without them callers do, in `run_until`.
        aware: object-aware parts of the model.
    """

    def __init__(
        self,
        model: Any,
        processor: Any,
        *,
        slots: int = 8,
        length: int = 1024,
        chunk: int = 256,
        together: int = 0,
        static: bool = False,
        max_queue: int = 64,
        prefix_bytes: int = 128 << 20,
        feature_bytes: int = 64 << 20,
        aware: ObjectAwareModule | None = None,
        background: bool = True,
    ) -> None:
        super().__init__(
            model,
            processor,
            slots=slots,
            length=length,
            chunk=chunk,
            together=together,
            static=static,
            prefix_bytes=prefix_bytes,
            feature_bytes=feature_bytes,
            aware=aware,
        )
        self.grammars = Grammars(self.runner.tokenizer, self.runner.vocabulary)
        self.max_queue = max_queue
        self._inbox: queue.SimpleQueue[Request | None] = queue.SimpleQueue()
        self._to_encode: queue.SimpleQueue[Request | None] = queue.SimpleQueue()
        self._open, self._turn = True, threading.Lock()
        self.background = background
        self._thread = threading.Thread(target=self._run, name="nunbit-engine", daemon=True)
        self._encoder = threading.Thread(target=self._encode, name="nunbit-encoder", daemon=True)
        if background:
            self._warm_up()
            self._thread.start()
            self._encoder.start()

    @torch.inference_mode()
    def _warm_up(self) -> None:
        """Capture the decode steps before the first request, which would wait for them."""
        if self.runner.static is not None and self.runner.static.captures:
            self.runner.static.warm_up()

    @classmethod
    def from_loaded(cls, loaded: Any, **options: Any) -> Engine:
        """An engine for a model that is loaded: anything with ``model``, ``processor`` and ``aware``
        (`nunbit.models.loading`)."""
        return cls(loaded.model, loaded.processor, aware=loaded.aware, **options)

    # what callers use, from any thread

    def prepare(self, messages: Sequence[Message], tools: Sequence[Any] | None = None) -> PreparedPrompt:
        """Render a conversation and look at its pictures. The costly part of a request that needs no slot.

        Raises:
            UserError: a form that the model cannot take, or no room for an answer.
        """
        return self.runner.preparation.messages(messages, tools)

    def prepare_text(self, text: str) -> PreparedPrompt:
        """A text to be continued as it is."""
        return self.runner.preparation.text(text)

    def prepare_ids(self, ids: Sequence[int]) -> PreparedPrompt:
        """Tokens to be continued as they are."""
        return self.runner.preparation.ids(ids)

    def submit(
        self,
        prompt: PreparedPrompt | Sequence[Message],
        sampling: SamplingParams,
        on_event: Callable[[Event], None],
    ) -> Request:
        """Queue a prompt; ``on_event`` is called with `TokenChunk`s, then one `RequestOutput` by the thread that works.

        Raises:
            Busy: the queue is full, or the engine shuts down.
            UserError: a prompt or sampling parameters that the model cannot take.
        """
        if not isinstance(prompt, PreparedPrompt):
            prompt = self.prepare(prompt)
        sampler = Sampler(sampling, self.runner.vocabulary, prompt.ids, self.grammars.matcher(sampling.grammar))
        detokenizer = Detokenizer(
            self.runner.tokenizer, sampling.stop, continues=prompt.ids if prompt.continues else None
        )
        request = Request(prompt, sampling, on_event, sampler, detokenizer)
        with self._lock:
            if not self._open or len(self._admitted) >= self.max_queue + self.slots:
                self.stats.refused += 1
                raise Busy(
                    "a request while the queue is full" if self._open else "a request while the engine shuts down",
                    allowed=f"at most {self.max_queue} waiting",
                    todo="try again in a moment",
                )
            self._admitted.add(request)
            self.stats.requests += 1
        (self._to_encode if prompt.pixels and self.background else self._inbox).put(request)
        return request

    def ask(
        self, prompt: PreparedPrompt | Sequence[Message], sampling: SamplingParams = SamplingParams()
    ) -> RequestOutput:
        """Submit and wait."""
        done: queue.SimpleQueue[RequestOutput] = queue.SimpleQueue()
        self.submit(prompt, sampling, lambda e: done.put(e) if isinstance(e, RequestOutput) else None)
        if not self.background:
            self.run_until(lambda: not done.empty())
        return done.get()

    def run_until(self, done: Callable[[], bool]) -> None:
        """Work in the caller's thread until ``done()``, for an engine without threads. Several callers take turns; each
        advances the requests of all.

        Raises:
            RuntimeError: nothing is left to do, and it is not done.
        """
        while not done():
            with self._turn:
                if not done() and not self._step():
                    raise RuntimeError("the engine has no work left that could end this wait")

    @torch.inference_mode()
    def _step(self) -> bool:
        """One round of the loop; False where there was nothing to do."""
        while not self._inbox.empty():
            if (request := self._inbox.get()) is not None:
                self._queue.append(request)
        busy = bool(self.running or self._queue or self.prefilling)
        self._round()
        return busy

    @property
    def waiting(self) -> int:
        """Requests that are not being decoded yet."""
        return max(0, len(self._admitted) - len(self.running))

    @property
    def alive(self) -> bool:
        """Whether both threads run; without threads, whether the engine is open."""
        return (self._thread.is_alive() and self._encoder.is_alive()) if self.background else self._open

    def close(self, timeout_s: float = 30.0) -> None:
        """Admit no more, finish what runs, then stop; what is not done in time is cancelled."""
        with self._lock:
            self._open = False
        if not self.background:
            self._cancel_all()
            with self._turn:
                self._step()
            return
        self._inbox.put(None)
        self._join(self._thread, timeout_s)
        self._cancel_all()
        self._inbox.put(None)
        self._join(self._thread, 5.0)
        self._to_encode.put(None)
        self._join(self._encoder, 5.0)

    def _cancel_all(self) -> None:
        with self._lock:
            left = [*self._admitted]
        for request in left:
            request.cancel()

    @staticmethod
    def _join(thread: threading.Thread, timeout_s: float) -> None:
        if thread is not threading.current_thread():  # the last reference may go in a thread of the engine itself
            thread.join(timeout_s)

    # the thread that encodes pictures

    @torch.inference_mode()
    def _encode(self) -> None:
        while (r := self._to_encode.get()) is not None:
            try:
                if not r.overdue:
                    r.embeds = self.runner.embed(r.prompt)
            except Exception as e:  # one request's failure must not end the others
                r.failure = e
            self._inbox.put(r)
            del r  # while the thread waits for the next one, it must not keep this one's tensors

    # the engine's own thread

    @torch.inference_mode()
    def _run(self) -> None:
        while self._admit():
            self._round()

    def _admit(self) -> bool:
        """Take what came in; sleep only when there is nothing to do. False when the work is over."""
        while True:
            idle = not (self.running or self._queue or self.prefilling)
            if idle and not self._open and not self._admitted:
                return False
            try:
                request = self._inbox.get(block=idle)
            except queue.Empty:
                return True
            if request is not None:
                self._queue.append(request)
