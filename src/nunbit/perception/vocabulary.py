"""Which things perception would have found in a picture, so that their absence from its Scene means something.

A detector that knows 80 names says nothing about an umpire. And a name that it knows may have been seen faintly, below
the score from which the Scene lists it: such a thing is not absent either.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from nunbit.coco import PANOPTIC_CLASSES, short_name
from nunbit.evidence.names import canonical
from nunbit.scene import Scene

if TYPE_CHECKING:
    from PIL.Image import Image

    from nunbit.perception.coco_detector import CocoDetector

MOSTLY = 0.6
"""The probability of a kind of picture from which the names of its part count as looked for."""
FAINT = 0.11
"""Raw score of the COCO detector from which a thing may be there. Scenes list things from 0.22 on."""


def names_looked_for(scene: Scene) -> frozenset[str]:
    """Names, as `nunbit.evidence.names.canonical` gives them, that the parts which looked at a picture know: COCO's for
    photographs, none for everything else and where a part failed. The world's encoder does not count: it overlooks so
    many things in drawings that by its silence nearly a quarter of an answer's true claims would be lost."""
    noted = scene.meta.get("perception")
    part: dict[str, Any] = noted.get("panoptic") or {} if isinstance(noted, dict) else {}
    provider = str(part.get("provider") or "")
    if part.get("status") != "ok" or not provider:
        return frozenset()
    kinds = _kinds(scene)
    if "coco-detector" in provider and kinds.get("photograph", 0.0) >= MOSTLY:
        return coco_names()
    return frozenset() if "cells-" in provider or "coco-detector" in provider else coco_names()


def _kinds(scene: Scene) -> dict[str, float]:
    facts = scene.meta.get("facts") or {}
    return dict((facts.get("picture") or scene.meta.get("picture") or {}).get("kinds") or {})


@lru_cache(maxsize=1)
def coco_names() -> frozenset[str]:
    """COCO's 80 things."""
    return frozenset(canonical(short_name(n)) for n in PANOPTIC_CLASSES[:80])


class FaintThings:
    """Things that the COCO detector sees in a picture at scores below those that a Scene lists.

    It opens the detector at the first call, takes one pass for a picture, and keeps the last pictures' names.
    """

    KEPT = 16

    def __init__(self) -> None:
        self._detector: CocoDetector | None = None
        self._lock = threading.Lock()
        self._seen: dict[str, frozenset[str]] = {}

    def __call__(self, image: Image) -> frozenset[str]:
        """Canonical names of what may be in the picture."""
        from nunbit.perception.cache import picture_key
        from nunbit.perception.coco_detector import CocoDetector

        key = picture_key(image, f"faint-{FAINT}")
        with self._lock:
            if key not in self._seen:
                self._detector = self._detector or CocoDetector.from_pretrained()
                while len(self._seen) >= self.KEPT:
                    self._seen.pop(next(iter(self._seen)))
                peaks = self._detector.peaks(image.convert("RGB"))
                self._seen[key] = names_above(peaks, FAINT)
            return self._seen[key]


def names_above(peaks: Sequence[Any], least: float) -> frozenset[str]:
    """Canonical names of objects with at least a raw score."""
    return frozenset(canonical(short_name(o.name)) for o in peaks if o.score >= least)
