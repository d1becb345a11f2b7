"""Sudoku boards are valid."""

import numpy as np

from nunbit.world.puzzles import solved_board


def test_sudoku_boards_are_valid():
    rng = np.random.default_rng(0)
    for n in (4, 9):
        k, full = int(n**0.5), set(range(1, n + 1))
        for _ in range(30):
            b = solved_board(rng, n)
            assert all(set(b[i]) == full and set(b[:, i]) == full for i in range(n))
            assert all(set(b[r : r + k, c : c + k].ravel()) == full for r in range(0, n, k) for c in range(0, n, k))
