"""The engine: a thread that admits requests, prefills them in chunks, and decodes all running ones together.

One loop, four verbs: admit, prefill, decode, finish. Nothing else touches the decoder. A second thread looks at pictures, one request at a
time and in order, so that no answer waits for the encoder of another's picture.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from nunbit.engine.cache import CachedPrefix, PrefixCache
from nunbit.engine.cross_attention import Gated
from nunbit.engine.detokenizer import Detokenizer
from nunbit.engine.grammar import Grammars
from nunbit.engine.runner import Prompt, Runner
from nunbit.engine.sampling import Logprob, Sampler, SamplingParams
from nunbit.errors import UserError
from nunbit.messages import Message
from nunbit.models.assistant import Assistant
from nunbit.models.flamingo import Flamingo
from nunbit.models.object_aware.module import ObjectAwareModule


@dataclass(slots=True)
class TokenChunk:
    """New text of an answer, with the tokens it came from."""

    text: str
    tokens: list[Logprob]


@dataclass(slots=True)
class RequestOutput:
    """A whole answer. ``finish`` is stop, length, cancelled, deadline, ``error: ...`` or ``refused: ...`` (what was asked for cannot be
    done); times are seconds since submission."""

    text: str
    finish: str
    prompt_tokens: int
    tokens: list[Logprob]
    cached_tokens: int = 0
    queued_s: float = 0.0
    first_s: float = 0.0
    total_s: float = 0.0

    @property
    def broken(self) -> bool:
        """It is no answer."""
        return self.finish.startswith(("error", "refused"))


Event = TokenChunk | RequestOutput


class Busy(UserError):
    """The queue is full; come back later."""


@dataclass(slots=True, eq=False)
class Request:
    """A question on its way through the engine."""

    prompt: Prompt
    sampling: SamplingParams
    listen: Callable[[Event], None]
    chooser: Sampler
    writer: Detokenizer
    came: float = field(default_factory=time.monotonic)
    cancelled: bool = False
    embeds: torch.Tensor | None = None
    trouble: Exception | None = None
    length: int = 0
    cached: int = 0
    tokens: list[Logprob] = field(default_factory=list)
    waiting: list[Logprob] = field(default_factory=list)
    started: float = 0.0
    first: float = 0.0

    def cancel(self) -> None:
        """Stop as soon as the current step is done. Safe from any thread, any number of times."""
        self.cancelled = True


@dataclass(slots=True)
class EngineStats:
    """Counters since the start; `serving.metrics` prints them."""

    requests: int = 0
    refused: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    tokens: int = 0
    steps: int = 0
    rows: int = 0
    errors: int = 0


class Engine:
    """Continuous batching over one model.

    Args:
        slots: answers made together.
        length: tokens (prompt and answer) a slot holds.
        chunk: prompt tokens prefilled between two steps of the others.
        max_queue: requests that may wait; more are refused with `Busy`.
        prefix_bytes, feature_bytes: bounds of the two caches; 0 turns one off.
        aware: object-aware parts of the model. With a mixer, where rows of a picture read each other, there are no chunks; where rows read all
            later ones, as released, no prefixes either.
        gated: gated cross-attention of the model.
    """

    def __init__(self, model: Any, processor: Any, *, slots: int = 8, length: int = 1024, chunk: int = 256, max_queue: int = 64,
                 prefix_bytes: int = 128 << 20, feature_bytes: int = 64 << 20, aware: ObjectAwareModule | None = None,
                 gated: Gated | None = None) -> None:  # fmt: skip
        self.runner = Runner(model, processor, slots=slots, length=length, feature_bytes=feature_bytes, aware=aware, gated=gated)
        if self.runner.mixer is not None:
            chunk, prefix_bytes = length, prefix_bytes if self.runner.mixer.supports_chunked_prefill else 0
        self.prefixes, self.grammars = PrefixCache(prefix_bytes), Grammars(self.runner.tokenizer, self.runner.vocabulary)
        self.slots, self.chunk, self.max_queue = slots, chunk, max_queue
        self.figures = EngineStats()
        self.running: list[Request] = []
        self.filling: Request | None = None
        self._inbox: queue.SimpleQueue[Request | None] = queue.SimpleQueue()
        self._unseen: queue.SimpleQueue[Request | None] = queue.SimpleQueue()
        self._queue: deque[Request] = deque()
        self._asked: set[Request] = set()
        self._open, self._lock = True, threading.Lock()
        self._thread = threading.Thread(target=self._live, name="nunbit-engine", daemon=True)
        self._eyes = threading.Thread(target=self._look, name="nunbit-eyes", daemon=True)
        self._thread.start()
        self._eyes.start()

    @classmethod
    def of(cls, loaded: Assistant, **how: Any) -> Engine:
        """An engine for a model that is loaded, whatever hangs on it."""
        gated = loaded.model if isinstance(loaded.model, Flamingo) else None
        return cls(gated.language if gated else loaded.model, loaded.processor, aware=loaded.aware, gated=gated, **how)

    # what callers use, from any thread

    def submit(self, messages: Sequence[Message], sampling: SamplingParams, listen: Callable[[Event], None]) -> Request:
        """Queue a question; ``listen`` is called from the engine's thread with `TokenChunk`s, then one `RequestOutput`."""
        return self.send(self.runner.prompt(messages), sampling, listen)

    def send(self, prompt: Prompt, sampling: SamplingParams, listen: Callable[[Event], None]) -> Request:
        chooser = Sampler(sampling, self.runner.vocabulary, prompt.ids, self.grammars.matcher(sampling.grammar))
        request = Request(prompt, sampling, listen, chooser, Detokenizer(self.runner.tokenizer, sampling.stop))
        with self._lock:
            if not self._open or len(self._asked) >= self.max_queue + self.slots:
                self.figures.refused += 1
                raise Busy("a request while the queue is full" if self._open else "a request while the engine shuts down",
                           allowed=f"at most {self.max_queue} waiting", todo="try again in a moment")  # fmt: skip
            self._asked.add(request)
            self.figures.requests += 1
        (self._inbox if prompt.pixels is None else self._unseen).put(request)
        return request

    def answer(self, messages: Sequence[Message], sampling: SamplingParams = SamplingParams()) -> RequestOutput:
        """Ask and wait."""
        done: queue.SimpleQueue[RequestOutput] = queue.SimpleQueue()
        self.submit(messages, sampling, lambda e: done.put(e) if isinstance(e, RequestOutput) else None)
        return done.get()

    @property
    def waiting(self) -> int:
        """Requests that are not being decoded yet."""
        return max(0, len(self._asked) - len(self.running))

    @property
    def alive(self) -> bool:
        return self._thread.is_alive() and self._eyes.is_alive()

    def close(self, timeout_s: float = 30.0) -> None:
        """Admit no more, finish what runs, then stop; what is not done in time is cancelled."""
        with self._lock:
            self._open = False
        self._inbox.put(None)
        self._thread.join(timeout_s)
        with self._lock:
            left = [*self._asked]
        for request in left:
            request.cancel()
        self._inbox.put(None)
        self._thread.join(5.0)
        self._unseen.put(None)

    # the thread that looks

    @torch.inference_mode()
    def _look(self) -> None:
        while (r := self._unseen.get()) is not None:
            try:
                if not self._over(r):
                    r.embeds = self.runner.embed(r.prompt)
            except Exception as e:  # one request's failure must not end the others
                r.trouble = e
            self._inbox.put(r)

    # the engine's own thread

    @torch.inference_mode()
    def _live(self) -> None:
        while self._admit():
            for request in [r for r in (*self.running, *self._queue) if self._over(r)]:
                self._finish(request, "cancelled" if request.cancelled else "deadline")
            self._prefill()
            self._decode()

    def _admit(self) -> bool:
        """Take what came in; sleep only when there is nothing to do. False when the work is over."""
        while True:
            idle = not (self.running or self._queue or self.filling)
            if idle and not self._open and not self._asked:
                return False
            try:
                request = self._inbox.get(block=idle)
            except queue.Empty:
                return True
            if request is not None:
                self._queue.append(request)

    def _over(self, r: Request) -> bool:
        return r.cancelled or (r.sampling.deadline_s is not None and time.monotonic() - r.came > r.sampling.deadline_s)

    def _prefill(self) -> None:
        """One chunk of the request at the head, in the first free slot."""
        if self.filling is None and self._queue and len(self.running) < self.slots:
            self.filling = self._queue.popleft()
            self.filling.started = time.monotonic()
        r = self.filling
        if r is None:
            return
        if self._over(r):
            self._finish(r, "cancelled" if r.cancelled else "deadline")
            return
        try:
            self._fill(r)
        except Exception as e:  # one request's failure must not end the others
            self._fail(r, e)

    def _fill(self, r: Request) -> None:
        slot = len(self.running)
        if r.trouble is not None:
            raise r.trouble
        if r.embeds is None:
            r.embeds = self.runner.embed(r.prompt)
        if not r.length:
            r.cached, held = self.prefixes.longest(r.prompt.units)
            r.prompt.rows = []  # several answers may share one prompt
            if held is not None:
                self.runner.cache.copy_in(slot, held.states, r.cached)
                r.prompt.rows = [rows[:, : r.cached] for rows in held.rows]
            r.length = r.cached
        left = len(r.prompt.ids) - r.length
        count = left if 4 * left <= 5 * self.chunk else self.chunk  # a short tail costs a pass of its own, which reads every weight again
        logits = self.runner.prefill(slot, r.length, r.embeds[:, r.length : r.length + count], r.prompt)
        r.length += count
        if r.length < len(r.prompt.ids):
            return
        r.embeds, self.filling = None, None
        self.figures.prompt_tokens += r.length
        self.figures.cached_tokens += r.cached
        self.running.append(r)
        self._take(r, logits)
        if self.prefixes.held.max_bytes and r.cached < len(r.prompt.ids) - 1:  # after the first token: it is waited for; the slot is as it was
            self.prefixes.keep(r.prompt.units, CachedPrefix(self.runner.cache.copy_out(slot, len(r.prompt.ids)), r.prompt.rows))

    def _decode(self) -> None:
        if not self.running:
            return
        rows = list(self.running)
        try:
            logits = self.runner.decode([r.tokens[-1].token for r in rows], [r.length for r in rows], [r.prompt for r in rows])
        except Exception as e:
            for r in rows:
                self._fail(r, e)
            return
        self.figures.steps += 1
        self.figures.rows += len(rows)
        for r in rows:  # before any finishes: a finished one's slot is filled by another, with all its tokens
            r.length += 1
        for r, z in zip(rows, logits, strict=True):
            self._take(r, z)

    def _take(self, r: Request, logits: torch.Tensor) -> None:
        """Choose a token for a request and tell what is new; finish it where it ends."""
        try:
            chosen = r.chooser.choose(logits.cpu())
            if not r.tokens:
                r.first = time.monotonic()
            r.tokens.append(chosen)
            self.figures.tokens += 1
            if chosen.token in self.runner.ends:
                self._finish(r, "stop")
                return
            r.waiting.append(chosen)
            self._tell(r, r.writer.add(chosen.token))
            if r.writer.stopped:
                self._finish(r, "stop")
            elif len(r.tokens) >= r.sampling.max_tokens or r.length + 1 >= self.runner.length:
                self._finish(r, "length")
        except Exception as e:
            self._fail(r, e)

    def _tell(self, r: Request, text: str) -> None:
        if text:
            r.listen(TokenChunk(text, r.waiting))
            r.waiting = []

    def _fail(self, r: Request, error: Exception) -> None:
        self.figures.errors += 1
        self._finish(r, f"refused: {error}" if isinstance(error, UserError) else f"error: {type(error).__name__}: {error}")

    def _finish(self, r: Request, why: str) -> None:
        if r not in self._asked:  # what fails after the last word was told is told no more
            return
        if r in self.running:
            slot, last = self.running.index(r), len(self.running) - 1
            moved = self.running.pop()
            if slot != last:
                self.running[slot] = moved
                self.runner.cache.move(last, slot, moved.length)
            if (
                self.filling is not None and self.filling.length
            ):  # the half-filled slot is always the one after the running
                self.runner.cache.move(last + 1, last, self.filling.length)
        elif r is self.filling:
            self.filling = None
        elif r in self._queue:
            self._queue.remove(r)
        with self._lock:
            self._asked.discard(r)
        r.embeds = None
        now = time.monotonic()
        try:
            self._tell(r, r.writer.finish())
            r.listen(RequestOutput(r.writer.text, why, len(r.prompt.ids), r.tokens, r.cached, (r.started or now) - r.came,
                            (r.first or now) - r.came, now - r.came))  # fmt: skip
        except Exception:  # a listener that died hears no more; the engine lives on
            self.figures.errors += 1
