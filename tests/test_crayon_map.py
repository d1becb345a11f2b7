"""Scene -> maps: grids at token size, and the colour picture."""

from __future__ import annotations

import numpy as np
import pytest
from tests.segments import SEGMENTS, cells

from nunbit.crayon_map import colour_map, crayon_grids, crayon_map, palette, to_grid
from nunbit.scene import Scene, Segment


def test_crayon_grids_clamp_and_compat():
    grid = np.zeros((5, 5), dtype=int)
    grid.flat[:21] = np.arange(1, 22)
    many = [Segment(i, "apple", i) for i in range(1, 22)]
    ours, theirs = crayon_grids(grid, many), crayon_grids(grid, many, compat=True)
    assert ours.numbering.flat[20] == 20 and theirs.numbering.flat[20] == 21
    assert set(ours.semantic.flat[:21].tolist()) == {48}
    tables = np.eye(134), np.eye(134)[:21]
    assert ours.embed(*tables).sum() == 50
    with pytest.raises(IndexError):
        theirs.embed(*tables)


def test_ids_without_a_row_are_unknown():
    grid = np.array([[1, 2], [0, -1]])
    maps = crayon_grids(grid, [Segment(1, "dog", 3), Segment(9, "cat")])
    assert maps.semantic.tolist() == [[17, 0], [0, 0]] and maps.numbering.tolist() == [[3, 0], [0, 0]]
    stale = crayon_grids(grid, [Segment(1, "dog", 3)], compat=True)
    assert stale.semantic.tolist() == [[17, 17], [0, 0]] and stale.numbering.tolist() == [[1, 1], [0, 0]]
    own = crayon_grids(grid, [Segment(1, "circle"), Segment(2, "unheard of")], classes={"circle": 4})
    assert own.semantic.tolist() == [[4, 0], [0, 0]] and own.numbering.tolist() == [[1, 0], [0, 0]]


@pytest.mark.parametrize("shape", [(70, 35), (490, 490), (7, 9), (36, 100), (3, 200)])
def test_grid_holds_the_majority_of_each_cell(shape):
    rng = np.random.default_rng(0)
    big = rng.integers(-1, 4, size=shape)
    grid = to_grid(big, (5, 7))
    if shape[0] >= 5 and shape[1] >= 7:
        rows, columns = np.arange(shape[0]) * 5 // shape[0], np.arange(shape[1]) * 7 // shape[1]
        for y in range(5):
            for x in range(7):
                votes = np.bincount(np.maximum(big[np.ix_(rows == y, columns == x)], 0).ravel(), minlength=4)
                assert grid[y, x] == votes.argmax()
    assert grid.shape == (5, 7)
    np.testing.assert_array_equal(to_grid(grid, (5, 7)), grid)


def test_a_scene_without_segments_is_all_unknown():
    maps = crayon_map(Scene(10, 10))
    assert maps.semantic.shape == (35, 35) and not maps.semantic.any() and not maps.numbering.any()
    scene = Scene(70, 70, segments=SEGMENTS, segment_map=np.repeat(np.repeat(cells(), 2, 0), 2, 1))
    np.testing.assert_array_equal(crayon_map(scene).numbering, crayon_grids(cells(), SEGMENTS).numbering)


def test_colours_follow_the_segment_id():
    assert palette(9).tolist() == [
        [0, 0, 0], [128, 0, 0], [0, 128, 0], [128, 128, 0], [0, 0, 128], [128, 0, 128], [0, 128, 128],
        [128, 128, 128], [64, 0, 0],
    ]  # fmt: skip
    assert colour_map(np.array([[-1, 2], [200, 1]]))[..., 0].tolist() == [[0, 0], [palette(201)[200, 0], 128]]
    with pytest.raises(IndexError):
        colour_map(np.array([[134]]), compat=True)
