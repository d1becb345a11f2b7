"""Pointing at things: a mark drawn on the picture and named in the question, and numbers over everything (set-of-mark).

Source: GPT-4V's "visual referring prompting", Yang et al., arXiv 2309.17421, sec. 5; set-of-mark, arXiv 2310.11441, sec. 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from nunbit.errors import UserError
from nunbit.messages import Message, Part
from nunbit.prompting import Transform
from nunbit.prompting.chain_of_thought import language_of
from nunbit.scene import Scene

if TYPE_CHECKING:
    from PIL.Image import Image

SIZES = {"point": 2, "box": 4, "circle": 3, "arrow": 4}
COLOURS = {"red": (225, 29, 72), "lime": (101, 213, 23), "blue": (29, 78, 216), "yellow": (250, 204, 21)}
KOREAN = {"red": "빨간", "lime": "연두색", "blue": "파란", "yellow": "노란", "point": "점", "box": "네모", "circle": "동그라미",
          "arrow": "화살표"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Mark:
    """A mark in pixels of the picture: point x,y; box x1,y1,x2,y2; circle x,y,radius; arrow from x1,y1 to x2,y2."""

    kind: str
    at: tuple[float, ...]

    def __post_init__(self) -> None:
        if self.kind not in SIZES or len(self.at) != SIZES[self.kind] or not all(np.isfinite(self.at)):
            wanted = ", ".join(f"{k} with {n} numbers" for k, n in SIZES.items())
            raise UserError(f"a mark '{self.kind}' of {len(self.at)} numbers", allowed=wanted)


def parse(kind: str, text: str) -> Mark:
    """``"10,20,30,40"`` -> a Mark."""
    try:
        return Mark(kind, tuple(float(v) for v in text.split(",")))
    except ValueError as e:
        if isinstance(e, UserError):
            raise
        raise UserError(f"--{kind} {text}", allowed=f"{SIZES[kind]} numbers separated by commas, in pixels") from None


def point_at(mark: Mark, which: int = 0) -> Transform:
    """Draw the mark on picture ``which`` of the last turn, and say in the question what it is."""

    def transform(messages: Sequence[Message]) -> list[Message]:
        last = messages[-1]
        places = [i for i, p in enumerate(last.parts) if p.kind == "image"]
        if which >= len(places):
            raise UserError("a mark without a picture", allowed="a question with a picture to draw on")
        image, colour = draw(last.parts[places[which]].content, mark)
        parts = [Part.image(image) if i == places[which] else p for i, p in enumerate(last.parts)]
        at = next((i for i, p in enumerate(parts) if p.kind == "text"), len(parts))
        parts.insert(at, Part.text(_named(mark.kind, colour, language_of(last.text)) + " "))
        return [*messages[:-1], Message(last.role, tuple(parts))]

    return transform


def draw(image: Image, mark: Mark) -> tuple[Image, str]:
    """A copy of the picture with the mark, in the colour that stands out most from what lies under it, and that colour's name."""
    from PIL import ImageDraw

    out = image.convert("RGB").copy()
    box = _box(mark, out.size)
    area = (
        np.asarray(out.crop((int(box[0]), int(box[1]), int(box[2]), int(box[3]))).resize((8, 8)), np.float32)
        .reshape(-1, 3)
        .mean(0)
    )
    name = max(COLOURS, key=lambda c: float(np.abs(area - COLOURS[c]).sum()))
    pen, width = ImageDraw.Draw(out), max(2, round(max(out.size) / 100))
    for colour, w in (((255, 255, 255), width + 2), (COLOURS[name], width)):
        _stroke(pen, mark, box, colour, w, out.size)
    return out, name


def _stroke(
    pen: Any, mark: Mark, box: tuple[float, ...], colour: tuple[int, ...], width: int, size: tuple[int, int]
) -> None:
    if mark.kind == "box":
        pen.rectangle(box, outline=colour, width=width)
    elif mark.kind == "circle":
        pen.ellipse(box, outline=colour, width=width)
    elif mark.kind == "point":
        x, y, r = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2, 1.5 * width
        pen.ellipse((x - r, y - r, x + r, y + r), fill=colour)
    else:
        (x1, y1), (x2, y2) = _inside(mark.at[:2], size), _inside(mark.at[2:], size)
        pen.line((x1, y1, x2, y2), fill=colour, width=width)
        angle = np.arctan2(y2 - y1, x2 - x1)
        for turn in (-0.5, 0.5):
            pen.line(
                (x2, y2, x2 - 5 * width * np.cos(angle + turn), y2 - 5 * width * np.sin(angle + turn)),
                fill=colour,
                width=width,
            )


