"""Wanted sizes of an engine's caches. Imports nothing, so that commands know their options at once."""

from __future__ import annotations

from dataclasses import dataclass

CPU_SLOTS, CUDA_SLOTS = 8, 64
"""Slots where nobody names them, at most."""


@dataclass(frozen=True, slots=True)
class CacheOptions:
    """Wanted sizes of an engine's caches.

    Attributes:
        slots: answers generated together; 0: up to 8 on a processor and 64 on a CUDA device, as memory allows.
        length: tokens of a prompt and its answer; 0: what suits the model, as memory allows.
        prefix_mb, feature_mb: MB of prompts and of picture features that are kept; None: by the model and memory.
        cuda_graphs: decode by CUDA graphs, on a CUDA device.
    """

    slots: int = 0
    length: int = 0
    prefix_mb: int | None = None
    feature_mb: int | None = None
    cuda_graphs: bool = True
