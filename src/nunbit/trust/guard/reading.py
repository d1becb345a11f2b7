"""Reads what the views of a picture show and perception has not read: all its lines in one or two runs of the
recogniser.

Letters: h and w sides of a plane or of a line's picture.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from nunbit.perception.reading import Recogniser
from nunbit.perception.short_lines import Reading
from nunbit.scene import Box, Scene, TextLine
from nunbit.trust.guard.strokes import Line, lines_of, strokes_of
from nunbit.trust.guard.views import Plane, planes
from nunbit.trust.guard.words import ReadLine

if TYPE_CHECKING:
    from PIL.Image import Image

LETTER_PX, ABOVE, BESIDE = 30, 0.3, 0.55
"""Height of a letter in a line's picture, and room above and below it (more would show the next line) and beside it, in
heights."""
MOST_READ, WEAK = 28, 0.75
"""Pictures of lines that are read in one run; readings below the second are tried upside down."""
SURE, LEAST_SCORE, LEAST_LETTERS = 0.6, 0.35, 4
"""A line that perception read this surely is covered; readings of views need this score and so many letters."""
MARGIN = 0.35
"""How far around a line that was read nothing new is looked for, in heights."""
LIFTED_PX = 26
"""Letters that are no higher are read without what is around them."""
EVEN_INK = 0.34
"""How much the grey values of a line's ink may spread, as a share of its contrast: writing has one colour."""
LEVEL = 12.0
"""A line that falls by fewer degrees is read as it is and upside down; steeper ones only turned."""


@dataclass(slots=True)
class Viewed:
    """What the views of one picture showed.

    Attributes:
        lines: that were read in views beside `given`.
        views: lines found in each view, whether they could be read or not.
        ms: time it took.
        unread: why views could not be read; "" where they were.
    """

    lines: list[ReadLine] = field(default_factory=list)
    views: dict[str, int] = field(default_factory=dict)
    ms: float = 0.0
    unread: str = ""


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A line to be read: its picture, how it lies in the picture, and in the frame of its direction."""

    pixels: np.ndarray
    box: Box
    place: Box
    view: str
    letters: int


def given_lines(picture: int, scene: Scene) -> list[ReadLine]:
    """What perception read in a picture."""
    return [ReadLine(picture, line.text, line.box, line.box) for line in scene.text_lines]


def read_views(
    picture: int,
    image: Image,
    scene: Scene | None,
    recognise: Recogniser | None,
    tensor: np.ndarray | None = None,
    enough: Callable[[Sequence[ReadLine]], bool] = lambda lines: False,
) -> Viewed:
    """Look at a picture in every view and read what is new.

    Args:
        picture: its position in the request.
        scene: what perception found; None where it did not look.
        recognise: reads lines; None where nothing can.
        tensor: of `views.planes`.
        enough: whether what was read so far settles the matter, so that the rest need not be read.
    """
    began, out = time.perf_counter(), Viewed()
    found = list(_candidates(image, scene, tensor, out.views))
    found.sort(key=lambda c: -c.letters)
    if found and recognise is None:
        out.unread = "no recogniser of text is installed"
    elif found and recognise is not None:
        out.lines = _read(picture, found[:MOST_READ], recognise, out, enough)
    out.ms = round(1000 * (time.perf_counter() - began), 1)
    return out


def _candidates(
    image: Image, scene: Scene | None, tensor: np.ndarray | None, counts: dict[str, int]
) -> Iterable[_Candidate]:
    known = _covered(scene)
    for plane in planes(image, tensor):
        across, down = plane.scale
        covered = known / np.array([across, down, across, down], np.float32)
        for dark, mask in plane.masks:
            for line in lines_of(strokes_of(mask, dark, covered)):
                pixels = line_pixels(plane, line)
                if pixels is not None:
                    counts[plane.view] = counts.get(plane.view, 0) + 1
                    yield _Candidate(pixels, _scaled(line.box, plane), _place(line, plane), plane.view, line.letters)


def _covered(scene: Scene | None) -> np.ndarray:
    """Boxes ``(m, 4)`` around the lines that perception read surely, with a margin."""
    sure = [t for t in scene.text_lines if _is_covered(t)] if scene is not None else []
    boxes = np.array([t.box for t in sure], np.float32).reshape(-1, 4)
    margin = MARGIN * np.minimum(boxes[:, 3] - boxes[:, 1], boxes[:, 2] - boxes[:, 0])
    return boxes + np.stack([-margin, -margin, margin, margin], 1)


def _is_covered(line: TextLine) -> bool:
    """Whether a line was surely read. Letters that stand alone may be those of a turned line."""
    x1, y1, x2, y2 = line.box
    return line.score >= SURE and sum(c.isalnum() for c in line.text) > 2 and x2 - x1 > y2 - y1


def _scaled(box: Box, plane: Plane) -> Box:
    x1, y1, x2, y2 = box
    across, down = plane.scale
    return x1 * across, y1 * down, x2 * across, y2 * down


def _place(line: Line, plane: Plane) -> Box:
    """A line's box in a frame in which lines of its direction, to ten degrees, lie level."""
    angle = np.deg2rad(10 * round(line.degrees / 10))
    x, y = line.centre[0] * plane.scale[0], line.centre[1] * plane.scale[1]
    along, across = x * np.cos(angle) + y * np.sin(angle), -x * np.sin(angle) + y * np.cos(angle)
    half_l, half_h = line.length_px * plane.scale[0] / 2, line.height_px * plane.scale[1] / 2
    return float(along - half_l), float(across - half_h), float(along + half_l), float(across + half_h)


