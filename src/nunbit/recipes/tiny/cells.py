"""Scene -> what each cell of the picture holds: the dense truth that teaches an encoder, and what a perfect encoder
would report.

Letters: G cells a side, C = G*G cells row by row, K glyph slots a cell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nunbit.perception.cells import CELL_PX, COLOUR_NAMES, SLOTS, glyph_parts
from nunbit.world.base import Picture


@dataclass(slots=True)
class Cells:
    """Integer labels of one picture's C cells.

    ``name`` (C,) class of the covering object, 0 = none; ``colour`` (C,); ``box`` (C, 4) the object's box in units of
    the picture's side; ``glyph`` (C, K, 3) parts of up to K characters whose centres lie in the cell, in reading order.
    Off the objects a cell with characters has the box of their line and, where it is known, the colour of the ink.
    """

    name: np.ndarray
    colour: np.ndarray
    box: np.ndarray
    glyph: np.ndarray


def cells_of(picture: Picture, names: Sequence[str]) -> Cells:
    """The labels of a world picture. ``names`` is the encoder's class list; position 0 stands for "nothing"."""
    side = picture.pixels.shape[0]
    grid = side // CELL_PX
    index = {n: i for i, n in enumerate(names)}
    count = grid * grid
    name, colour = np.zeros(count, np.int64), np.zeros(count, np.int64)
    box = np.zeros((count, 4), np.float32)
    # Small objects are written last, so that a cell that two cover belongs to the smaller one.
    for o in sorted(picture.scene.objects, key=lambda o: -(o.box[2] - o.box[0]) * (o.box[3] - o.box[1])):
        cells = _covered(o.box, grid)
        name[cells] = index.get(o.name, 0)
        hue = o.attributes.get("colour") or ""
        colour[cells] = COLOUR_NAMES.index(hue) if hue in COLOUR_NAMES else 0
        box[cells] = np.asarray(o.box, np.float32) / side
    glyph, line = _glyph_slots(picture, grid)
    written = (glyph[:, 0, 0] > 0) & (name == 0)
    box[written] = line[written] / side
    ink = picture.scene.meta.get("ink")
    colour[written] = COLOUR_NAMES.index(ink) if ink else 0
    return Cells(name, colour, box, glyph)


def _covered(box: Sequence[float], grid: int) -> np.ndarray:
    """Cells whose centre lies inside the box; at least the one that holds the box's centre."""
    x1, y1, x2, y2 = (v / CELL_PX - 0.5 for v in box)
    columns = np.arange(max(0, int(np.ceil(x1))), min(grid - 1, int(np.floor(x2))) + 1)
    rows = np.arange(max(0, int(np.ceil(y1))), min(grid - 1, int(np.floor(y2))) + 1)
    if not len(columns):
        columns = np.array([min(grid - 1, max(0, int((box[0] + box[2]) / 2 // CELL_PX)))])
    if not len(rows):
        rows = np.array([min(grid - 1, max(0, int((box[1] + box[3]) / 2 // CELL_PX)))])
    return (rows[:, None] * grid + columns[None]).ravel()


def _glyph_slots(picture: Picture, grid: int) -> tuple[np.ndarray, np.ndarray]:
    """Characters (C, K, 3), and of each cell's first one the box of its line (C, 4) in pixels."""
    lines = [t.box for t in picture.scene.text_lines for _ in t.text]  # glyphs are the lines' characters, one by one
    out, box = np.zeros((grid * grid, SLOTS, 3), np.int64), np.zeros((grid * grid, 4), np.float32)
    used = np.zeros(grid * grid, np.int64)
    for g, line in zip(picture.glyphs, lines, strict=True):
        x, y = (g.box[0] + g.box[2]) / 2 // CELL_PX, (g.box[1] + g.box[3]) / 2 // CELL_PX
        if not (0 <= x < grid and 0 <= y < grid):
            continue
        cell = int(y) * grid + int(x)
        if used[cell] < SLOTS:
            out[cell, used[cell]] = glyph_parts(g.char)
            if not used[cell]:
                box[cell] = line
            used[cell] += 1
    return out, box
