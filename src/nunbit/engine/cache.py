"""Memory of the engine: the slots' keys and values, finished prefixes, picture features. Each is bounded when it is
made.

Legend: S slots, H key heads, T tokens, D head width, L layers, B rows of a step.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from transformers.cache_utils import Cache, CacheLayerMixin

FIRST_ROOM = 256
"""Tokens a slot holds before it grows."""


def power_of_two(count: int) -> int:
    """The smallest power of two that is not below a count above 0."""
    return 1 << (count - 1).bit_length()


@dataclass(slots=True)
class Window:
    """Which part of the slots the next forward pass touches: tokens ``start ...`` of one slot, or, with ``positions``,
    tokens of the first slots from ``slot`` on.

    Attributes:
        rows: ``(B, 1)``, the slots; positions: ``(B, T)``, where their tokens go.
        upto: how many tokens of each slot are read.
    """

    slot: int = 0
    start: int = 0
    rows: torch.Tensor | None = None
    positions: torch.Tensor | None = None
    upto: int = 0


class SlotLayer(CacheLayerMixin):
    """One layer's keys and values for all slots, ``(S, H, T, D)``, allocated at the first token that comes: all of it
    where ``whole``, else as much as is used."""

    def __init__(self, window: Window, slots: int, length: int, whole: bool = False) -> None:
        super().__init__()
        self.window, self.slots, self.length, self.whole = window, slots, length, whole

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        """Allocate for the first tokens ``(B, H, T, D)`` that come; the slots grow with what they hold."""
        room = self._room(key_states.shape[2])
        self.keys = key_states.new_zeros(self.slots, key_states.shape[1], room, key_states.shape[3])
        self.values = value_states.new_zeros(self.slots, value_states.shape[1], room, value_states.shape[3])
        self.is_initialized = True

    def reserve(self, tokens: int) -> None:
        """Make room for so many tokens in every slot."""
        assert self.keys is not None and self.values is not None
        held = self.keys.shape[2]
        if tokens <= held:
            return
        room = self._room(tokens)
        for name in ("keys", "values"):
            old = getattr(self, name)
            new = old.new_zeros(*old.shape[:2], room, old.shape[3])
            new[:, :, :held] = old
            setattr(self, name, new)

    def _room(self, tokens: int) -> int:
        """Tokens to allocate: a power of two, so that growing is rare, and never more than a slot may hold."""
        return self.length if self.whole else min(self.length, power_of_two(max(FIRST_ROOM, tokens)))

    def update(self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        """Write keys and values ``(B, H, T, D)`` into the window; return all that the pass reads, of the same form."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        assert self.keys is not None and self.values is not None
        w = self.window
        self.reserve(w.upto)
        slots = slice(w.slot, w.slot + len(key_states))
        if w.positions is None:
            part = slice(w.start, w.start + key_states.shape[2])
            self.keys[slots, :, part], self.values[slots, :, part] = key_states, value_states
        else:
            self.keys[w.rows, :, w.positions] = key_states.transpose(1, 2)
            self.values[w.rows, :, w.positions] = value_states.transpose(1, 2)
        return self.keys[slots, :, : w.upto], self.values[slots, :, : w.upto]

    def get_seq_length(self) -> int:
        """Tokens before the ones of the next pass."""
        return self.window.start

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Tokens that the next pass reads, and where they begin."""
        return self.window.upto, 0

    def get_max_length(self) -> int:
        """Tokens that a slot may hold."""
        return self.length


class SlotCache(Cache):
    """transformers' `Cache` over slots: any decoder that takes a `Cache` runs on it. Active slots are always the first
    ones."""

    def __init__(self, layers: int, slots: int, length: int, whole: bool = False) -> None:
        self.window = Window()
        self.slots: list[SlotLayer] = [SlotLayer(self.window, slots, length, whole) for _ in range(layers)]
        super().__init__(layers=list(self.slots))

    @property
    def nbytes(self) -> int:
        """What the slots' keys and values hold: it grows with the longest prompt, up to slots times their length."""
        held = [t for s in self.slots for t in (s.keys, s.values) if t is not None]
        return sum(t.nbytes for t in held)

    def set_prefill(self, slot: int, start: int, count: int) -> None:
        """The next pass writes ``count`` tokens of one slot from ``start`` on."""
        w = self.window
        w.slot, w.start, w.upto, w.rows, w.positions = slot, start, start + count, None, None

    def set_rows(self, slot: int, start: int, positions: torch.Tensor, upto: int) -> None:
        """The next pass writes tokens of several slots, the first of which is ``slot``, at ``positions`` ``(B, T)``.

        Args:
            start: tokens before the new ones, as the model counts them.
            upto: tokens of each slot that are read.
        """
        w = self.window
        w.rows = torch.arange(slot, slot + len(positions), device=positions.device).unsqueeze(-1)
        w.slot, w.start, w.upto, w.positions = slot, start, upto, positions

    def copy_out(self, slot: int, count: int) -> torch.Tensor:
        """The first ``count`` tokens of a slot, ``(L, 2, H, T, D)``."""
        held = [(s.keys, s.values) for s in self.slots if s.keys is not None and s.values is not None]
        return torch.stack([torch.stack([k[slot, :, :count], v[slot, :, :count]]) for k, v in held])

    def copy_in(self, slot: int, held: torch.Tensor, count: int) -> None:
        """Write the first ``count`` tokens of ``(L, 2, H, T, D)`` into a slot."""
        for s, (k, v) in zip(self.slots, held, strict=True):
            if not s.is_initialized:
                s.lazy_initialization(k[None], v[None])
            s.reserve(count)
            assert s.keys is not None and s.values is not None
            s.keys[slot, :, :count], s.values[slot, :, :count] = k[:, :count], v[:, :count]

    def move(self, source: int, target: int, count: int) -> None:
        """Copy the first ``count`` tokens of a slot to another."""
        for s in self.slots:
            if s.keys is not None and s.values is not None:
                s.keys[target, :, :count] = s.keys[source, :, :count]
                s.values[target, :, :count] = s.values[source, :, :count]


