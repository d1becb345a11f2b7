"""Relations between objects: from any scene-graph model with PSGTR's outputs, or from the geometry of the boxes.

Source: arXiv 2403.07508 (MoAI: the min(10, objects) strongest, kept at 0.8 and up); OpenPSG for the outputs' shape.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nunbit.coco import PANOPTIC_CLASSES, short_name
from nunbit.errors import UserError
from nunbit.perception.base import clip_objects
from nunbit.scene import Box, Relation, Scene, SceneObject, as_box, box_iou
from nunbit.verbalise import relations_from_scores

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True, slots=True)
class SceneGraphOutput:
    """What a scene-graph model gives for one picture.

    Attributes:
        labels: ``(n,)`` class of each object, 1-based as in PSGTR.
        scores: ``(R, 57)`` predicate probabilities, column 0 = background.
        pairs: ``(R, 2)`` positions of subject and object.
        boxes: ``(n, 4)`` in pixels; or
        masks: ``(n, H, W)`` booleans at the picture's size, from which boxes are taken.
    """

    labels: Sequence[int]
    scores: np.ndarray
    pairs: np.ndarray
    boxes: np.ndarray | None = None
    masks: np.ndarray | None = None


class SceneGraph:
    """A provider of objects and relations around any callable that acts like PSGTR.

    Args:
        predict: one picture -> its SceneGraphOutput.
        name: identifies the weights; the cache relies on it.
        classes: names of the model's classes, whose numbers start from 1.
    """

    def __init__(
        self, predict: Callable[[Image], SceneGraphOutput], name: str, *, classes: Sequence[str] = PANOPTIC_CLASSES
    ) -> None:
        self.predict, self.classes, self.name = predict, classes, f"relations-{name}"

    def __call__(self, images: Sequence[Image]) -> list[Scene]:
        """Scenes with the related objects and their relations, strongest first.

        Raises:
            UserError: a class number outside the list, or output without boxes and masks.
        """
        return [self._scene(image, self.predict(image)) for image in images]

    def _scene(self, image: Image, out: SceneGraphOutput) -> Scene:
        count = len(out.labels)
        if any(not 1 <= int(n) <= len(self.classes) for n in out.labels):
            raise UserError(f"object classes {list(out.labels)}", allowed=f"1 to {len(self.classes)}")
        boxes = _boxes(out)
        names = [short_name(self.classes[int(n) - 1]) for n in out.labels]
        objects = [SceneObject(n, b) for n, b in zip(names, boxes, strict=True)]
        # Fewer rows than min(10, objects) empties the release's answer; here those there are count.
        found = relations_from_scores(out.scores, out.pairs, min(count, len(out.scores)))
        found = [r for r in found if min(r.subject, r.object) >= 0 and max(r.subject, r.object) < count]
        used = sorted({i for r in found for i in (r.subject, r.object) if clip_objects([objects[i]], *image.size)})
        place = {old: new for new, old in enumerate(used)}
        return Scene(
            image.width,
            image.height,
            clip_objects([objects[i] for i in used], *image.size),
            [
                Relation(place[r.subject], r.predicate, place[r.object], r.score)
                for r in sorted(found, key=lambda r: -r.score)
                if r.subject in place and r.object in place
            ],
        )


def _boxes(out: SceneGraphOutput) -> list[Box]:
    if out.boxes is not None:
        return [as_box(b) for b in out.boxes]
    if out.masks is None:
        raise UserError("scene-graph output without boxes and masks", allowed="one of the two")
    boxes = []
    for mask in out.masks:
        ys, xs = np.nonzero(mask)
        boxes.append(as_box((xs.min(), ys.min(), xs.max() + 1, ys.max() + 1) if len(ys) else (0, 0, 0, 0)))
    return boxes


_INVERSE = {
    "left of": "right of",
    "right of": "left of",
    "above": "below",
    "below": "above",
    "overlapping": "overlapping",
}


@dataclass(frozen=True, slots=True)
class GeometricRelations:
    """A relator without a model: left of, right of, above, below, on, inside, overlapping, scored by their margins.

    Args:
        threshold: weaker relations are dropped.
        max_objects: only the best-scored objects are compared, as pairs grow with their square.
        max_relations: the strongest that are kept.
        inverses: also give each relation from the other side, where it has a word.
    """

    threshold: float = 0.6
    max_objects: int = 16
    max_relations: int = 32
    inverses: bool = False

    @property
    def name(self) -> str:
        """The settings."""
        return f"geometry-{self.threshold}-{self.max_objects}-{self.max_relations}-{self.inverses}"

    def relate(self, images: Sequence[Image], scenes: Sequence[Scene]) -> list[list[Relation]]:
        """Relations of each Scene's objects; the pictures are not looked at."""
        return [self.between(s.objects) for s in scenes]

    def between(self, objects: Sequence[SceneObject]) -> list[Relation]:
        """The strongest relation of each pair of objects, strongest first; ties keep the objects' order."""
        best = sorted(range(len(objects)), key=lambda i: -objects[i].score)[: self.max_objects]
        found = []
        for k, i in enumerate(sorted(best)):
            for j in sorted(best)[k + 1 :]:
                a, b = objects[i].box, objects[j].box
                views = (((i, j), relation(a, b)), ((j, i), relation(b, a)))
                # "On" and "inside" say more than a direction does, whatever its margin.
                (s, o), (word, score) = max(views, key=lambda v: (v[1][0] in ("on", "inside"), v[1][1]))
                if score >= self.threshold:
                    found.append(Relation(s, word, o, score))
                    if self.inverses and word in _INVERSE:
                        found.append(Relation(o, _INVERSE[word], s, score))
        return sorted(found, key=lambda r: -r.score)[: self.max_relations]


def relation(a: Box, b: Box) -> tuple[str, float]:
    """The relation of box a to box b, and its score from 0 to 1.

    Inside: the share of a within a larger b. On: a's bottom edge at b's top edge, within a quarter of a's height, over
    at least half of a's width. Overlapping: the shared part of the smaller box. Otherwise a direction: the distance of
    the centres over what would just separate the boxes, less by up to half for a diagonal.
    """
    (wa, ha), (wb, hb) = (a[2] - a[0], a[3] - a[1]), (b[2] - b[0], b[3] - b[1])
    shared_w = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    shared_h = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    inside = shared_w * shared_h / (wa * ha)
    if inside >= 0.9 and wa * ha < 0.8 * wb * hb:
        return "inside", inside
    foot = abs(a[3] - b[1]) / ha
    if foot <= 0.25 and shared_w >= 0.5 * wa and a[1] < b[1]:
        return "on", 1.0 - foot
    dx, dy = (b[0] + b[2] - a[0] - a[2]) / 2, (b[1] + b[3] - a[1] - a[3]) / 2
    across = abs(dx) * (ha + hb) >= abs(dy) * (wa + wb)
    main, other, apart = (abs(dx), abs(dy), (wa + wb) / 2) if across else (abs(dy), abs(dx), (ha + hb) / 2)
    direction = min(1.0, main / apart) * (1.0 - 0.5 * min(1.0, other / main) if main > 0 else 0.0)
    overlap = shared_w * shared_h / min(wa * ha, wb * hb)
    if overlap > direction and box_iou(a, b) >= 0.1:
        return "overlapping", overlap
    words = ("left of", "right of") if across else ("above", "below")
    return words[int((dx if across else dy) < 0)], direction
