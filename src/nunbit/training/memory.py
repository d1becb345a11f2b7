"""How much memory a piece of work takes: counted tensor by tensor, on any device.

A processor has no allocation failures: the system ends the process. So the work is counted while it runs, and stopped
by an error of its own before it takes too much.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class MemoryLimit(RuntimeError):
    """The work would take more memory than it may."""


class MemoryMeter(TorchDispatchMode):
    """Counts the bytes of the tensors that operations make while it is active; those that were there are not counted.

    Works on every device, ``meta`` and fake tensors included. What a kernel takes for itself is not seen.

    Args:
        most: bytes at which the work is stopped; None: no limit.

    Attributes:
        live, peak: bytes now, and the most so far.
    """

    def __init__(self, most: float | None = None) -> None:
        super().__init__()
        self.most, self.live, self.peak = most, 0, 0
        self._sizes: dict[int, int] = {}
        self._alive: dict[int, Any] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operation and count the storages that are new."""
        out = func(*args, **(kwargs or {}))
        # In place or a view: the storage is that of an argument, which is counted already or is not ours.
        given = {_key(t) for t in tree_leaves((args, kwargs)) if isinstance(t, torch.Tensor)}
        for t in tree_leaves(out):
            if isinstance(t, torch.Tensor):
                self._add(t, given)
        if self.most is not None and self.live > self.most:
            raise MemoryLimit(f"{self.live} bytes, at most {self.most:.0f}")
        return out

    def _add(self, tensor: torch.Tensor, given: set[int | None]) -> None:
        storage = _storage(tensor)
        if storage is None:
            return
        key = storage._cdata
        if key in self._sizes or key in given:
            return
        self._alive[key] = weakref.ref(storage, self._freed(key))
        self._resize(key, storage.nbytes())

    def _freed(self, key: int) -> Callable[[Any], None]:
        def gone(_: Any) -> None:
            self._resize(key, 0)
            self._sizes.pop(key, None)
            self._alive.pop(key, None)

        return gone

    def _resize(self, key: int, size: int) -> None:
        self.live += size - self._sizes.get(key, 0)
        self._sizes[key] = size
        self.peak = max(self.peak, self.live)

    def __enter__(self) -> Any:
        """Begin to count. FSDP empties and fills its buffers by ``resize_``, which is no operation: it is watched."""
        self._real = real = torch.UntypedStorage.resize_

        def resized(storage: torch.UntypedStorage, size: int) -> Any:
            out = real(storage, size)
            if storage._cdata in self._sizes:
                self._resize(storage._cdata, storage.nbytes())
            return out

        torch.UntypedStorage.resize_ = resized  # type: ignore[method-assign,assignment]  # put back at the end
        return super().__enter__()

    def __exit__(self, *error: Any) -> None:
        """Count no more."""
        torch.UntypedStorage.resize_ = self._real  # type: ignore[method-assign]
        super().__exit__(*error)


@contextmanager
def metered(device: str, most: float | None = None) -> Any:
    """A block whose peak is measured: yields a function that returns the bytes that it has taken at most so far.

    Args:
        most: bytes at which the block is stopped.

    Raises:
        MemoryLimit: it would have taken more, or the device's own allocator failed.
    """
    try:
        if torch.device(device).type == "cuda":
            torch.cuda.synchronize(device)
            before = torch.cuda.memory_allocated(device)
            torch.cuda.reset_peak_memory_stats(device)
            yield lambda: torch.cuda.max_memory_allocated(device) - before
            torch.cuda.synchronize(device)
        else:
            with MemoryMeter(most) as meter:
                yield lambda: meter.peak
    except torch.OutOfMemoryError as e:
        raise MemoryLimit(str(e)[:200]) from None


def local_processes() -> int:
    """How many processes of this run share the machine."""
    return max(1, int(os.environ.get("LOCAL_WORLD_SIZE", os.environ.get("WORLD_SIZE", "1"))))


def _storage(tensor: torch.Tensor) -> torch.UntypedStorage | None:
    """The storage of a tensor, of a sharded one its part here; None of one that has none."""
    inner = getattr(tensor, "_local_tensor", tensor)
    try:
        return inner.untyped_storage()
    except (NotImplementedError, RuntimeError):
        return None


def _key(tensor: torch.Tensor) -> int | None:
    storage = _storage(tensor)
    return None if storage is None else storage._cdata
