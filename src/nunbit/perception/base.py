"""What a part of perception is: the protocols of providers and relators, a lazy provider, and shared helpers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar

from nunbit.scene import Relation, Scene, SceneObject

if TYPE_CHECKING:
    from PIL.Image import Image

FACTS, FAILED = "facts", "failed"
"""Keys of a partial Scene's ``meta``: facts that belong to the whole Scene, and the reason of each covered part that
failed although its provider found something."""


class Provider(Protocol):
    """Pictures in, partial Scenes out, one a picture and of the picture's size.

    A provider may have ``covers``, the names of other parts whose work it does too (see `covered_parts`).
    """

    @property
    def name(self) -> str:
        """Identifies weights and settings. Two providers of one name give the same Scenes; the cache relies on it."""
        ...

    def __call__(self, images: Sequence[Image]) -> list[Scene]:
        """Partial Scenes of RGB pictures, in order."""
        ...


class Relator(Protocol):
    """Relates the objects that the other parts have found."""

    @property
    def name(self) -> str:
        """Identifies weights and settings."""
        ...

    def relate(self, images: Sequence[Image], scenes: Sequence[Scene]) -> list[list[Relation]]:
        """Relations of each picture; subject and object are positions in ``scene.objects``."""
        ...


class Lazy:
    """A provider built at its first use. A build that fails is not tried again: every call raises the same error.

    Args:
        build: makes the provider.
    """

    def __init__(self, build: Callable[[], Provider]) -> None:
        self._build, self._lock = build, threading.Lock()
        self._provider: Provider | None = None
        self._error: Exception | None = None
        self._device = ""

    def get(self) -> Provider:
        """The provider, built now if it is not there yet.

        Raises:
            Exception: whatever the build raised.
        """
        with self._lock:
            if self._error is not None:
                raise self._error
            if self._provider is None:
                try:
                    self._provider = move(self._build(), self._device)
                except Exception as e:
                    self._error = e
                    raise
            return self._provider

    def to(self, device: str) -> None:
        """Run on a device, now or once it is built."""
        with self._lock:
            self._device = device
            if self._provider is not None:
                move(self._provider, device)

    @property
    def name(self) -> str:
        """The provider's name; builds it."""
        return self.get().name

    @property
    def covers(self) -> tuple[str, ...]:
        """The parts that the provider covers; builds it."""
        return covered_parts(self.get())

    def __call__(self, images: Sequence[Image]) -> list[Scene]:
        """The provider's Scenes; builds it."""
        return self.get()(images)


Part = TypeVar("Part")


def move(part: Part, device: str) -> Part:
    """Let a part run on a device, if it has a network (a method ``to``); returns it."""
    if device and hasattr(part, "to"):
        part.to(device)
    return part


def covered_parts(provider: Provider) -> tuple[str, ...]:
    """The parts whose work a provider does beside its own, e.g. ``("ocr",)`` for a segmenter that also reads."""
    return tuple(getattr(provider, "covers", ()))


def clip_objects(objects: Sequence[SceneObject], width: int, height: int) -> list[SceneObject]:
    """The objects with their boxes cut at the picture's edges; what lies outside, or has no area, is left out."""
    out = []
    for o in objects:
        x1, y1, x2, y2 = o.box
        box = (max(0.0, x1), max(0.0, y1), min(float(width), x2), min(float(height), y2))
        if box[2] > box[0] and box[3] > box[1]:
            out.append(SceneObject(o.name, box, o.score, dict(o.attributes), o.segment))
    return out


def reason_of(error: Exception) -> str:
    """An error as one short line: its type and the first line of its message."""
    text = str(error).strip()
    return f"{type(error).__name__}: {text.splitlines()[0] if text else 'no message'}"[:300]
