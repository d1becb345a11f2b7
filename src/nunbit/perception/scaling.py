"""A working copy of bounded size, so that time and memory of perception do not grow with the picture; and the way back
to the picture's own pixels."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from nunbit.perception.base import FACTS
from nunbit.scene import Box, Scene

if TYPE_CHECKING:
    from PIL.Image import Image

WORK_SIDE_PX = 2048
"""Longest side that the parts see: ten-point letters of a scanned page are still 24 pixels high."""


def working_copy(image: Image, side_px: int = WORK_SIDE_PX) -> Image:
    """The picture, or a smaller one where a side is longer; no side is under one pixel."""
    from PIL import Image as images

    if max(image.size) <= side_px:
        return image
    scale = side_px / max(image.size)
    width, height = (max(1, round(v * scale)) for v in image.size)
    return image.resize((width, height), images.Resampling.BOX, reducing_gap=2.0)


def at_size(scene: Scene, width: int, height: int) -> Scene:
    """A Scene of a working copy in the pixels of a picture of this size, in place, with tables and marks. The map has
    the smallest type that holds its ids: it is as large as the picture."""
    if (scene.width, scene.height) == (width, height):
        return scene
    across, down = width / scene.width, height / scene.height
    for o in scene.objects:
        o.box = _box(o.box, across, down)
    for line in scene.text_lines:
        a, b, c, d = ((x * across, y * down) for x, y in line.quad)
        line.quad = (a, b, c, d)
    if scene.segment_map is not None:
        rows, columns = scene.segment_map.shape
        places = np.ix_(np.arange(height) * rows // height, np.arange(width) * columns // width)
        smallest = np.min_scalar_type(int(scene.segment_map.max(initial=0)))
        scene.segment_map = scene.segment_map.astype(smallest, copy=False)[places]
    facts = scene.meta.get(FACTS, scene.meta)
    tables_at_size(facts.get("tables", []), across, down)
    for mark in facts.get("marks", []):
        mark["box"] = list(_box(mark["box"], across, down))
    scene.width, scene.height = width, height
    return scene


def scaled_copy(scene: Scene, size: tuple[int, int]) -> Scene:
    """The Scene for a picture of this width and height; the same object where that is its own size."""
    if size == (scene.width, scene.height):
        return scene
    objects, lines = [replace(o) for o in scene.objects], [replace(t) for t in scene.text_lines]
    return at_size(replace(scene, objects=objects, text_lines=lines, meta=deepcopy(scene.meta)), *size)


def tables_at_size(tables: list[list[list[dict[str, Any]]]], across: float, down: float) -> None:
    """Scale the boxes of tables' cells, in place."""
    for cell in (cell for table in tables for row in table for cell in row):
        if "box" in cell:
            cell["box"] = list(_box(cell["box"], across, down))


def _box(box: Any, across: float, down: float) -> Box:
    x1, y1, x2, y2 = (float(v) for v in box)
    return x1 * across, y1 * down, x2 * across, y2 * down
