"""Memory that was used is given back: a server answers small and large requests in many threads, for weeks. For glibc; elsewhere nothing is
changed."""

from __future__ import annotations

import ctypes
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
TRIM_BYTES, LARGE_BYTES = 8 << 20, 4 << 20
"""Free bytes at the heap's end from which it shrinks by itself; a piece of memory from which it comes from the system and goes back at once.
Smaller ones cost a tenth of the speed: pages would be taken anew for every layer."""
PAUSE_S = 1.0


def _libc() -> Any:
    if not sys.platform.startswith("linux"):
        return None
    try:
        library = ctypes.CDLL(None)
        return library if hasattr(library, "mallopt") and hasattr(library, "malloc_trim") else None
    except OSError:
        return None


def one_heap() -> None:
    """One heap for all threads: each thread's own would keep the largest request it ever saw (3,000 hostile ones left 120 MB behind)."""
    if library := _libc():
        for option, value in ((M_ARENA_MAX, 1), (M_TRIM_THRESHOLD, TRIM_BYTES), (M_MMAP_THRESHOLD, LARGE_BYTES)):
            library.mallopt(option, value)


def trim_when_idle(asked: Callable[[], int], idle: Callable[[], bool]) -> None:
    """Give back what is free within the heap whenever the work is done.

    Args:
        asked: how many requests there were so far: without new ones there is nothing to give back.
        idle: nobody waits for an answer.
    """
    library = _libc()
    if not library:
        return

    def watch() -> None:
        before = asked()
        while True:
            time.sleep(PAUSE_S)
            if asked() != before and idle():
                before = asked()
                library.malloc_trim(0)

    threading.Thread(target=watch, name="nunbit-memory", daemon=True).start()
