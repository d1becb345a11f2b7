"""Memory of the engine: the slots' keys and values, finished prefixes, picture features. Each is bounded when it is made.

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


@dataclass(slots=True)
class Window:
    """Which part of the slots the next forward pass touches."""

    prefill: bool = True
    slot: int = 0
    start: int = 0
    positions: torch.Tensor | None = None
    upto: int = 0


class SlotLayer(CacheLayerMixin):
    """One layer's keys and values for all slots, ``(S, H, T, D)``, allocated at the first token that comes."""

    def __init__(self, window: Window, slots: int, length: int) -> None:
        super().__init__()
        self.window, self.slots, self.length = window, slots, length

    def lazy_initialization(self, key_states: torch.Tensor, value_states: torch.Tensor) -> None:
        self.keys = key_states.new_zeros(self.slots, key_states.shape[1], self.length, key_states.shape[3])
        self.values = value_states.new_zeros(self.slots, value_states.shape[1], self.length, value_states.shape[3])
        self.is_initialized = True

    def update(self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        assert self.keys is not None and self.values is not None
        w = self.window
        if w.prefill:
            part = slice(w.start, w.start + key_states.shape[2])
            self.keys[w.slot, :, part], self.values[w.slot, :, part] = key_states[0], value_states[0]
            return (self.keys[w.slot : w.slot + 1, :, : part.stop], self.values[w.slot : w.slot + 1, :, : part.stop])
        rows = torch.arange(len(key_states), device=key_states.device)
        self.keys[rows, :, w.positions], self.values[rows, :, w.positions] = key_states[:, :, 0], value_states[:, :, 0]
        return self.keys[: len(rows), :, : w.upto], self.values[: len(rows), :, : w.upto]

    def get_seq_length(self) -> int:
        return self.window.start

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        return self.window.upto, 0

    def get_max_length(self) -> int:
        return self.length


class SlotCache(Cache):
    """transformers' `Cache` over slots: any decoder that takes a `Cache` runs on it. Active slots are always the first ones."""

    def __init__(self, layers: int, slots: int, length: int) -> None:
        self.window = Window()
        self.slots: list[SlotLayer] = [SlotLayer(self.window, slots, length) for _ in range(layers)]
        super().__init__(layers=list(self.slots))

    def prefilling(self, slot: int, start: int, count: int) -> None:
        w = self.window
        w.prefill, w.slot, w.start, w.upto = True, slot, start, start + count

    def decoding(self, positions: torch.Tensor, upto: int) -> None:
        w = self.window
        w.prefill, w.positions, w.upto, w.start = False, positions, upto, upto - 1

    def copy_out(self, slot: int, count: int) -> torch.Tensor:
        """The first ``count`` tokens of a slot, ``(L, 2, H, T, D)``."""
        return torch.stack([torch.stack([s.keys[slot, :, :count], s.values[slot, :, :count]]) for s in self.slots
                            if s.keys is not None and s.values is not None])  # fmt: skip

    def copy_in(self, slot: int, held: torch.Tensor, count: int) -> None:
        for s, (k, v) in zip(self.slots, held, strict=True):
            if not s.is_initialized:
                s.lazy_initialization(k[None], v[None])
            assert s.keys is not None and s.values is not None
            s.keys[slot, :, :count], s.values[slot, :, :count] = k[:, :count], v[:, :count]

    def move(self, source: int, target: int, count: int) -> None:
        for s in self.slots:
            if s.keys is not None and s.values is not None:
                s.keys[target, :, :count], s.values[target, :, :count] = (
                    s.keys[source, :, :count],
                    s.values[source, :, :count],
                )


@dataclass(slots=True)
class CachedPrefix:
    """What is kept of a sequence: keys and values ``(L, 2, H, T, D)``, and of an object-aware model what came into each mixer, ``(1, T, D)``."""

    states: torch.Tensor
    rows: list[torch.Tensor] = field(default_factory=list)

    @property
    def nbytes(self) -> int:
        return self.states.nbytes + sum(r.nbytes for r in self.rows)


class LRUCache:
    """Tensors (or what else has ``nbytes``) by key, the least recently used forgotten first, never more than ``max_bytes``."""

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes, self.bytes, self.hits, self.misses = max_bytes, 0, 0, 0
        self._held: OrderedDict[Hashable, Any] = OrderedDict()

    def get(self, key: Hashable) -> Any:
        if key in self._held:
            self.hits += 1
            self._held.move_to_end(key)
            return self._held[key]
        self.misses += 1
        return None

    def put(self, key: Hashable, value: Any) -> None:
        self.drop(key)
        size = value.nbytes
        if size > self.max_bytes:
            return
        self._held[key] = value
        self.bytes += size
        while self.bytes > self.max_bytes:
            self.drop(next(iter(self._held)))

    def drop(self, key: Hashable) -> None:
        value = self._held.pop(key, None)
        if value is not None:
            self.bytes -= value.nbytes

    def names(self) -> list[Any]:
        return list(self._held)


class PrefixCache:
    """What is kept of sequences seen before. A sequence is its token ids, where picture tokens carry their picture's own number,
    so two pictures never share a prefix."""

    def __init__(self, max_bytes: int) -> None:
        self.held = LRUCache(max_bytes)

    def longest(self, units: tuple[int, ...]) -> tuple[int, CachedPrefix | None]:
        """Length of the longest common beginning with a sequence held, short of the last token (its logits are needed)."""
        best, best_key, wanted = 0, None, np.asarray(units[:-1])
        for key in self.held.names():
            n = min(len(key), len(wanted))
            differ = np.flatnonzero(np.asarray(key[:n]) != wanted[:n])
            same = int(differ[0]) if len(differ) else n
            if same > best:
                best, best_key = same, key
        if best_key is None:
            self.held.misses += 1
            return 0, None
        return best, self.held.get(best_key)

    def keep(self, units: tuple[int, ...], held: CachedPrefix) -> None:
        """Hold a sequence; those that are its beginning are dropped."""
        for key in self.held.names():
            if len(key) <= len(units) and units[: len(key)] == key:
                self.held.drop(key)
        self.held.put(units, held)
