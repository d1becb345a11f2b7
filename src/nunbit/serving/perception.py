"""Perception for the server: Scene, words and overlays of one picture, remembered by content."""

from __future__ import annotations

import base64
import io
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

from nunbit.perception import GeometricRelations, Perception, SceneCache, TesseractReader
from nunbit.perception.build import segmenter
from nunbit.perception.overlay import draw
from nunbit.scene import Scene
from nunbit.verbalise import moai_text

FONT = Path(__file__).parents[1] / "world" / "fonts" / "gothic.ttf"


class Eyes:
    """What the server sees with. By default the embedded eyes, relations by geometry, and the OCR engine where it is installed."""

    def __init__(self, perception: Perception | None = None, cache: Path | None = None) -> None:
        self._held = perception
        self._cache, self._lock = cache, threading.Lock()

    def see(self, image: Any) -> dict[str, Any]:
        """JSON of one picture: ``scene``, ``words`` and ``overlays`` (data: URIs)."""
        with self._lock:  # one picture at a time: perception models are the costliest guests
            if self._held is None:
                cache = SceneCache(self._cache) if self._cache else None
                self._held = Perception(
                    panoptic=segmenter(read=False), relations=GeometricRelations(), ocr=TesseractReader(), cache=cache
                )
            scene = self._held([image])[0]
        return {"scene": scene.to_json(), "words": " ".join(moai_text(scene).split()),
                "overlays": {k: _uri(draw(image, part, font=str(FONT))) for k, part in _views(scene).items()}}  # fmt: skip


def _views(scene: Scene) -> dict[str, Scene]:
    """What each of the page's views shows of a Scene."""
    views = {"boxes": replace(scene, relations=[], text_lines=[], segment_map=None),
             "relations": replace(scene, text_lines=[], segment_map=None),
             "text": replace(scene, objects=[], relations=[], segment_map=None)}  # fmt: skip
    if scene.segment_map is not None:
        views["crayon"] = replace(scene, objects=[], relations=[], text_lines=[])
    return views


def _uri(image: Any) -> str:
    out = io.BytesIO()
    image.save(out, "PNG")
    return "data:image/png;base64," + base64.b64encode(out.getvalue()).decode()