@dataclass(slots=True)
class CachedPrefix:
    """What is kept of a sequence.

    Attributes:
        states: keys and values, ``(L, 2, H, T, D)``.
        mixer_cache: of an object-aware model what came into each mixer, ``(1, T, D)`` each.
    """

    states: torch.Tensor
    mixer_cache: list[torch.Tensor] = field(default_factory=list)

    @property
    def nbytes(self) -> int:
        """Bytes of all tensors."""
        return self.states.nbytes + sum(r.nbytes for r in self.mixer_cache)


class LRUCache:
    """Tensors (or what else has ``nbytes``) by key, the least recently used dropped first, never more than
    ``max_bytes``."""

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes, self.bytes, self.hits, self.misses = max_bytes, 0, 0, 0
        self._held: OrderedDict[Hashable, Any] = OrderedDict()

    def get(self, key: Hashable) -> Any:
        """The value, which is the most recently used one from now on; None if there is none."""
        if key in self._held:
            self.hits += 1
            self._held.move_to_end(key)
            return self._held[key]
        self.misses += 1
        return None

    def put(self, key: Hashable, value: Any) -> None:
        """Hold a value; one that is larger than the whole cache is not held."""
        self.drop(key)
        if value.nbytes > self.max_bytes:
            return
        self._held[key] = value
        self.bytes += value.nbytes
        while self.bytes > self.max_bytes:
            self.drop(next(iter(self._held)))

    def drop(self, key: Hashable) -> None:
        """Forget a value, if it is held."""
        value = self._held.pop(key, None)
        if value is not None:
            self.bytes -= value.nbytes

    def known(self) -> list[Any]:
        """Keys, the least recently used first."""
        return list(self._held)


class PrefixCache:
    """What is kept of sequences seen before. A sequence is known by its token ids, where picture tokens carry a number
    of their picture, so that two pictures never share a prefix."""

    def __init__(self, max_bytes: int) -> None:
        self.held = LRUCache(max_bytes)

    def longest(self, wanted: tuple[int, ...]) -> tuple[int, CachedPrefix | None]:
        """Length of the longest common beginning with a sequence held, short of the last token (its logits are
        needed)."""
        best, best_key, beginning = 0, None, np.asarray(wanted[:-1])
        for key in self.held.known():
            n = min(len(key), len(beginning))
            differ = np.flatnonzero(np.asarray(key[:n]) != beginning[:n])
            same = int(differ[0]) if len(differ) else n
            if same > best:
                best, best_key = same, key
        if best_key is None:
            self.held.misses += 1
            return 0, None
        return best, self.held.get(best_key)

    def keep(self, new: tuple[int, ...], held: CachedPrefix) -> None:
        """Hold a sequence; those that are its beginning are dropped."""
        for key in [k for k in self.held.known() if len(k) <= len(new) and new[: len(k)] == k]:
            self.held.drop(key)
        self.held.put(new, held)
