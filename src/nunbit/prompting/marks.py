"""Set-of-mark: numbers drawn over the objects of a picture, so that question and answer can refer to them by number.

Source: Yang et al., arXiv 2310.11441, sec. 3 (the smallest object first; each number at the innermost point of the part
of its region that no smaller object covers).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from nunbit.errors import UserError
from nunbit.messages import Message, Part
from nunbit.prompting import Transform, insert_before_text
from nunbit.prompting.chain_of_thought import language_of
from nunbit.scene import Scene, SceneObject

if TYPE_CHECKING:
    from PIL.Image import Image

Numbers = dict[int, SceneObject]
WORDS = {"en": "Things in the picture have numbers written on them.", "ko": "그림 속의 것마다 번호가 적혀 있습니다."}
MOST = 50


def set_of_marks(image: Image, scene: Scene, *, most: int = MOST, first: int = 1) -> tuple[Image, Numbers]:
    """Draw numbers over the objects of a Scene, the smallest first, each inside its object and none on another number.

    An object without room for a number gets none.

    Args:
        image: a picture of the Scene's size.
        most: how many numbers at most.
        first: the first number.

    Returns:
        a copy of the picture with numbers, and number -> object.

    Raises:
        UserError: the Scene is not of the picture's size.
    """
    from PIL import ImageDraw, ImageFont

    if image.size != (scene.width, scene.height):
        sizes = f"{scene.width}x{scene.height} for a picture of {image.width}x{image.height}"
        raise UserError(f"a scene of {sizes}", allowed="the scene of this picture")
    out = image.convert("RGB").copy()
    pen, font = ImageDraw.Draw(out), ImageFont.load_default(max(10, round(max(out.size) / 24)))
    # A larger object gets its number where no smaller one covers it.
    free = np.ones((scene.height, scene.width), bool)
    labels: list[tuple[int, int, int, int]] = []
    table: Numbers = {}
    for target in sorted(markable_objects(scene), key=lambda t: int(_region(scene, t).sum()))[:most]:
        number, region = str(first + len(table)), _region(scene, target)
        left, top, right, bottom = pen.textbbox((0, 0), number, font=font)
        size = (int(np.ceil(right - left)) + 4, int(np.ceil(bottom - top)) + 4)
        spot = _spot(region & free, size, labels) or _spot(region, size, labels)
        free &= ~region
        if spot is None:
            continue
        table[int(number)] = target
        labels.append((*spot, spot[0] + size[0], spot[1] + size[1]))
        pen.rectangle((*spot, spot[0] + size[0] - 1, spot[1] + size[1] - 1), fill=(0, 0, 0))
        pen.text((spot[0] + 2 - left, spot[1] + 2 - top), number, fill=(255, 255, 255), font=font)
    return out, table


def number_all(perceive: Callable[[Image], Scene], on_numbers: Callable[[Numbers], None] | None = None) -> Transform:
    """Number the objects in every picture of the last turn, and say so in the question.

    Numbers continue from picture to picture.

    Args:
        perceive: the Scene of a picture.
        on_numbers: receives the table of all numbers.

    Raises:
        UserError: from the transform, a last turn without a picture.
    """

    def transform(messages: Sequence[Message]) -> list[Message]:
        last, parts, table = messages[-1], [], Numbers()
        if not last.images:
            raise UserError("numbers without a picture", allowed="a question with a picture to write on")
        for part in last.parts:
            if part.kind == "image":
                marked, found = set_of_marks(part.content, perceive(part.content), first=1 + len(table))
                part, table = Part.image(marked), table | found
            parts.append(part)
        if table:
            parts = insert_before_text(parts, WORDS[language_of(last.text)] + " ")
        if on_numbers:
            on_numbers(table)
        return [*messages[:-1], Message(last.role, tuple(parts))]

    return transform


def markable_objects(scene: Scene) -> list[SceneObject]:
    """The objects of a Scene or, where it has none, its segments as objects."""
    if scene.objects or scene.segment_map is None:
        return list(scene.objects)
    found = []
    for s in scene.segments:
        rows, columns = np.nonzero(scene.segment_map == s.id)
        if len(rows):
            box = (float(columns.min()), float(rows.min()), float(columns.max() + 1), float(rows.max() + 1))
            found.append(SceneObject(s.name, box, s.score, segment=s.id))
    return found


def _region(scene: Scene, target: SceneObject) -> np.ndarray:
    """The pixels of an object, ``(height, width)`` bool: those of its segment, else those of its box."""
    if target.segment is not None and scene.segment_map is not None:
        own = scene.segment_map == target.segment
        if own.any():
            return own
    x1, y1, x2, y2 = target.box
    own = np.zeros((scene.height, scene.width), bool)
    own[max(0, int(y1)) : max(0, int(np.ceil(y2))), max(0, int(x1)) : max(0, int(np.ceil(x2)))] = True
    return own


def _spot(region: np.ndarray, size: tuple[int, int], labels: Sequence[Sequence[int]]) -> tuple[int, int] | None:
    """Left and top of a label with its middle as deep in the region as possible, clear of the other labels."""
    from scipy.ndimage import distance_transform_edt

    (height, width), (w, h) = region.shape, size
    ys, xs = np.nonzero(region)
    if not len(xs):
        return None
    y0, x0 = ys.min(), xs.min()
    depth = distance_transform_edt(np.pad(region[y0 : ys.max() + 1, x0 : xs.max() + 1], 1))[ys - y0 + 1, xs - x0 + 1]
    left, top = np.clip(xs - w // 2, 0, max(0, width - w)), np.clip(ys - h // 2, 0, max(0, height - h))
    clear = np.ones(len(xs), bool)
    for x1, y1, x2, y2 in labels:
        clear &= (left >= x2) | (left + w <= x1) | (top >= y2) | (top + h <= y1)
    if not clear.any():
        return None
    best = int(np.argmax(np.where(clear, depth, -1.0)))
    return int(left[best]), int(top[best])
