"""Perception for the server: Scene, words and overlays of one picture, remembered by content."""

from __future__ import annotations

import base64
import io
import threading
from pathlib import Path
from typing import Any

from nunbit.perception import GeometricRelations, Perception, SceneCache, TesseractReader
from nunbit.perception.overlay import draw
from nunbit.verbalise import moai_text

FONT = Path(__file__).parents[1] / "world" / "fonts" / "gothic.ttf"


class Eyes:
    """What the server sees with. By default relations by geometry and the OCR engine, where it is installed."""

    def __init__(self, perception: Perception | None = None, cache: Path | None = None) -> None:
        self._held = perception
        self._cache, self._lock = cache, threading.Lock()

    def see(self, image: Any) -> dict[str, Any]:
        """JSON of one picture: ``scene``, ``words`` and ``overlays`` (data: URIs)."""
        with self._lock:  # one picture at a time: perception models are the costliest guests
            if self._held is None:
                cache = SceneCache(self._cache) if self._cache else None
                self._held = Perception(relations=GeometricRelations(), ocr=TesseractReader(), cache=cache)
            scene = self._held([image])[0]
            drawn = draw(image, scene, font=str(FONT))
        overlay = io.BytesIO()
        drawn.save(overlay, "PNG")
        uri = "data:image/png;base64," + base64.b64encode(overlay.getvalue()).decode()
        return {"scene": scene.to_json(), "words": " ".join(moai_text(scene).split()), "overlays": {"boxes": uri}}
