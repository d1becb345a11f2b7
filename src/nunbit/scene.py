"""Scene: what is in one picture, in data. The noun that every room shares.

`nunbit.world` makes pictures with exact Scenes, `nunbit.perception` estimates a Scene from pixels, `nunbit.verbalise`
turns it into words and `nunbit.crayon_map` into maps. Boxes are ``(x1, y1, x2, y2)`` in pixels, x2 and y2 exclusive,
origin at the top left. No models here, and nothing that decodes pictures.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from nunbit.errors import UserError

Box = tuple[float, float, float, float]
Point = tuple[float, float]
FORMAT = "nunbit.scene/1"


def as_box(values: Iterable[float]) -> Box:
    """Any four numbers (an array's, say) as a box."""
    x1, y1, x2, y2 = (float(v) for v in values)
    return x1, y1, x2, y2


@dataclass(slots=True)
class Segment:
    """A row of the segment table.

    Attributes:
        id: the value in the id map, 1 and up; 0 = unknown.
        name: the class.
        number: counts the segments of a class from 1.
        thing: whether it is a countable thing; the rest is stuff, such as grass.
    """

    id: int
    name: str
    number: int = 1
    thing: bool = True
    score: float = 1.0


@dataclass(slots=True)
class SceneObject:
    """A named thing with its box.

    Attributes:
        attributes: colour, size and the like.
        segment: the id of its segment, if it has one.
    """

    name: str
    box: Box
    score: float = 1.0
    attributes: dict[str, str] = field(default_factory=dict)
    segment: int | None = None


@dataclass(slots=True)
class Relation:
    """``objects[subject] predicate objects[object]``; subject and object are positions in ``Scene.objects``."""

    subject: int
    predicate: str
    object: int
    score: float = 1.0


@dataclass(slots=True)
class TextLine:
    """A line of writing. ``quad`` holds its four corners, clockwise from the top left of the text."""

    text: str
    quad: tuple[Point, Point, Point, Point]
    score: float = 1.0

    @property
    def box(self) -> Box:
        """The smallest upright box around the corners."""
        xs, ys = [p[0] for p in self.quad], [p[1] for p in self.quad]
        return (min(xs), min(ys), max(xs), max(ys))

    @staticmethod
    def from_box(text: str, box: Box, score: float = 1.0) -> TextLine:
        """A line of upright text."""
        x1, y1, x2, y2 = box
        return TextLine(text, ((x1, y1), (x2, y1), (x2, y2), (x1, y2)), score)


SMALL_IDS = 1 << 16
CELLS_AT_ONCE = 1 << 19
"""Cells of a map that are worked on at a time: no second map of a large picture is made."""


def ids_in(segment_map: np.ndarray) -> np.ndarray:
    """The ids of a map, ascending. Small ids are counted: sorting all cells takes ten times as long."""
    if not segment_map.size or segment_map.min() < 0 or segment_map.max() >= SMALL_IDS:
        return np.unique(segment_map)
    found = np.zeros(int(segment_map.max()) + 1, bool)
    rows = max(1, CELLS_AT_ONCE // max(1, segment_map[0].size))
    for top in range(0, len(segment_map), rows):  # counting makes a copy in 64 bits: not of a whole large map
        part = segment_map[top : top + rows].ravel().astype(np.int64, copy=False)
        found |= np.bincount(part, minlength=len(found)) > 0
    return np.flatnonzero(found)


@dataclass(slots=True)
class Scene:
    """What is in one picture.

    Attributes:
        width, height: size of the picture in pixels.
        segment_map: ``(height, width)`` integers, 0 = unknown, else the id of a row in ``segments``; None if the
            picture was not segmented.
        meta: exact facts of a generated picture (a table's cells, a chart's values); JSON values.
    """

    width: int
    height: int
    objects: list[SceneObject] = field(default_factory=list)
    relations: list[Relation] = field(default_factory=list)
    text_lines: list[TextLine] = field(default_factory=list)
    segments: list[Segment] = field(default_factory=list)
    segment_map: np.ndarray | None = None
    captions: list[str] = field(default_factory=list)
    meta: dict[str, Any] = field(default_factory=dict)

    def validate(self) -> Scene:
        """Return self if everything in it fits together.

        Raises:
            UserError: names the first thing that is impossible, such as an empty box or an id without a row.
        """
        if self.width < 1 or self.height < 1:
            raise UserError(
                f"a scene of size {self.width}x{self.height}", allowed="width and height of at least 1 pixel"
            )
        for i, o in enumerate(self.objects):
            _check_box(f"object {i} ('{o.name}')", o.box)
        for i, line in enumerate(self.text_lines):
            if len(line.quad) != 4:
                raise UserError(f"text line {i} has {len(line.quad)} corners", allowed="4 corners")
        for i, r in enumerate(self.relations):
            if not (0 <= r.subject < len(self.objects) and 0 <= r.object < len(self.objects)):
                raise UserError(
                    f"relation {i} points at objects {r.subject} and {r.object}",
                    allowed=f"0 to {len(self.objects) - 1}",
                )
        self._check_segments()
        return self

    def _check_segments(self) -> None:
        ids = {s.id for s in self.segments}
        if len(ids) != len(self.segments) or any(i < 1 for i in ids):
            raise UserError("segment ids that repeat or are below 1", allowed="one positive id a segment")
        if self.segment_map is not None:
            if self.segment_map.shape != (self.height, self.width):
                raise UserError(
                    f"a segment map of shape {self.segment_map.shape}", allowed=f"({self.height}, {self.width})"
                )
            unknown = set(ids_in(self.segment_map).tolist()) - ids - {0}
            if unknown:
                raise UserError(
                    f"segment map ids without a row: {sorted(unknown)[:5]}", allowed="0 and the ids of the table"
                )

    def to_json(self) -> dict[str, Any]:
        """A dictionary of JSON values; the segment map becomes run lengths ``[[id, count], ...]`` row by row."""
        data = {k: [asdict(x) for x in getattr(self, k)] for k in ("objects", "relations", "text_lines", "segments")}
        runs = None if self.segment_map is None else _runs(self.segment_map.ravel())
        rest = {"segment_map_runs": runs, "captions": list(self.captions), "meta": self.meta}
        return {"format": FORMAT, "width": self.width, "height": self.height, **data, **rest}

    @staticmethod
    def from_json(data: str | dict[str, Any]) -> Scene:
        """Read what `to_json` wrote; any other shape is a UserError."""
        if isinstance(data, str):
            try:
                data = json.loads(data)
            except json.JSONDecodeError as e:
                raise UserError(f"a scene that is not JSON ({e})", allowed=f"the form {FORMAT}") from None
        if not isinstance(data, dict) or data.get("format") != FORMAT:
            given = data.get("format") if isinstance(data, dict) else type(data).__name__
            raise UserError(f"a scene of form '{given}'", allowed=FORMAT)
        try:
            return _read(data).validate()
        except UserError:
            raise
        except (KeyError, TypeError, IndexError, ValueError, OverflowError) as e:
            raise UserError(f"a scene with a missing or misshapen field ({e})", allowed=f"the form {FORMAT}") from None

    def count(self, name: str) -> int:
        """How many objects have this name."""
        return sum(o.name == name for o in self.objects)


def box_iou(a: Sequence[float], b: Sequence[float]) -> float:
    """Intersection over union of two boxes."""
    w = min(a[2], b[2]) - max(a[0], b[0])
    h = min(a[3], b[3]) - max(a[1], b[1])
    if w <= 0 or h <= 0:
        return 0.0
    inter = w * h
    return inter / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - inter)


def _check_box(who: str, box: Sequence[float]) -> None:
    if len(box) != 4 or not np.all(np.isfinite(box)) or box[2] <= box[0] or box[3] <= box[1]:
        raise UserError(
            f"{who} has the box {tuple(box)}", allowed="(x1, y1, x2, y2) in pixels with x1 < x2 and y1 < y2"
        )


def _runs(flat: np.ndarray) -> list[list[int]]:
    cuts = [np.zeros(1, np.int64)]
    for at in range(0, flat.size - 1, CELLS_AT_ONCE):
        part = flat[at : at + CELLS_AT_ONCE + 1]
        cuts.append(np.flatnonzero(part[1:] != part[:-1]) + at + 1)
    starts = np.concatenate(cuts)
    counts = np.diff(np.concatenate([starts, [flat.size]]))
    return [[int(flat[s]), int(c)] for s, c in zip(starts, counts, strict=True)]


def _quad(corners: Sequence[Sequence[float]]) -> tuple[Point, Point, Point, Point]:
    a, b, c, d = ((float(x), float(y)) for x, y in corners)
    return a, b, c, d


def _read(data: dict[str, Any]) -> Scene:
    width, height = int(data["width"]), int(data["height"])
    runs = data.get("segment_map_runs")
    segment_map = None
    if runs is not None:
        counts = [int(c) for _, c in runs]
        # The sum is compared before anything of that size is allocated.
        if min(counts, default=0) < 0 or sum(counts) != width * height:
            raise UserError(f"a segment map of {sum(counts)} pixels", allowed=f"{width * height} for {width}x{height}")
        segment_map = np.repeat(np.array([int(i) for i, _ in runs], dtype=np.int32), counts).reshape(height, width)
    return Scene(
        width=width,
        height=height,
        objects=[SceneObject(**{**o, "box": tuple(o["box"])}) for o in data["objects"]],
        relations=[Relation(**r) for r in data["relations"]],
        text_lines=[TextLine(t["text"], _quad(t["quad"]), t["score"]) for t in data["text_lines"]],
        segments=[Segment(**s) for s in data["segments"]],
        segment_map=segment_map,
        captions=list(data.get("captions", [])),
        meta=dict(data.get("meta", {})),
    )
