"""Gives memory back to the system: what large pictures took, and, between its requests, what a server took in weeks.

It works on Linux with glibc; elsewhere nothing is changed.
"""

from __future__ import annotations

import ctypes
import gc
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
TRIM_BYTES = 8 << 20
"""Free bytes at the end of the heap above which it shrinks by itself."""
MMAP_BYTES = 4 << 20
"""A block of at least this size comes from the system and goes back to it when it is freed. A smaller limit costs a
tenth of the speed: every layer would take new pages."""
PAUSE_S = 1.0


def _libc() -> Any:
    if not sys.platform.startswith("linux"):
        return None
    try:
        library = ctypes.CDLL(None)
        return library if hasattr(library, "mallopt") and hasattr(library, "malloc_trim") else None
    except OSError:
        return None


def use_single_heap() -> None:
    """Use one heap for all threads, which gives large blocks back. A heap of each thread would keep its largest
    request: 3,000 hostile ones left 120 MB."""
    if library := _libc():
        for option, value in ((M_ARENA_MAX, 1), (M_TRIM_THRESHOLD, TRIM_BYTES), (M_MMAP_THRESHOLD, MMAP_BYTES)):
            library.mallopt(option, value)


@contextmanager
def without_collecting() -> Iterator[None]:
    """Inside, Python does not search for circles of objects: imports and the loading of a model make a million objects
    that stay, and every search would go through them. What was made inside is not searched later either."""
    if not gc.isenabled():  # an outer block, or a caller who wants it so
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def freeze_loaded() -> None:
    """Take what is loaded out of the search for circles of objects: a model and its libraries are a million objects
    that stay. A full search among them takes long, so Python puts it off, with all that it would free."""
    gc.collect()
    gc.freeze()


def trim_when_idle(count_requests: Callable[[], int], is_idle: Callable[[], bool]) -> None:
    """Start a thread that gives back what is free within the heap whenever the work is done.

    Args:
        count_requests: the number of requests so far; without new ones there is nothing to give back.
        is_idle: whether nobody waits for an answer.
    """
    library = _libc()
    if not library:
        return

    def watch() -> None:
        before = count_requests()
        while True:
            time.sleep(PAUSE_S)
            if count_requests() != before and is_idle():
                before = count_requests()
                library.malloc_trim(0)

    threading.Thread(target=watch, name="nunbit-memory", daemon=True).start()
