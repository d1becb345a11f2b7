"""Scene -> maps: CoLLaVO's semantic and numbering grids at token size, MoAI's panoptic colour picture.

Grids hold one integer a visual token, row by row: semantic 0 = unknown, 1..133 = class; numbering 0 = unknown,
1..20 = which one of its class. Source: arXiv 2402.11248, sec. 3.1; arXiv 2403.07508, sec. 3.2.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nunbit.coco import CLASS_INDEX, NUMBER_MAX
from nunbit.errors import UserError
from nunbit.scene import SMALL_IDS, Scene, Segment, ids_in

TOKENS = (35, 35)
"""490 pixels in patches of 14."""
PALETTE_SIZE = 134


@dataclass(frozen=True, slots=True)
class CrayonMap:
    """Two ``(rows, columns)`` int64 grids."""

    semantic: np.ndarray
    numbering: np.ndarray

    def embed(self, semantic_table: np.ndarray, numbering_table: np.ndarray) -> np.ndarray:
        """Sum of the two table rows of each cell, ``(rows * columns, D)``; an index beyond a table is an IndexError."""
        return semantic_table[self.semantic.ravel()] + numbering_table[self.numbering.ravel()]


def crayon_map(
    scene: Scene, grid: tuple[int, int] = TOKENS, *, classes: Mapping[str, int] = CLASS_INDEX, compat: bool = False
) -> CrayonMap:
    """The crayon grids of a scene; all unknown when it has no segment map."""
    if scene.segment_map is None:
        return CrayonMap(np.zeros(grid, dtype=np.int64), np.zeros(grid, dtype=np.int64))
    return crayon_grids(to_grid(scene.segment_map, grid), scene.segments, classes=classes, compat=compat)


def crayon_grids(
    cells: np.ndarray, segments: Sequence[Segment], *, classes: Mapping[str, int] = CLASS_INDEX, compat: bool = False
) -> CrayonMap:
    """Segment ids at token size ``(rows, columns)`` -> the two grids.

    Args:
        classes: class name -> row of the semantic table. A class that is not in it is unknown (0) in both grids.
        compat: as the released code: number afresh by walking the ids in the map, without an upper bound
            (`CrayonMap.embed` then raises IndexError at a 21st instance); an id without a row repeats the id before it.
    """
    table = {s.id: s for s in segments}
    semantic, numbering = np.zeros(cells.shape, dtype=np.int64), np.zeros(cells.shape, dtype=np.int64)
    seen: Counter[int] = Counter()
    row: tuple[int, int] | None = None
    for i in (int(v) for v in ids_in(cells) if v > 0):
        if i in table:
            index = classes.get(table[i].name, 0)
            seen[index] += 1
            row = (index, seen[index] if compat else min(table[i].number, NUMBER_MAX) if index else 0)
        elif not compat:
            row = (0, 0)
        if row is None:
            raise UnboundLocalError(f"segment {i} is the first in the map and has no row in the table")
        semantic[cells == i], numbering[cells == i] = row
    return CrayonMap(semantic, numbering)


def to_grid(segment_map: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    """The id that covers most of each cell, ``(H, W) -> (rows, columns)``; on a tie the lower id."""
    rows, columns = grid
    if min(rows, columns) < 1 or segment_map.ndim != 2 or 0 in segment_map.shape:
        raise UserError(f"a map of shape {segment_map.shape} for a {rows}x{columns} grid", allowed="(height, width)")
    height, width = segment_map.shape
    if height < rows or width < columns:
        # Fewer pixels than cells: every cell takes the pixel under it.
        ys = np.arange(max(rows, height)) * height // max(rows, height)
        xs = np.arange(max(columns, width)) * width // max(columns, width)
        segment_map, height, width = segment_map[np.ix_(ys, xs)], len(ys), len(xs)
    known = np.maximum(segment_map, 0)
    ids = ids_in(known)
    if ids[-1] < SMALL_IDS:
        local = np.zeros(int(ids[-1]) + 1, np.int64)
        local[ids] = np.arange(len(ids))
        local = local[known]
    else:
        local = np.searchsorted(ids, known)
    cell = (np.arange(height) * rows // height)[:, None] * columns + (np.arange(width) * columns // width)[None, :]
    votes = np.bincount((cell * len(ids) + local).ravel(), minlength=rows * columns * len(ids))
    return ids[votes.reshape(rows * columns, len(ids)).argmax(axis=1)].reshape(grid)


def palette(size: int = PALETTE_SIZE) -> np.ndarray:
    """PASCAL VOC's colours, ``(size, 3)`` uint8: the id's bits, three at a time, fill red, green, blue from the top."""
    colours = np.zeros((size, 3), dtype=np.uint8)
    ids = np.arange(size)
    for step in range(8):
        for channel in range(3):
            colours[:, channel] |= (((ids >> (3 * step + channel)) & 1) << (7 - step)).astype(np.uint8)
    return colours


def colour_map(segment_map: np.ndarray, *, compat: bool = False) -> np.ndarray:
    """MoAI's panoptic picture, ``(H, W) -> (H, W, 3)`` uint8, coloured by segment id (not by class); unknown is black.

    Compat knows 134 colours and raises IndexError beyond; otherwise the palette grows with the ids.
    """
    ids = np.maximum(segment_map, 0)
    return palette(PALETTE_SIZE if compat else int(ids.max(initial=0)) + 1)[ids]
