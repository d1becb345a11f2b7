"""The things of the Scenes of a conversation by what they may be called, and their lines of text."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from nunbit.coco import short_name
from nunbit.evidence.claims import Evidence
from nunbit.evidence.names import Mention, canonical, labels_of
from nunbit.evidence.statements import NEAR_COLOURS
from nunbit.scene import Box, Scene, SceneObject
from nunbit.scene_phrases import facts_of
from nunbit.verbalise import mask_boxes

CONFIDENT = 0.7
"""Objects and lines from this score on can contradict an answer; below it they only support one, weakly."""
NAMES_MIN = 0.1
"""Names of the whole picture count from this probability on."""


@dataclass(frozen=True, slots=True)
class Found:
    """A thing of a Scene: its evidence, what it may be called, its colours, whether it can be counted."""

    evidence: Evidence
    labels: frozenset[str]
    colours: frozenset[str] = frozenset()
    countable: bool = True
    place: tuple[float, float] = (0.5, 0.5)
    object: int = -1

    @property
    def confident(self) -> bool:
        """Whether it can contradict an answer."""
        return self.evidence.score >= CONFIDENT

    def colour_verdict(self, wanted: str) -> str:
        """``same``, ``near`` (a colour that others call so), ``other``, or ``unknown``."""
        if not self.colours:
            return "unknown"
        if wanted in self.colours:
            return "same"
        return "near" if any(frozenset((wanted, c)) in NEAR_COLOURS for c in self.colours) else "other"


@dataclass(slots=True)
class Index:
    """Things by label, lines by picture, and the Scenes they come from."""

    scenes: list[Scene]
    pictures: list[int]
    by_label: dict[str, list[Found]] = field(default_factory=lambda: defaultdict(list))
    lines: list[Evidence] = field(default_factory=list)
    names: list[str] = field(default_factory=list)

    def of(self, mention: Mention) -> list[Found]:
        """The things that a mention may mean, the surest first."""
        return self._with(mention.names) or self._with(mention.broader)

    def exactly(self, mention: Mention) -> list[Found]:
        """The things of the mention's own names, not those of which it is a special case."""
        return self._with(mention.names)

    def _with(self, names: Iterable[str]) -> list[Found]:
        found = {f.evidence.id: f for n in names for f in self.by_label.get(n, ())}
        return sorted(found.values(), key=lambda f: -f.evidence.score)


def index_of(scenes: Sequence[Scene], pictures: Sequence[int] | None = None) -> Index:
    """Index Scenes.

    Args:
        pictures: their positions in the conversation; 0, 1 ... if None.
    """
    index = Index([*scenes], [*(pictures if pictures is not None else range(len(scenes)))])
    for number, scene in zip(index.pictures, scenes, strict=True):
        for found in (*_objects(scene, number), *_segments(scene, number), *_whole(scene, number)):
            index.names.append(found.evidence.text)
            for label in found.labels:
                index.by_label[label].append(found)
        for i, line in enumerate(scene.text_lines):
            if line.text.strip():
                index.lines.append(
                    Evidence("text", line.text, line.box, number, line.score, _reader(scene), f"{number}.text.{i}")
                )
    return index


def _reader(scene: Scene) -> str:
    notes = scene.meta.get("perception", {})
    return str(notes.get("ocr", {}).get("provider", "")) if isinstance(notes, dict) else ""


def _objects(scene: Scene, number: int) -> list[Found]:
    return [
        Found(
            Evidence("object", o.name, o.box, number, o.score, o.attributes.get("source", ""), f"{number}.object.{i}"),
            frozenset(labels_of(o.name, o.attributes.get("kind", ""), o.attributes.get("fine_name", ""))),
            _colours(o),
            place=_middle(o.box, scene),
            object=i,
        )
        for i, o in enumerate(scene.objects)
    ]


def _colours(o: SceneObject) -> frozenset[str]:
    words = o.attributes.get("colours") or o.attributes.get("colour") or o.attributes.get("color") or ""
    own = [w for w in o.name.split() if w in _SIMPLE]
    return frozenset(_simple(c) for c in (*words.split(", "), *own) if c)


_SIMPLE = frozenset("red orange yellow green blue purple pink brown black white gray grey beige".split())


def _simple(colour: str) -> str:
    """``dark blue`` -> ``blue``, ``grey`` -> ``gray``."""
    plain = colour.casefold().split()[-1]
    return {"grey": "gray", "silver": "gray", "gold": "yellow", "golden": "yellow", "navy": "blue"}.get(plain, plain)


def _middle(box: Box, scene: Scene) -> tuple[float, float]:
    """The middle of a box in shares of the picture's sides."""
    return (box[0] + box[2]) / 2 / scene.width, (box[1] + box[3]) / 2 / scene.height


def _segments(scene: Scene, number: int) -> list[Found]:
    """Segments that no object stands for: grass, sky."""
    taken = {o.segment for o in scene.objects}
    free = [s for s in scene.segments if s.name and s.id not in taken]
    if not free or scene.segment_map is None:
        return []
    boxes = mask_boxes(scene.segment_map)
    return [
        Found(
            Evidence("region", short_name(s.name), boxes[s.id], number, s.score, "", f"{number}.segment.{s.id}"),
            frozenset(labels_of(s.name)),
            countable=s.thing,
            place=_middle(boxes[s.id], scene),
        )
        for s in free
        if s.id in boxes
    ]


def _whole(scene: Scene, number: int) -> list[Found]:
    """What the whole picture shows: names with their probability, a place, the kind of picture."""
    facts, box = facts_of(scene), (0.0, 0.0, float(scene.width), float(scene.height))
    named = {str(n): float(p) for n, p in facts.get("names") or () if p >= NAMES_MIN}
    place = facts.get("place")
    if isinstance(place, list) and len(place) == 2:
        named.setdefault(str(place[0]), float(place[1]))
    known = {canonical(o.name) for o in scene.objects}
    return [
        Found(
            Evidence("region", name, box, number, p, "whole picture", f"{number}.picture.{i}"),
            frozenset({canonical(name), name}),
            countable=False,
        )
        for i, (name, p) in enumerate(named.items())
        if canonical(name) not in known
    ]