def line_pixels(plane: Plane, line: Line) -> np.ndarray | None:
    """A line cut out level, dark on white, with letters `LETTER_PX` high: ``(h, w)`` uint8; None where its ink has many
    values, as edges of things have."""
    from PIL import Image as images

    height = line.height_px * (1 + 2 * ABOVE)
    length = line.length_px + 2 * BESIDE * line.height_px
    factor = LETTER_PX / max(line.height_px, 1.0)
    size = max(16, round(length * factor)), max(16, round(height * factor))
    if size[0] > 60 * LETTER_PX:
        return None
    angle = np.deg2rad(line.degrees)
    cos, sin = np.cos(angle) / factor, np.sin(angle) / factor
    x0 = line.centre[0] - cos * size[0] / 2 + sin * size[1] / 2
    y0 = line.centre[1] - sin * size[0] / 2 - cos * size[1] / 2
    small = plane.lifted is not None and line.height_px <= LIFTED_PX
    grey = images.fromarray(plane.lifted if small and plane.lifted is not None else plane.values)
    paper = 128 if small or plane.lifted is None else 255 if line.dark else 0
    cut = grey.transform(
        size,
        images.Transform.AFFINE,
        (cos, -sin, x0, sin, cos, y0),
        images.Resampling.BICUBIC,
        fillcolor=paper,
    )
    values = np.asarray(cut, np.float32)
    values = values if line.dark else 255 - values
    ink, white = np.percentile(values, 4), np.percentile(values, 80)
    if white - ink < 6:
        return None
    core = values[values < ink + 0.45 * (white - ink)]
    if core.size < 30 or float(np.std(core)) > EVEN_INK * (white - ink):
        return None
    return np.clip((values - ink) / (white - ink) * 255, 0, 255).astype(np.uint8)


def _read(
    picture: int,
    found: Sequence[_Candidate],
    recognise: Recogniser,
    out: Viewed,
    enough: Callable[[Sequence[ReadLine]], bool],
) -> list[ReadLine]:
    """The lines that could be read: each as it lies, then those that could not be read so turned round."""
    turned = [np.ascontiguousarray(c.pixels[::-1, ::-1]) for c in found]
    if 2 * len(found) <= MOST_READ:
        both = recognise([*(c.pixels for c in found), *turned])
        first, other = both[: len(found)], both[len(found) :]
    else:
        first, other = recognise([c.pixels for c in found]), []
    if not other and not enough(_lines(picture, found, first)):
        weak = [i for i, r in enumerate(first) if r.score < WEAK or not _is_text(r)]
        again = dict(zip(weak, recognise([turned[i] for i in weak]), strict=True))
        other = [again.get(i, Reading("", 0.0)) for i in range(len(found))]
    better = {i for i, r in enumerate(other) if r.score > first[i].score and _is_text(r)}
    return _lines(picture, found, [other[i] if i in better else r for i, r in enumerate(first)], better)


def _lines(
    picture: int,
    found: Sequence[_Candidate],
    read: Sequence[Reading],
    upside_down: Set[int] = frozenset(),
) -> list[ReadLine]:
    out = []
    for i, (c, r) in enumerate(zip(found, read, strict=True)):
        if r.score >= LEAST_SCORE and _is_text(r):
            x1, y1, x2, y2 = c.place
            place = (-x2, -y2, -x1, -y1) if i in upside_down else c.place
            out.append(ReadLine(picture, r.text, c.box, place, f"{c.view} turned" if i in upside_down else c.view))
    return sorted(out, key=lambda x: (x.view, x.place[1], x.place[0]))


def _is_text(reading: Reading) -> bool:
    letters = sum(c.isalnum() for c in reading.text)
    return letters >= LEAST_LETTERS and letters >= 0.6 * len("".join(reading.text.split()))
