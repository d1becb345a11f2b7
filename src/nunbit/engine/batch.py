"""The batch of an engine: requests are prefilled in chunks, decoded together, and finished. Whoever calls `_round` does
the work (`nunbit.engine.scheduler`)."""

from __future__ import annotations

import threading
import time
from collections import deque
from itertools import islice
from typing import Any

import torch

from nunbit.engine.cache import CachedPrefix, PrefixCache
from nunbit.engine.choosing import choose_all
from nunbit.engine.native import NativeRunner
from nunbit.engine.request import EngineStats, Request, TokenChunk
from nunbit.engine.runner import Runner
from nunbit.engine.sampling import Logprob
from nunbit.engine.supported import is_native
from nunbit.errors import UserError
from nunbit.models.object_aware import ObjectAwareModule


class Batch:
    """Requests over one model: those that run have the first slots of the runner's cache.

    Args:
        slots: answers made together.
        length: tokens (prompt and answer) a slot holds at most; 0 for the model's own context.
        chunk: prompt tokens prefilled between two steps of the others.
        together: tokens, padding included, of whole prompts that are read in one pass; 0: one prompt at a time.
        static: decode in fixed shapes, which a CUDA device replays as graphs.
        prefix_bytes, feature_bytes: bounds of the two caches; 0 turns one off.
        aware: object-aware parts of the model. With a mixer, where tokens of a picture read each other, there are no
            chunks; where tokens read all later ones, as released, no prefixes either.
    """

    def __init__(
        self,
        model: Any,
        processor: Any,
        *,
        slots: int,
        length: int,
        chunk: int,
        together: int,
        static: bool,
        prefix_bytes: int,
        feature_bytes: int,
        aware: ObjectAwareModule | None,
    ) -> None:
        kind = NativeRunner if is_native(model.config) else Runner
        self.runner: Runner = kind(
            model, processor, slots=slots, length=length, feature_bytes=feature_bytes, aware=aware, static=static
        )
        self.prefixes = PrefixCache(self.runner.prefix_bytes(prefix_bytes))
        self.slots, self.chunk = slots, self.runner.chunk_tokens(chunk)
        self.together = together if self.runner.prefills_together else 0
        self.stats = EngineStats()
        self.running: list[Request] = []
        self.prefilling: Request | None = None
        self._queue: deque[Request] = deque()
        self._admitted: set[Request] = set()
        self._lock = threading.Lock()

    def _round(self) -> None:
        for request in [r for r in (*self.running, *self._queue) if r.overdue]:
            self._finish(request, "cancelled" if request.cancelled else "deadline")
        self._prefill()
        self._decode()

    def _prefill(self) -> None:
        """Whole prompts together, or one chunk of the request at the head, in the first free slots."""
        if len(group := self._next_group()) > 1:
            self._prefill_group(group)
            return
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

    def _next_group(self) -> list[Request]:
        """Requests from the head of the queue whose whole prompts fit into one pass, padded to the longest."""
        group: list[Request] = []
        longest = 0
        for r in [] if self.prefilling is not None else islice(self._queue, self.slots - len(self.running)):
            longest = max(longest, len(r.prompt.ids))
            if (len(group) + 1) * longest > self.together:
                break
            group.append(r)
        return group

    def _prefill_group(self, group: list[Request]) -> None:
        slot, ready = len(self.running), list[tuple[Request, torch.Tensor]]()
        for r in group:
            self._queue.remove(r)
            r.started = time.monotonic()
            try:
                embeds = self._embeds(r)
                self._reuse_prefix(r, slot + len(ready))
                ready.append((r, embeds[:, r.length :]))
            except Exception as e:
                self._fail(r, e)
        rows = [r for r, _ in ready]
        if not rows:
            return
        try:
            logits = self.runner.prefill_together(slot, [r.length for r in rows], [e for _, e in ready])
        except Exception as e:
            for r in rows:
                self._fail(r, e)
            return
        for r in rows:
            self._start(r)
        for i, r in enumerate(rows):  # before the first tokens: an answer that ends moves other slots
            self._keep_prefix(r, slot + i)
        self._take(rows, logits)

    def _prefill_chunk(self, r: Request) -> None:
        slot, total = len(self.running), len(r.prompt.ids)
        embeds = self._embeds(r)
        if not r.length:
            self._reuse_prefix(r, slot)
        left = total - r.length
        # A short rest would cost a pass of its own, which reads every weight again.
        count = left if 4 * left <= 5 * self.chunk else self.chunk
        logits = self.runner.prefill(slot, r.length, embeds[:, r.length : r.length + count], r.prompt)
        r.length += count
        if r.length < total:
            return
        self.prefilling = None
        self._start(r)
        self._take([r], logits[None])
        self._keep_prefix(r, slot)  # after the first token, which is waited for; the slot is as it was

    def _embeds(self, r: Request) -> torch.Tensor:
        """Embeddings of the whole prompt, ``(1, T, D)``, if the other thread has not made them."""
        if r.failure is not None:
            raise r.failure
        if r.embeds is None:
            r.embeds = self.runner.embed(r.prompt)
        return r.embeds

    def _start(self, r: Request) -> None:
        """The whole prompt is in its slot: count it, and decode with the others."""
        r.embeds, r.length = None, len(r.prompt.ids)
        self.stats.prompt_tokens += r.length
        self.stats.cached_tokens += r.cached
        self.running.append(r)

    def _keep_prefix(self, r: Request, slot: int) -> None:
        total = len(r.prompt.ids)
        if self.prefixes.held.max_bytes and r.cached < total - 1:
            held = CachedPrefix(self.runner.cache.copy_out(slot, total), r.prompt.mixer_cache)
            self.prefixes.keep(r.prompt.prefix_key, held)

    def _reuse_prefix(self, r: Request, slot: int) -> None:
        found, held = self.prefixes.longest(r.prompt.prefix_key)
        r.cached = self.runner.reusable(r.prompt, found)
        r.prompt.mixer_cache = []  # several answers may share one prompt
        if held is not None and r.cached:
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
        self._take(rows, logits)

    def _take(self, rows: list[Request], logits: torch.Tensor) -> None:
        """Choose a token for each request from logits ``(B, V)``, and send what is new."""
        try:
            chosen = choose_all([r.sampler for r in rows], logits)
        except Exception as e:
            for r in rows:
                self._fail(r, e)
            return
        for r, token in zip(rows, chosen, strict=True):
            self._add(r, token)

    def _add(self, r: Request, chosen: Logprob | Exception) -> None:
        """Add a token to an answer and send what is new; finish the request where it ends."""
        try:
            if isinstance(chosen, Exception):
                raise chosen
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
        r.failure = None  # its traceback holds the request: a circle, which would keep the request's tensors
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
