"""Perception for the server: the Scene of one picture as JSON, in words, and drawn over the picture."""

from __future__ import annotations

import base64
import io
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from nunbit.engine.scheduler import Engine
from nunbit.evidence import claims_of
from nunbit.evidence.drawing import FONT
from nunbit.evidence.wording import report
from nunbit.media.bounds import reduced
from nunbit.perception.build import PerceptionConfig, build_perception
from nunbit.perception.overlay import draw
from nunbit.perception.scaling import scaled_copy
from nunbit.scene import Scene
from nunbit.trust.checks import Ask
from nunbit.trust.trace import Verification
from nunbit.trust.woodpecker import verify
from nunbit.verbalise import moai_text

Perceive = Callable[[Sequence[Any]], list[Scene]]
"""PIL pictures -> their Scenes."""


class PerceptionService:
    """Shows what perception finds in a picture.

    Args:
        perceive: finds it; models load at the first picture.
    """

    def __init__(self, perceive: Perceive) -> None:
        self.perceive = perceive
        self._lock = threading.Lock()

    @classmethod
    def of_engine(cls, engine: Engine) -> PerceptionService:
        """The perception of the served model where it is object-aware, so that the page shows what the model is given;
        else the default one. Photographs beside a model of drawings are shown by the default one too."""
        aware = engine.runner.aware
        return cls(aware.shown if aware is not None else build_perception(PerceptionConfig()))

    def evidence(self, question: str, pictures: Sequence[Any], answer: str, scenes: Sequence[Scene]) -> dict[str, Any]:
        """JSON of the claims of an answer and what they rest on; see `nunbit.evidence.wording.report`.

        Args:
            scenes: of the pictures, where the model had them; else perception looks at the pictures.
        """
        return report(claims_of(question, answer, self.scenes_of(pictures, scenes)))

    def verify(
        self, question: str, pictures: Sequence[Any], answer: str, scenes: Sequence[Scene], ask: Ask | None
    ) -> Verification:
        """An answer corrected by what is in its pictures; see `nunbit.trust.woodpecker.verify`.

        Args:
            scenes: as in `evidence`.
            ask: the model, where it may be asked again.
        """
        return verify(question, answer, self.scenes_of(pictures, scenes), pictures, ask=ask)

    def scenes_of(self, pictures: Sequence[Any], scenes: Sequence[Scene]) -> Sequence[Scene]:
        """The Scenes of pictures: those that the model had, else what perception finds, one request at a time."""
        if not pictures or scenes:
            return scenes
        with self._lock:
            return self.perceive(pictures)

    def describe(self, read: Callable[[], Any], overlays: bool = True) -> dict[str, Any]:
        """JSON of one picture: ``scene``, ``words`` and ``overlays`` (data: URIs of PNG files).

        Args:
            read: gives the PIL picture; of a very large one nothing but a smaller copy is held afterwards.
            overlays: whether the pictures are drawn; without them ``overlays`` is empty.
        """
        picture = read()
        small, size = reduced(picture), picture.size
        del picture
        with self._lock:  # one picture at a time, because perception needs the most memory of all
            scene = self.perceive([small])[0]
        views = _views(scene) if overlays else {}
        drawn = {name: data_uri(draw(small, part, font=str(FONT))) for name, part in views.items()}
        scene = scaled_copy(scene, size)  # last: its map is as large as the picture
        return {"scene": scene.to_json(), "words": " ".join(moai_text(scene).split()), "overlays": drawn}


def _views(scene: Scene) -> dict[str, Scene]:
    """The part of a Scene that each view of the page shows."""
    views = {
        "boxes": replace(scene, relations=[], text_lines=[], segment_map=None),
        "relations": replace(scene, text_lines=[], segment_map=None),
        "text": replace(scene, objects=[], relations=[], segment_map=None),
    }
    if scene.segment_map is not None:
        views["crayon"] = replace(scene, objects=[], relations=[], text_lines=[])
    return views


def data_uri(image: Any) -> str:
    """A PIL picture as a PNG file in a data: URI."""
    out = io.BytesIO()
    image.save(out, "PNG")
    return "data:image/png;base64," + base64.b64encode(out.getvalue()).decode()
