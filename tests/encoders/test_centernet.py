"""The detector against values recorded from the published graph, run by an interpreter of its operations."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from nunbit.encoders.centernet import CenterNet, _double

PHOTO = Path(__file__).parents[1] / "perception" / "photos" / "astronaut.jpg"
CELL, SIDES, HEAT, HEAT_MEAN = (64, 47), (174.68, 247.48, 180.13, 261.77), 0.658, 0.0032078
ROW = (0.0175, 0.0801, 0.0798, 0.6119, 0.1461, 0.0219, 0.0413, 0.0177)
"""The graph's outputs for the photograph at 512 x 512: the hottest cell, its distances in pixels, person's heat along
its row."""


@pytest.fixture(scope="module")
def net() -> CenterNet:
    return CenterNet.from_pretrained()


@torch.inference_mode()
def test_it_gives_what_the_published_graph_gives(net: CenterNet) -> None:
    picture = Image.open(PHOTO).convert("RGB").resize((512, 512), Image.Resampling.BILINEAR)
    heat, sides = net(torch.from_numpy(np.asarray(picture, np.float32)).permute(2, 0, 1)[None])
    assert heat.shape == (1, 80, 128, 128) and sides.shape == (1, 4, 128, 128)
    # The weights here are int8, the recorded ones float16.
    assert heat[0, 0, CELL[0], ::16].numpy() == pytest.approx(ROW, abs=0.03)
    assert heat.mean().item() == pytest.approx(HEAT_MEAN, rel=0.06)
    found = net.peaks(heat, sides, 5)
    assert found.classes[0, 0] == 0 and found.scores[0, 0].item() == pytest.approx(HEAT, abs=0.02)
    left, top, right, bottom = found.boxes[0, 0].tolist()
    expected = (CELL[1] * 4 - SIDES[0], CELL[0] * 4 - SIDES[1], CELL[1] * 4 + SIDES[2], CELL[0] * 4 + SIDES[3])
    assert (left, top, right, bottom) == pytest.approx(expected, abs=12)


@torch.inference_mode()
def test_a_batch_gives_what_single_pictures_give(net: CenterNet) -> None:
    pixels = torch.rand(2, 3, 96, 160, generator=torch.Generator().manual_seed(0)) * 255
    both = net(pixels)
    assert both[0].shape == (2, 80, 24, 40)
    for i in range(2):
        for whole, one in zip(both, net(pixels[i : i + 1]), strict=True):
            assert torch.allclose(whole[i], one[0], atol=1e-3)


def test_peaks_are_local_maxima_in_order() -> None:
    heat = torch.zeros(1, 80, 8, 8)
    heat[0, 5, 2, 3], heat[0, 5, 2, 4], heat[0, 9, 6, 6] = 0.9, 0.8, 0.5
    found = CenterNet.peaks(heat, torch.full((1, 4, 8, 8), 2.0), 2)
    assert found.classes.tolist() == [[5, 9]]
    assert found.boxes[0, 0].tolist() == [10.0, 6.0, 14.0, 10.0]


def test_twice_the_resolution_reads_between_cells_and_repeats_the_last() -> None:
    assert _double(torch.tensor([[[[0.0, 2.0]]]])).tolist() == [[[[0, 1, 2, 2], [0, 1, 2, 2]]]]
