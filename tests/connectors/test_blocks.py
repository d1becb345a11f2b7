"""Grid positions against plain loops, and the parts' errors."""

from __future__ import annotations

import math

import pytest
import torch

from nunbit.connectors.blocks import activation, grid_positions
from nunbit.errors import UserError


@pytest.mark.parametrize("width", [8, 10, 3])
def test_grid_positions_against_loops(width):
    ours, quarter = grid_positions(2, 3, width, torch.zeros(1)), width // 4
    assert ours.shape == (6, width)
    for row in range(2):
        for column in range(3):
            expected = []
            for at in (row, column):
                angles = [at / 10_000 ** (k / quarter) for k in range(quarter)]
                expected += [math.sin(a) for a in angles] + [math.cos(a) for a in angles]
            expected += [0.0] * (width - 4 * quarter)
            assert ours[row * 3 + column].tolist() == pytest.approx(expected, abs=1e-6)


def test_a_cell_keeps_its_position_when_the_grid_grows():
    small, large = grid_positions(2, 3, 16, torch.zeros(1)), grid_positions(4, 5, 16, torch.zeros(1))
    assert torch.equal(small.view(2, 3, 16), large.view(4, 5, 16)[:2, :3])
    assert len(large.unique(dim=0)) == 20


def test_an_unknown_activation_names_the_known_ones():
    with pytest.raises(UserError, match="squared_relu"):
        activation("swish")
