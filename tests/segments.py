"""A small map of segments for the tests of words and maps."""

from __future__ import annotations

import numpy as np

from nunbit.scene import Segment


def cells() -> np.ndarray:
    grid = np.zeros((35, 35), dtype=int)
    grid[:10, :10], grid[5:20, 20:30], grid[25:] = 1, 2, 3
    return grid


SEGMENTS = [Segment(1, "person", 1), Segment(2, "person", 2), Segment(3, "grass", 1, thing=False)]
