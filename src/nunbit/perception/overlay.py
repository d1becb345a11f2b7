"""A Scene drawn over its picture: segments in colour, numbered boxes, relation arrows, text quads."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from nunbit.crayon_map import palette
from nunbit.errors import UserError
from nunbit.media.bounds import reduced
from nunbit.media.images import as_rgb
from nunbit.perception.report import described
from nunbit.perception.scaling import scaled_copy
from nunbit.scene import Box, Scene

if TYPE_CHECKING:
    from PIL.Image import Image

ROWS = 64
"""Rows of a picture that are coloured at a time."""
_TEXT, _ARROW = (0, 170, 200), (235, 60, 60)


def draw(image: Image, scene: Scene, *, alpha: float = 0.45, font: str | None = None) -> Image:
    """A new RGB picture of the same size; a very large one in the size of `nunbit.media.bounds.reduced`.

    Args:
        alpha: how much of the segment colours covers the picture, 0 to 1.
        font: a font file for names in scripts that the built-in one lacks.
    """
    from PIL import ImageDraw, ImageFont

    if image.size != (scene.width, scene.height):
        raise UserError(
            f"a picture of {image.width}x{image.height}", allowed=f"{scene.width}x{scene.height}, as the scene"
        )
    image = reduced(as_rgb(image))
    scene = scaled_copy(scene, image.size)
    out = image.copy() if scene.segment_map is None else _tinted(image, scene.segment_map, alpha)
    pen = ImageDraw.Draw(out)
    unit = max(1, round(max(image.size) / 400))
    size = 11 * unit
    face = ImageFont.truetype(font, size) if font else ImageFont.load_default(size)
    colours = palette(max(134, len(scene.objects) + 2))
    for i, o in enumerate(scene.objects):
        colour = tuple(int(v) for v in colours[o.segment if o.segment and o.segment < len(colours) else i + 1])
        pen.rectangle(_inner(o.box, scene), outline=colour, width=2 * unit)
        _label(
            pen,
            face,
            o.box[0],
            o.box[1],
            f"{i + 1} {described(o)}" + (f" {o.score:.0%}" if o.score < 1 else ""),
            colour,
        )
    for r in scene.relations:
        start, end = _centre(scene.objects[r.subject].box), _centre(scene.objects[r.object].box)
        _arrow(pen, start, end, unit)
        _label(pen, face, (start[0] + end[0]) / 2, (start[1] + end[1]) / 2, r.predicate, _ARROW)
    for line in scene.text_lines:
        pen.polygon(list(line.quad), outline=_TEXT, width=unit)
    return out


def _tinted(image: Image, segment_map: np.ndarray, alpha: float) -> Image:
    """The picture with the segments in colour, some rows at a time."""
    from PIL import Image as images

    out = image.copy()
    colours = palette(int(segment_map.max(initial=0)) + 1)
    for top in range(0, image.height, ROWS):
        strip = image.crop((0, top, image.width, min(image.height, top + ROWS)))
        ids = np.maximum(segment_map[top : top + ROWS], 0)
        share = alpha * (ids > 0)[..., None]
        mixed = np.asarray(strip, np.float32) * (1 - share) + colours[ids] * share
        out.paste(images.fromarray(mixed.round().astype(np.uint8)), (0, top))
    return out


def with_legend(image: Image, lines: Sequence[str], *, font: str | None = None) -> Image:
    """The picture with lines of text under it, as wide as they need.

    Args:
        lines: what is written, one under the other.
        font: as for `draw`.
    """
    from PIL import Image as images
    from PIL import ImageDraw, ImageFont

    size = 11 * max(1, round(max(image.size) / 400))
    face = ImageFont.truetype(font, size) if font else ImageFont.load_default(size)
    width = max([image.width, *(round(face.getlength(line)) + size for line in lines)])
    out = images.new("RGB", (width, image.height + round(1.4 * size * len(lines)) + size), "white")
    out.paste(image, (0, 0))
    pen = ImageDraw.Draw(out)
    for i, line in enumerate(lines):
        pen.text((size // 2, image.height + size // 2 + round(1.4 * size * i)), line, fill=(0, 0, 0), font=face)
    return out


def _inner(box: Box, scene: Scene) -> tuple[float, float, float, float]:
    """x2 and y2 are exclusive in a Scene and inclusive for the pen; never outside the picture."""
    x1, y1 = min(max(0.0, box[0]), scene.width - 1), min(max(0.0, box[1]), scene.height - 1)
    return x1, y1, max(x1, min(box[2], scene.width) - 1), max(y1, min(box[3], scene.height) - 1)


def _centre(box: Box) -> tuple[float, float]:
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


def _arrow(pen, start: tuple[float, float], end: tuple[float, float], unit: int) -> None:
    pen.line([start, end], fill=_ARROW, width=unit)
    angle = math.atan2(end[1] - start[1], end[0] - start[0])
    wings = [(end[0] - 8 * unit * math.cos(angle + t), end[1] - 8 * unit * math.sin(angle + t)) for t in (-0.4, 0.4)]
    pen.polygon([end, *wings], fill=_ARROW)


def _label(pen, face, x: float, y: float, text: str, colour: tuple[int, ...]) -> None:
    """Words on a plate of the colour, moved into the picture where they would leave it."""
    left, top, right, bottom = pen.textbbox((0, 0), text, font=face)
    width, height = right - left + 4, bottom - top + 4
    x = min(max(0.0, x), max(0.0, pen.im.size[0] - width))
    y = min(max(0.0, y), max(0.0, pen.im.size[1] - height))
    pen.rectangle((x, y, x + width, y + height), fill=colour)
    bright = 0.3 * colour[0] + 0.6 * colour[1] + 0.1 * colour[2] > 120
    pen.text((x + 2 - left, y + 2 - top), text, fill=(0, 0, 0) if bright else (255, 255, 255), font=face)
