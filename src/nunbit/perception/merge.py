"""All parts that ship with the package as one provider: what kind of picture it is decides which parts to trust, and
overlap what is one thing.

    perception = Perception(**real_parts())
    [scene] = perception([photograph])

=============  ==========================================================================================
kind           what looks at the picture
=============  ==========================================================================================
photograph     COCO detector and ImageNet names together (`photographs`); few, sure lines of writing
drawing        the world's own encoder (`cells`), which knows drawn artwork; all lines of writing
others         lines of writing with their rows, tables and pairs; the world's encoder on pictures of its size
=============  ==========================================================================================

A picture that may be of two kinds is looked at by both, and scores are weighed with the kind's probability.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from nunbit.files import EMBEDDED
from nunbit.media.images import as_rgb
from nunbit.perception.attributes import ColourAttributes, picture_facts
from nunbit.perception.base import FACTS, FAILED, Lazy, Provider, Relator, reason_of
from nunbit.perception.chart_bars import find_bars
from nunbit.perception.drawings import WORLD_SIDE_PX
from nunbit.perception.ink import ink_colour
from nunbit.perception.photographs import PhotographParts, inside
from nunbit.perception.picture_kind import kind_probabilities
from nunbit.perception.pointing_marks import find_marks
from nunbit.perception.reading import LineReader, Recogniser, recogniser
from nunbit.perception.relations import GeometricRelations
from nunbit.perception.scaling import at_size, working_copy
from nunbit.perception.text_regions import Region, find_regions
from nunbit.scene import Relation, Scene, SceneObject, box_iou
from nunbit.scene_layout import MARKS, rows_of
from nunbit.scene_tables import extremes, tables

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

LOOKS = 0.2
"""A part looks at a picture whose kind has at least this probability."""
UNKNOWN = 0.5
"""How far the parts for photographs are trusted with a picture of another kind in which nothing else was found."""
DRAWN, BELIEVED = 0.6, 0.5
"""The world's encoder looks at larger pictures only if they are this surely drawings, and is believed if it is this
sure."""
DOCUMENT = 0.8
PAGES, PAGE = frozenset(("screenshot of a web site", "crossword", "menu")), 0.3
"""Names that a classifier gives to pages of writing: they are no objects, and from this probability on the picture is a
document."""
CHART = 0.3
"""Bars are looked for from this probability of a chart on."""
LISTS = ("document", "screenshot")
"""What a picture of writing in rows may be."""
SAME_NAME_IOU, ANY_NAME_IOU = 0.5, 0.7
KEEP = 0.25
NO_READER = "text is read in small drawings only: install tesseract and nunbit[ocr], or nunbit[ocr-pip]"


class PictureParts:
    """A provider of objects, segments and text lines.

    ``meta["facts"]`` holds ``picture`` (kind, kinds, brightness, colour, main colours), ``names``, ``place``,
    ``rows``, ``tables``, ``pairs``, ``ink`` (the writing's colour) and ``marks`` (drawn to point at something), each
    where there is one. Every object's ``attributes["source"]`` names the part or parts that found it.
    ``meta["missing"]`` says what is not installed.

    Args:
        photographs: looks at photographs.
        drawings: looks at drawings; a Scene provider such as `cells.CellPerception`.
        reader: reads; None leaves reading to ``drawings``, which reads world pictures only.
        drawings_read: whether ``drawings`` does read.
    """

    def __init__(
        self,
        photographs: PhotographParts,
        drawings: Provider | None,
        reader: LineReader | None,
        *,
        drawings_read: bool = False,
    ) -> None:
        self.photographs, self.drawings, self.reader = photographs, drawings, reader
        self.colours = ColourAttributes()
        self.covers = ("detection", "ocr") if reader is not None or drawings_read else ("detection",)
        self.missing = reader.missing if reader is not None else NO_READER if drawings_read else ""

    @cached_property
    def name(self) -> str:
        """Identifies the parts and their settings."""
        parts = (self.photographs, self.drawings, self.reader)
        return "+".join(["picture-parts-5", *(p.name for p in parts if p is not None)])

    def to(self, device: str) -> None:
        """Run what looks at photographs on a device; the world's small encoder and what reads stay where they are."""
        self.photographs.to(device)

    def __call__(self, images: Sequence[Image]) -> list[Scene]:
        return [self._scene(image) for image in images]

    def _scene(self, image: Image) -> Scene:
        image = as_rgb(image)
        scene = at_size(self._found(working_copy(image)), *image.size)
        marks = [m for m in find_marks(image) if not any(_share(m["box"], t.box) > 0.5 for t in scene.text_lines)]
        marks = [m for m in marks if not _is_border(m["box"], scene)]
        if marks:  # a letter such as O is a ring, too
            scene.meta[FACTS]["marks"] = marks
        return scene

    def _found(self, image: Image) -> Scene:
        regions, values = find_regions(image)
        kinds = kind_probabilities(image, regions)
        scene = Scene(image.width, image.height)
        facts: dict[str, Any] = {
            "picture": {"kind": max(kinds, key=lambda k: kinds[k]), "kinds": kinds} | picture_facts(image)
        }
        scene.meta = {FACTS: facts} | ({"missing": self.missing} if self.missing else {})
        self._look(image, kinds, scene, facts)
        if self.reader is not None:
            try:
                self._read(image, kinds, regions, values, scene, facts)
            except Exception as e:  # a program that hangs or breaks must not cost what the other parts have found
                scene.meta[FAILED] = {"ocr": reason_of(e)}
        if kinds["chart"] >= CHART and not any(o.name in MARKS for o in scene.objects):
            scene.objects += find_bars(image)
        if facts["picture"]["kind"] == "chart" and not any(o.name in MARKS for o in scene.objects) and is_list(scene):
            facts["picture"]["kind"] = max(LISTS, key=lambda k: kinds[k])
        if not scene.objects and not scene.text_lines and kinds["photograph"] < LOOKS:
            self._look_at_photograph(image, kinds, scene, facts)
        self.colours.annotate(image, scene)
        return scene

    def _look(self, image: Image, kinds: dict[str, float], scene: Scene, facts: dict[str, Any]) -> None:
        """Objects and segments of the parts that know this kind of picture."""
        if kinds["photograph"] >= LOOKS:
            self._look_at_photograph(image, kinds, scene, facts)
        small = max(image.size) <= WORLD_SIDE_PX
        if self.drawings is not None and (kinds["drawing"] >= DRAWN or (small and kinds["photograph"] < 1 - LOOKS)):
            drawn = self.drawings([image])[0]
            if not small:
                drawn.objects = [o for o in drawn.objects if o.score >= BELIEVED]
                drawn.segment_map, drawn.segments = None, []
                for o in drawn.objects:
                    o.segment = None
            for o in drawn.objects:
                o.attributes.setdefault("source", "world-encoder")
            if self.reader is not None or not small:
                drawn.text_lines = []
            combine(scene, drawn, 1 - kinds["photograph"])

    def _look_at_photograph(self, image: Image, kinds: dict[str, float], scene: Scene, facts: dict[str, Any]) -> None:
        weight = kinds["photograph"] if kinds["photograph"] >= LOOKS else UNKNOWN
        seen = self.photographs([image])[0]
        seen.objects = [o for o in seen.objects if o.name not in PAGES]
        combine(scene, seen, weight)
        facts |= seen.meta
        pages = [p for name, p in facts.get("names", []) if name in PAGES]
        facts["names"] = [n for n in facts.get("names", []) if n[0] not in PAGES]
        if sum(pages) >= PAGE:
            kinds |= {"photograph": 1 - DOCUMENT, "document": DOCUMENT}
            facts["picture"] |= {"kind": "document"}

    def _read(
        self,
        image: Image,
        kinds: dict[str, float],
        regions: list[Region],
        values: np.ndarray,
        scene: Scene,
        facts: dict[str, Any],
    ) -> None:
        assert self.reader is not None
        read = self.reader.read_regions(
            image,
            regions,
            values,
            photograph=kinds["photograph"] >= 0.5 or (max(image.size) > WORLD_SIDE_PX and kinds["drawing"] >= DRAWN),
        )
        scene.text_lines = read.text_lines
        facts |= read.meta
        if scene.text_lines:
            facts["ink"] = ink_colour(image, scene.text_lines)


def is_list(scene: Scene) -> bool:
    """Whether the writing is a table or a list of figures, as on a menu; to judge by pixels alone, ruled tables and
    prices look like charts."""
    rows = rows_of(scene.text_lines)
    found = tables(rows)
    return bool(found or extremes(rows, found))


def _is_border(box: Sequence[float], scene: Scene) -> bool:
    """Whether a frame goes around all of the writing and no object: the border of a sign."""
    lines = scene.text_lines
    return bool(lines) and not scene.objects and all(_share(t.box, box) > 0.8 for t in lines)


def _share(a: Sequence[float], b: Sequence[float]) -> float:
    """How much of box ``a`` lies in box ``b``."""
    w, h = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    area = (a[2] - a[0]) * (a[3] - a[1])
    return max(w, 0.0) * max(h, 0.0) / area if area > 0 else 0.0


def combine(scene: Scene, found: Scene, weight: float) -> None:
    """Add a part's objects to a Scene in place, scores weighed; things at one place are one thing, under the surer
    name.

    Relations follow their objects; the first segment map stays.
    """
    places: list[int | None] = []
    for o in found.objects:
        o.score = round(o.score * min(1.0, 1.5 * weight), 3)
        places.append(None if o.score < KEEP else _place(scene, o))
    for r in found.relations:
        subject, other = places[r.subject], places[r.object]
        if subject is not None and other is not None:
            scene.relations.append(Relation(subject, r.predicate, other, r.score))
    scene.text_lines += found.text_lines
    if found.segment_map is not None and scene.segment_map is None:
        scene.segment_map, scene.segments = found.segment_map, list(found.segments)


def _place(scene: Scene, o: SceneObject) -> int:
    for i, known in enumerate(scene.objects):
        if box_iou(known.box, o.box) < (SAME_NAME_IOU if known.name == o.name else ANY_NAME_IOU):
            continue
        if known.name == o.name:
            known.score = round(1 - (1 - known.score) * (1 - o.score), 3)
            known.attributes = {**o.attributes, **known.attributes, "source": _sources(known, o)}
            known.segment = known.segment or o.segment
        elif o.score > known.score and inside(known.box, o.box) > ANY_NAME_IOU:
            scene.objects[i] = o
        return i
    scene.objects.append(o)
    return len(scene.objects) - 1


def _sources(a: SceneObject, b: SceneObject) -> str:
    """The parts that found either, each once."""
    names = [n for o in (a, b) for n in o.attributes.get("source", "").split("+") if n]
    return "+".join(dict.fromkeys(names))


def real_parts(reader: str = "auto", *, recognise: Recogniser | None = None) -> dict[str, Provider | Relator | None]:
    """The parts of a `Perception` that needs nothing but what ships with the package and, to read, what is installed.

    Args:
        reader, recognise: of `build_parts`.
    """
    return {"panoptic": Lazy(lambda: build_parts(reader, recognise=recognise)), "relations": GeometricRelations()}


def build_parts(
    reader: str = "auto", *, recognise: Recogniser | None = None, drawings: Callable[[], Provider] | None = None
) -> PictureParts:
    """The provider of `real_parts`, opened now.

    Args:
        reader: what reads: "tesseract", "rapidocr", "auto" for the first of them that is installed, "embedded" for the
            world's encoder alone (also where "auto" finds neither), "none".
        recognise: what reads, instead.
        drawings: makes what looks at drawings, instead of the world's encoder.
    """
    reads = recognise or recogniser(reader)
    drawings_read = reads is None and reader != "none"

    def world_encoder() -> Provider:
        from nunbit.perception.cells import CellPerception

        return CellPerception.from_pretrained(EMBEDDED, read=drawings_read)

    return PictureParts(
        PhotographParts.from_pretrained(),
        Lazy(drawings or world_encoder),
        LineReader(reads) if reads else None,
        drawings_read=drawings_read,
    )
