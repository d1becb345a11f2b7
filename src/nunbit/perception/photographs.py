"""Objects of a photograph: the COCO detector says where, the ImageNet classifier says what, and each corrects the
other.

The detector mistakes a cat for a dog and knows 80 names; the classifier knows a thousand, but neither places nor
persons. So each box is
named again from its crop, and what the whole picture shows is added where no box shows it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from nunbit.perception.coco_detector import MAX_OBJECTS, CocoDetector, calibrated, suppress
from nunbit.perception.coco_detector import SOURCE as DETECTOR
from nunbit.perception.image_names import MAX_CROPS, Heat, ImageNamer, Naming, activation_box, name_table
from nunbit.perception.image_names import SOURCE as NAMES
from nunbit.scene import Box, Scene, SceneObject, box_iou

if TYPE_CHECKING:
    from PIL.Image import Image

DETECTED, PROPOSED = 0.22, 0.11
"""Raw detector scores: an object of its own, and a box that only the classifier may fill."""
AGREES, RENAMES, SURE, WHOLE, WEARS = 0.3, 0.6, 0.75, 0.35, 0.35
"""Probabilities of the classifier: confirms a box's name, replaces it, fills a weak box or replaces a thing's name,
names the picture, names clothes."""
KEEP = 0.3
SETTING = 0.5
"""How sure the classifier must be of a place."""
SAME_THING_IOU, INSIDE, APART = 0.5, 0.75, 0.5
"""Boxes are one thing at this overlap or when this much of the smaller lies in the other; a weak box must be this far
apart."""
MIN_SIDE_PX = 12.0
ANIMALS = frozenset("bird cat dog horse sheep cow elephant bear zebra giraffe".split())


@lru_cache(maxsize=1)
def shared_names() -> frozenset[str]:
    """COCO's names that ImageNet has a name for; of the others the classifier cannot judge."""
    return frozenset(row.coco for row in name_table() if row.coco)


class PhotographParts:
    """A provider: detector and classifier together.

    ``meta`` holds the whole picture's names with probabilities, and the place ("beach") if one is likely.
    """

    def __init__(self, detector: CocoDetector, namer: ImageNamer) -> None:
        self.detector, self.namer = detector, namer
        self.name = f"photographs-2-{detector.name}-{namer.name}"

    @classmethod
    def from_pretrained(cls) -> PhotographParts:
        """With the weights that ship with the package."""
        return cls(CocoDetector.from_pretrained(), ImageNamer.from_pretrained())

    def to(self, device: str) -> None:
        """Run both on a device."""
        self.detector.to(device)
        self.namer.to(device)

    def __call__(self, images: Sequence[Image]) -> list[Scene]:
        return [self._scene(image) for image in images]

    def _scene(self, image: Image) -> Scene:
        peaks = [o for o in self.detector.peaks(image) if min(o.box[2] - o.box[0], o.box[3] - o.box[1]) >= MIN_SIDE_PX]
        detected = suppress([o for o in peaks if o.score >= DETECTED])[:MAX_OBJECTS]
        proposed = _new_boxes([o for o in peaks if PROPOSED <= o.score < DETECTED], detected)
        boxes = [o.box for o in (detected + proposed)[:MAX_CROPS]]
        (whole, *crops), heat = self.namer.look(image, boxes)
        found = [judge(o, crops[i] if i < len(crops) else None) for i, o in enumerate(detected)]
        names = whole.everyday()
        known = {o.name for o in found} | {names[0][0]}
        found += [
            o
            for o in map(_named_proposal, proposed, crops[len(detected) :])
            if o and o.name in known and _apart(o, found)
        ]
        whole_object = self._whole(whole, heat, image, found)
        if whole_object is not None:
            _add_whole(found, whole_object, whole, [o.box for o in peaks if o.score >= PROPOSED / 2])
        scene = Scene(image.width, image.height, merge_same([o for o in found if o.score >= KEEP]))
        for o in scene.objects:
            o.score = round(o.score, 3)
        scene.meta["names"] = [[n, round(q, 3)] for n, q in names if q >= 0.05]
        setting, q = whole.kind("place")
        if q >= SETTING:
            scene.meta["place"] = [setting, round(q, 3)]
        return scene

    @staticmethod
    def _whole(whole: Naming, heat: Heat, image: Image, found: Sequence[SceneObject]) -> SceneObject | None:
        """What the whole picture shows, as an object; None for a place, for nothing sure, and where the detector
        knows better."""
        (name, p), best = whole.everyday(1)[0], whole.best()
        fine = [i for i, row in enumerate(name_table()) if row.everyday == name]
        if best.kind == "building":
            fine = [i for i, row in enumerate(name_table()) if row.kind == "building"]
            together = float(whole.fine[fine].sum())
            name, p = (name, p) if p >= RENAMES else ("building", together)
        if p < WHOLE or best.kind == "place":
            return None
        o = SceneObject(name, activation_box(heat(fine), *image.size), p, {"source": NAMES})
        if any(_knows_better(known, o, best.kind) for known in found):
            return None
        return o


