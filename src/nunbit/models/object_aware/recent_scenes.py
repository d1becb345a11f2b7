"""Scenes of recent pictures, so that perception looks once at a picture that several questions are about."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

from nunbit.media import content_hash
from nunbit.scene import Scene

MAX_BYTES = 32 << 20


class RecentScenes:
    """A perception that keeps the Scenes of the most recently used pictures; one caller at a time.

    Args:
        perceive: PIL pictures -> their Scenes; it is called for pictures that are not kept.
        max_bytes: of the Scenes that are kept; the last one is kept whatever it takes.
    """

    def __init__(self, perceive: Callable[[Sequence[Any]], list[Scene]], max_bytes: int = MAX_BYTES) -> None:
        self.perceive, self.max_bytes = perceive, max_bytes
        self._held: OrderedDict[str, Scene] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, pictures: Sequence[Any]) -> list[Scene]:
        """The Scenes of PIL pictures, in order."""
        names = [content_hash(p) for p in pictures]
        with self._lock:
            new = {n: p for n, p in zip(names, pictures, strict=True) if n not in self._held}
            self._held.update(zip(new, self.perceive(list(new.values())) if new else [], strict=True))
            for n in names:
                self._held.move_to_end(n)
            found = [self._held[n] for n in names]
            while len(self._held) > 1 and self.nbytes > self.max_bytes:
                self._held.popitem(last=False)
        return found

    @property
    def nbytes(self) -> int:
        """What the Scenes hold that are kept."""
        return sum(map(_nbytes, list(self._held.values())))  # no lock: perception may hold it for seconds


def _nbytes(scene: Scene) -> int:
    """Bytes of a Scene, roughly: its map is nearly all of it."""
    return 10_000 + (0 if scene.segment_map is None else scene.segment_map.nbytes)
