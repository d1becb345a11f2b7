"""Pointing: a mark drawn on a copy of the picture and named in the question. Numbers over all objects: see `marks`.

Source: GPT-4V's "visual referring prompting", Yang et al., arXiv 2309.17421, sec. 5.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from nunbit.errors import UserError
from nunbit.messages import Message, Part
from nunbit.prompting import Transform, insert_before_text
from nunbit.prompting.chain_of_thought import language_of

if TYPE_CHECKING:
    from PIL.Image import Image

SIZES = {"point": 2, "box": 4, "circle": 3, "arrow": 4}
COLOURS = {"red": (225, 29, 72), "lime": (101, 213, 23), "blue": (29, 78, 216), "yellow": (250, 204, 21)}
KOREAN = {
    "red": "빨간",
    "lime": "연두색",
    "blue": "파란",
    "yellow": "노란",
    "point": "점",
    "box": "네모",
    "circle": "동그라미",
    "arrow": "화살표",
}


@dataclass(frozen=True, slots=True)
class PointingMark:
    """A mark in pixels of the picture: point x,y; box x1,y1,x2,y2; circle x,y,radius; arrow from x1,y1 to x2,y2."""

    kind: str
    at: tuple[float, ...]

    def __post_init__(self) -> None:
        if self.kind not in SIZES or len(self.at) != SIZES[self.kind] or not all(np.isfinite(self.at)):
            wanted = ", ".join(f"{k} with {n} numbers" for k, n in SIZES.items())
            raise UserError(f"a mark '{self.kind}' of {len(self.at)} numbers", allowed=wanted)


def parse(kind: str, text: str) -> PointingMark:
    """``"10,20,30,40"`` -> a `PointingMark` of that kind.

    Raises:
        UserError: an unknown kind, or not its count of numbers.
    """
    try:
        return PointingMark(kind, tuple(float(v) for v in text.split(",")))
    except ValueError as e:
        if isinstance(e, UserError):
            raise
        raise UserError(f"--{kind} {text}", allowed=f"{SIZES[kind]} numbers separated by commas, in pixels") from None


def point_at(mark: PointingMark, which: int = 0) -> Transform:
    """Draw the mark on picture ``which`` of the last turn, and name it in the question.

    Raises:
        UserError: from the transform, a last turn without that picture.
    """

    def transform(messages: Sequence[Message]) -> list[Message]:
        last = messages[-1]
        places = [i for i, p in enumerate(last.parts) if p.kind == "image"]
        if which >= len(places):
            raise UserError("a mark without a picture", allowed="a question with a picture to draw on")
        image, colour = draw(last.parts[places[which]].content, mark)
        parts = [Part.image(image) if i == places[which] else p for i, p in enumerate(last.parts)]
        parts = insert_before_text(parts, _named(mark.kind, colour, language_of(last.text)) + " ")
        return [*messages[:-1], Message(last.role, tuple(parts))]

    return transform


def draw(image: Image, mark: PointingMark) -> tuple[Image, str]:
    """A copy of the picture with the mark, and the name of the mark's colour: that of the highest contrast.

    Raises:
        UserError: a mark that points outside the picture.
    """
    from PIL import ImageDraw

    _check_inside(mark, image.size)
    out = image.convert("RGB").copy()
    box = _box(mark, out.size)
    covered = out.crop((int(box[0]), int(box[1]), int(box[2]), int(box[3]))).resize((8, 8))
    area = np.asarray(covered, np.float32).reshape(-1, 3).mean(0)
    name = max(COLOURS, key=lambda c: float(np.abs(area - COLOURS[c]).sum()))
    pen, width = ImageDraw.Draw(out), max(2, round(max(out.size) / 100))
    for colour, w in (((255, 255, 255), width + 2), (COLOURS[name], width)):
        _stroke(pen, mark, box, colour, w, out.size)
    return out, name


def _check_inside(mark: PointingMark, size: tuple[int, int]) -> None:
    points = [mark.at[:2]] if mark.kind == "circle" else [mark.at[i : i + 2] for i in range(0, len(mark.at), 2)]
    if any(not (0 <= x <= size[0] and 0 <= y <= size[1]) for x, y in points):
        raise UserError(
            f"a {mark.kind} at {', '.join(f'{v:g}' for v in mark.at)} on a picture of {size[0]}x{size[1]} pixels",
            allowed=f"0 to {size[0]} across and 0 to {size[1]} down",
            todo="point at a place in the picture",
        )


def _stroke(
    pen: Any, mark: PointingMark, box: tuple[float, ...], colour: tuple[int, ...], width: int, size: tuple[int, int]
) -> None:
    if mark.kind == "box":
        pen.rectangle(box, outline=colour, width=width)
    elif mark.kind == "circle":
        (x, y), r = _inside(mark.at[:2], size), _radius(mark, size)
        pen.ellipse((x - r, y - r, x + r, y + r), outline=colour, width=width)
    elif mark.kind == "point":
        (x, y), r = _inside(mark.at, size), 1.5 * width
        pen.ellipse((x - r, y - r, x + r, y + r), fill=colour)
    else:
        (x1, y1), (x2, y2) = _inside(mark.at[:2], size), _inside(mark.at[2:], size)
        pen.line((x1, y1, x2, y2), fill=colour, width=width)
        angle, head = np.arctan2(y2 - y1, x2 - x1), max(12.0, max(size) / 16)
        for turn in (-0.5, 0.5):
            pen.line(
                (x2, y2, x2 - head * np.cos(angle + turn), y2 - head * np.sin(angle + turn)),
                fill=colour,
                width=width,
            )


def _box(mark: PointingMark, size: tuple[int, int]) -> tuple[float, float, float, float]:
    """The area a mark takes, inside the picture, at least two pixels large."""
    a = mark.at
    if mark.kind == "circle":
        (x, y), r = _inside(a[:2], size), _radius(mark, size)
        low, high = (x - r, y - r), (x + r, y + r)
    elif mark.kind == "point":
        low, high = (a[0] - 4, a[1] - 4), (a[0] + 4, a[1] + 4)
    else:
        low, high = (min(a[0], a[2]), min(a[1], a[3])), (max(a[0], a[2]), max(a[1], a[3]))
    (x1, y1), (x2, y2) = _inside(low, size), _inside(high, size)
    x1, y1 = min(x1, size[0] - 2), min(y1, size[1] - 2)
    return (max(0.0, x1), max(0.0, y1), max(x2, x1 + 2), max(y2, y1 + 2))


def _radius(mark: PointingMark, size: tuple[int, int]) -> float:
    """At most half the longer side: whatever its centre, some of the circle then lies in the picture."""
    return min(max(abs(mark.at[2]), 1.0), max(1.0, max(size) / 2 - 1))


def _inside(p: Sequence[float], size: tuple[int, int]) -> tuple[float, float]:
    return (min(max(p[0], 0.0), size[0] - 1.0), min(max(p[1], 0.0), size[1] - 1.0))


def _named(kind: str, colour: str, language: str) -> str:
    if language == "ko":
        particle = "가" if kind in ("arrow", "circle", "box") else "이"
        return f"{KOREAN[colour]} {KOREAN[kind]}{particle} 가리키는 것에 대해:"
    if kind in ("arrow", "point"):
        return f"About what the {colour} {kind} points at:"
    return f"About what is inside the {colour} {kind}:"