def _box(mark: Mark, size: tuple[int, int]) -> tuple[float, float, float, float]:
    """The area a mark takes, inside the picture, at least two pixels large."""
    a = mark.at
    if mark.kind == "circle":
        low, high = (a[0] - abs(a[2]), a[1] - abs(a[2])), (a[0] + abs(a[2]), a[1] + abs(a[2]))
    elif mark.kind == "point":
        low, high = (a[0] - 4, a[1] - 4), (a[0] + 4, a[1] + 4)
    else:
        low, high = (min(a[0], a[2]), min(a[1], a[3])), (max(a[0], a[2]), max(a[1], a[3]))
    (x1, y1), (x2, y2) = _inside(low, size), _inside(high, size)
    x1, y1 = min(x1, size[0] - 2), min(y1, size[1] - 2)
    return (max(0.0, x1), max(0.0, y1), max(x2, x1 + 2), max(y2, y1 + 2))


def _inside(p: Sequence[float], size: tuple[int, int]) -> tuple[float, float]:
    return (min(max(p[0], 0.0), size[0] - 1.0), min(max(p[1], 0.0), size[1] - 1.0))


def _named(kind: str, colour: str, language: str) -> str:
    if language == "ko":
        return (
            f"{KOREAN[colour]} {KOREAN[kind]}{'가' if kind in ('arrow', 'circle', 'box') else '이'} 가리키는 것에 대해:"
        )
    return (
        f"About what the {colour} {kind} points at:"
        if kind in ("arrow", "point")
        else f"About what is inside the {colour} {kind}:"
    )


def set_of_marks(image: Image, scene: Scene, *, most: int = 50) -> tuple[Image, dict[int, int]]:
    """Numbers over everything in a Scene, the smallest things first, none on another.

    Returns:
        the picture with numbers, and number -> position in ``scene.objects``.
    """
    from PIL import ImageDraw, ImageFont

    out = image.convert("RGB").copy()
    pen, size = ImageDraw.Draw(out), max(10, round(max(out.size) / 24))
    font = ImageFont.load_default(size)
    taken: list[tuple[float, ...]] = []
    table: dict[int, int] = {}

    def area(i: int) -> float:
        x1, y1, x2, y2 = scene.objects[i].box
        return (x2 - x1) * (y2 - y1)

    for i in sorted(range(len(scene.objects)), key=area)[:most]:
        number = len(table) + 1
        left, top, right, bottom = pen.textbbox((0, 0), str(number), font=font)
        w, h = right - left + 4, bottom - top + 4
        spot = _free_spot(scene, i, w, h, taken, out.size)
        if spot is None:
            continue
        table[number] = i
        taken.append((*spot, spot[0] + w, spot[1] + h))
        pen.rectangle(taken[-1], fill=(0, 0, 0))
        pen.text((spot[0] + 2 - left, spot[1] + 2 - top), str(number), fill=(255, 255, 255), font=font)
    return out, table


def _free_spot(
    scene: Scene, at: int, w: float, h: float, taken: list[Any], size: tuple[int, int]
) -> tuple[float, float] | None:
    """A place for a label inside the object (on its own segment where there is one) that no label covers; the middle is best."""
    x1, y1, x2, y2 = scene.objects[at].box
    own, best, best_score = scene.objects[at].segment, None, -np.inf
    for fx in (0.5, 0.25, 0.75, 0.0, 1.0):
        for fy in (0.5, 0.25, 0.75, 0.0, 1.0):
            cx, cy = x1 + (x2 - x1) * fx, y1 + (y2 - y1) * fy
            x, y = min(max(cx - w / 2, 0), size[0] - w), min(max(cy - h / 2, 0), size[1] - h)
            if any(x < t[2] and t[0] < x + w and y < t[3] and t[1] < y + h for t in taken):
                continue
            inside = own is None or scene.segment_map is None or _id_at(scene, cx, cy) == own
            score = float(inside) - abs(fx - 0.5) - abs(fy - 0.5)
            if score > best_score:
                best, best_score = (x, y), score
    return best


def _id_at(scene: Scene, x: float, y: float) -> int:
    assert scene.segment_map is not None
    return int(scene.segment_map[min(scene.height - 1, max(0, int(y))), min(scene.width - 1, max(0, int(x)))])
