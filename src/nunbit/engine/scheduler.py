"""The engine: a thread that admits requests, prefills them in chunks, and decodes all running ones together.

One loop, four verbs: admit, prefill, decode, finish. Nothing else runs the decoder. A second thread encodes pictures,
    one request at a
time and in order, so that no answer waits for the encoder of another's picture.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import torch

from nunbit.engine.cache import CachedPrefix, PrefixCache
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
from nunbit.engine.runner import Runner
from nunbit.engine.sampling import Sampler, SamplingParams
from nunbit.errors import UserError
from nunbit.messages import Message
from nunbit.models.object_aware import ObjectAwareModule

__all__ = ["Busy", "Engine", "EngineStats", "Event", "PreparedPrompt", "Request", "RequestOutput", "TokenChunk"]


class Engine:
    """Continuous batching over one model.

    Args:
        slots: answers made together.
        length: tokens (prompt and answer) a slot holds at most; 0 for the model's own context.
        chunk: prompt tokens prefilled between two steps of the others.
        max_queue: requests that may wait; more are refused with `Busy`.
        prefix_bytes, feature_bytes: bounds of the two caches; 0 turns one off.
        aware: object-aware parts of the model. With a mixer, where tokens of a picture read each other, there are no
            chunks; where tokens
            read all later ones, as released, no prefixes either.
    """

    def __init__(
        self,
        model: Any,
        processor: Any,
        *,
        slots: int = 8,
        length: int = 1024,
        chunk: int = 256,
        max_queue: int = 64,
        prefix_bytes: int = 128 << 20,
        feature_bytes: int = 64 << 20,
        aware: ObjectAwareModule | None = None,
    ) -> None:
        self.runner = Runner(model, processor, slots=slots, length=length, feature_bytes=feature_bytes, aware=aware)
        if self.runner.mixer is not None:
            chunk = self.runner.length
            prefix_bytes = prefix_bytes if self.runner.mixer.supports_chunked_prefill else 0
        self.prefixes = PrefixCache(prefix_bytes)
        self.grammars = Grammars(self.runner.tokenizer, self.runner.vocabulary)
        self.slots, self.chunk, self.max_queue = slots, chunk, max_queue
        self.stats = EngineStats()
        self.running: list[Request] = []
        self.prefilling: Request | None = None
        self._inbox: queue.SimpleQueue[Request | None] = queue.SimpleQueue()
        self._to_encode: queue.SimpleQueue[Request | None] = queue.SimpleQueue()
        self._queue: deque[Request] = deque()
        self._admitted: set[Request] = set()
        self._open, self._lock = True, threading.Lock()
        self._thread = threading.Thread(target=self._run, name="nunbit-engine", daemon=True)
        self._encoder = threading.Thread(target=self._encode, name="nunbit-encoder", daemon=True)
        self._thread.start()
        self._encoder.start()

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

    def submit(
        self,
        prompt: PreparedPrompt | Sequence[Message],
        sampling: SamplingParams,
        on_event: Callable[[Event], None],
    ) -> Request:
        """Queue a prompt; ``on_event`` is called from the engine's thread with `TokenChunk`s, then one `RequestOutput`.

        Raises:
            Busy: the queue is full, or the engine shuts down.
            UserError: a prompt or sampling parameters that the model cannot take.
        """
        if not isinstance(prompt, PreparedPrompt):
            prompt = self.prepare(prompt)
        sampler = Sampler(sampling, self.runner.vocabulary, prompt.ids, self.grammars.matcher(sampling.grammar))
        request = Request(prompt, sampling, on_event, sampler, Detokenizer(self.runner.tokenizer, sampling.stop))
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
        (self._to_encode if prompt.pixels else self._inbox).put(request)
        return request

    def ask(
        self, prompt: PreparedPrompt | Sequence[Message], sampling: SamplingParams = SamplingParams()
    ) -> RequestOutput:
        """Submit and wait."""
        done: queue.SimpleQueue[RequestOutput] = queue.SimpleQueue()
        self.submit(prompt, sampling, lambda e: done.put(e) if isinstance(e, RequestOutput) else None)
        return done.get()

    @property
    def waiting(self) -> int:
        """Requests that are not being decoded yet."""
        return max(0, len(self._admitted) - len(self.running))

    @property
    def alive(self) -> bool:
        """Whether both threads run."""
        return self._thread.is_alive() and self._encoder.is_alive()

    def close(self, timeout_s: float = 30.0) -> None:
        """Admit no more, finish what runs, then stop; what is not done in time is cancelled."""
        with self._lock:
            self._open = False
        self._inbox.put(None)
        self._join(self._thread, timeout_s)
        with self._lock:
            left = [*self._admitted]
        for request in left:
            request.cancel()
        self._inbox.put(None)
        self._join(self._thread, 5.0)
        self._to_encode.put(None)
        self._join(self._encoder, 5.0)

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

    # the engine's own thread

    @torch.inference_mode()
    def _run(self) -> None:
        while self._admit():
            for request in [r for r in (*self.running, *self._queue) if r.overdue]:
                self._finish(request, "cancelled" if request.cancelled else "deadline")
            self._prefill()
            self._decode()

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

    def _prefill(self) -> None:
        """One chunk of the request at the head, in the first free slot."""
        if self.prefilling is None and self._queue and len(self.running) < self.slots:
            self.prefilling = self._queue.popleft()
            self.prefilling.started = time.monotonic()
        r = self.prefilling
        if r is None:
            return
        if r.overdue:
            self._finish(r, "cancelled" if r.cancelled else "deadline")
            return
        try:
            self._prefill_chunk(r)
        except Exception as e:  # one request's failure must not end the others
            self._fail(r, e)

    def _prefill_chunk(self, r: Request) -> None:
        slot, total = len(self.running), len(r.prompt.ids)
        if r.failure is not None:
            raise r.failure
        if r.embeds is None:
            r.embeds = self.runner.embed(r.prompt)
        if not r.length:
            self._reuse_prefix(r, slot)
        left = total - r.length
        # A short rest would cost a pass of its own, which reads every weight again.
        count = left if 4 * left <= 5 * self.chunk else self.chunk
        logits = self.runner.prefill(slot, r.length, r.embeds[:, r.length : r.length + count], r.prompt)
        r.length += count
        if r.length < total:
            return
        r.embeds, self.prefilling = None, None
        self.stats.prompt_tokens += r.length
        self.stats.cached_tokens += r.cached
        self.running.append(r)
        self._take(r, logits)
        # After the first token, which is waited for; the slot is as it was.
        if self.prefixes.held.max_bytes and r.cached < total - 1:
            held = CachedPrefix(self.runner.cache.copy_out(slot, total), r.prompt.mixer_cache)
            self.prefixes.keep(r.prompt.prefix_key, held)

    def _reuse_prefix(self, r: Request, slot: int) -> None:
        r.cached, held = self.prefixes.longest(r.prompt.prefix_key)
        r.prompt.mixer_cache = []  # several answers may share one prompt
        if held is not None:
            self.runner.cache.copy_in(slot, held.states, r.cached)
            r.prompt.mixer_cache = [rows[:, : r.cached] for rows in held.mixer_cache]
        r.length = r.cached

    def _decode(self) -> None:
        if not self.running:
            return
        rows = list(self.running)
        try:
            logits = self.runner.decode(
                [r.tokens[-1].token for r in rows], [r.length for r in rows], [r.prompt for r in rows]
            )
        except Exception as e:
            for r in rows:
                self._fail(r, e)
            return
        self.stats.steps += 1
        self.stats.rows += len(rows)
        for r in rows:  # before any finishes: a finished one's slot is taken by another, with all its tokens
            r.length += 1
        for r, z in zip(rows, logits, strict=True):
            self._take(r, z)

    def _take(self, r: Request, logits: torch.Tensor) -> None:
        """Sample a token for a request and send what is new; finish the request where it ends. Logits ``(V,)``."""
        try:
            chosen = r.sampler.choose(logits.cpu())
            if not r.tokens:
                r.first_token = time.monotonic()
            r.tokens.append(chosen)
            self.stats.tokens += 1
            if chosen.token in self.runner.end_ids:
                self._finish(r, "stop")
                return
            r.unsent.append(chosen)
            self._send(r, r.detokenizer.add(chosen.token))
            if r.detokenizer.stopped:
                self._finish(r, "stop")
            elif len(r.tokens) >= r.sampling.max_tokens or r.length + 1 >= self.runner.length:
                self._finish(r, "length")
        except Exception as e:
            self._fail(r, e)

    def _send(self, r: Request, text: str) -> None:
        if text:
            r.on_event(TokenChunk(text, r.unsent))
            r.unsent = []

    def _fail(self, r: Request, error: Exception) -> None:
        self.stats.errors += 1
        refused = isinstance(error, UserError)
        self._finish(r, f"refused: {error}" if refused else f"error: {type(error).__name__}: {error}")

    def _finish(self, r: Request, why: str) -> None:
        if r not in self._admitted:  # it has ended already; what fails after its last word is sent no more
            return
        self._free_slot(r)
        with self._lock:
            self._admitted.discard(r)
        r.embeds = None
        try:
            self._send(r, r.detokenizer.finish())
            r.on_event(r.output(why))
        except Exception:  # a caller whose callback fails hears no more; the engine lives on
            self.stats.errors += 1

    def _free_slot(self, r: Request) -> None:
        """Active slots are always the first ones: the last one moves into the gap."""
        if r in self.running:
            slot, last = self.running.index(r), len(self.running) - 1
            moved = self.running.pop()
            if slot != last:
                self.running[slot] = moved
                self.runner.cache.move(last, slot, moved.length)
            if self.prefilling is not None and self.prefilling.length:  # the half-filled slot follows the running ones
                self.runner.cache.move(last + 1, last, self.prefilling.length)
        elif r is self.prefilling:
            self.prefilling = None
        elif r in self._queue:
            self._queue.remove(r)