def _knows_better(known: SceneObject, o: SceneObject, kind: str) -> bool:
    """A sure animal that ImageNet has no name for (a giraffe) stands where the classifier names another one; clothes
    that a person wears."""
    if inside(known.box, o.box) < APART:
        return False
    if kind == "clothing":
        return known.attributes.get("wearing") == o.name
    return kind == "animal" and known.name in ANIMALS - shared_names() and known.score >= 0.6


def judge(detected: SceneObject, naming: Naming | None) -> SceneObject:
    """A detected object under the name that detector and classifier support together; ``source`` says who does."""
    p = calibrated(detected.score)
    out = SceneObject(detected.name, detected.box, p, {"source": DETECTOR})
    if naming is None:
        return out
    if detected.name == "person":
        clothes, q = naming.kind("clothing")
        if q >= WEARS:
            out.attributes["wearing"] = clothes
        return out
    (name, q), best, agreement = naming.everyday(1)[0], naming.best(), naming.coco(detected.name)
    judged = detected.name in shared_names()
    if agreement >= AGREES:
        out.score, out.attributes["source"] = 1 - (1 - p) * (1 - 0.9 * agreement), f"{DETECTOR}+{NAMES}"
        if best.coco == detected.name and q >= RENAMES and name != detected.name:
            out.name, out.attributes["kind"] = name, detected.name
    elif q >= RENAMES and (judged or p < 0.7) and _may_replace(detected.name, best.kind, q, p):
        out.name, out.score, out.attributes["source"] = name, 0.95 * q, NAMES
        if best.coco and best.coco != name:
            out.attributes["kind"] = best.coco
    elif judged:
        out.score = p * (1 - 0.5 * q)
    return out


def _may_replace(detected: str, kind: str, q: float, p: float) -> bool:
    """An animal is renamed to another animal; other things only where the detector is unsure and the classifier is
    sure."""
    if kind in ("place", "clothing"):
        return False
    return (detected in ANIMALS and kind == "animal") or (p < 0.5 and q >= SURE)


def _named_proposal(proposed: SceneObject, naming: Naming) -> SceneObject | None:
    """A weak box as an object, where its crop surely shows an animal. Things have no clear bounds for a classifier."""
    (name, q), best = naming.everyday(1)[0], naming.best()
    if best.kind != "animal" or q < SURE:
        return None
    return SceneObject(
        name, proposed.box, 0.8 * q, {"source": NAMES} | ({"kind": best.coco} if best.coco not in ("", name) else {})
    )


def _apart(o: SceneObject, others: Sequence[SceneObject]) -> bool:
    """Whether no object of the same name overlaps much: a crop beside an animal shows a part of it and is named after
    it."""
    return all(inside(o.box, k.box) < APART for k in others if k.name == o.name)


def _new_boxes(weak: Sequence[SceneObject], known: Sequence[SceneObject]) -> list[SceneObject]:
    """Weak boxes that overlap neither a known one nor a stronger weak one, whatever their class."""
    kept: list[SceneObject] = []
    for o in weak:
        if all(box_iou(o.box, k.box) < SAME_THING_IOU and inside(o.box, k.box) < INSIDE for k in [*known, *kept]):
            kept.append(o)
    return kept


def _add_whole(found: list[SceneObject], o: SceneObject, whole: Naming, boxes: Sequence[Box]) -> None:
    """What the whole picture shows: it confirms an object of that name, or becomes one, in the detector's box that
    fits best."""
    best = whole.best()
    for known in found:
        if known.name == o.name or (best.coco and best.coco in (known.name, known.attributes.get("kind"))):
            known.score = max(known.score, 1 - (1 - known.score) * (1 - 0.8 * o.score))
            if known.name == best.coco and o.score >= RENAMES and known.name != o.name:
                known.name, known.attributes["kind"] = o.name, best.coco
            if NAMES not in known.attributes["source"]:
                known.attributes["source"] += f"+{NAMES}"
            return
    fitting = max(boxes, key=lambda b: box_iou(b, o.box), default=o.box)
    if box_iou(fitting, o.box) >= 0.45:
        o.box = fitting
    o.score *= 0.9
    if best.coco not in ("", o.name):
        o.attributes["kind"] = best.coco
    found.append(o)


def merge_same(objects: Sequence[SceneObject]) -> list[SceneObject]:
    """One object for boxes of one name that overlap or lie in each other, the surest first."""
    kept: list[SceneObject] = []
    for o in sorted(objects, key=lambda o: -o.score):
        same = (k for k in kept if k.name == o.name or box_iou(k.box, o.box) >= INSIDE)
        if all(box_iou(o.box, k.box) < SAME_THING_IOU and inside(o.box, k.box) < INSIDE for k in same):
            kept.append(o)
    return kept


def inside(a: Box, b: Box) -> float:
    """How much of the smaller of two boxes lies in the other."""
    w, h = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    small = min((a[2] - a[0]) * (a[3] - a[1]), (b[2] - b[0]) * (b[3] - b[1]))
    return max(w, 0.0) * max(h, 0.0) / small if small > 0 else 0.0
