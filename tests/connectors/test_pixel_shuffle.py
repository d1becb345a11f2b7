"""Pixel shuffle: the arithmetic of Idefics3, and grids that do not divide."""

from __future__ import annotations

import torch
from tests.connectors.small import DT, DV, features, make


def test_pixel_shuffle_is_that_of_idefics3():
    from types import SimpleNamespace

    from transformers.models.idefics3.modeling_idefics3 import Idefics3Connector

    config = SimpleNamespace(
        scale_factor=2, vision_config=SimpleNamespace(hidden_size=DV), text_config=SimpleNamespace(hidden_size=DT)
    )
    theirs, ours = Idefics3Connector(config), make("pixel_shuffle", mlp=False)
    ours.project.load_state_dict(theirs.modality_projection.proj.state_dict())
    x = features(2, 36)
    assert torch.equal(ours(x), theirs(x))


def test_a_grid_that_does_not_divide_is_padded_with_zeros():
    connector, x = make("pixel_shuffle"), features(1, 15)
    by_hand = torch.zeros(1, 4, 6, DV)
    by_hand[:, :3, :5] = x.view(1, 3, 5, DV)
    assert torch.equal(connector(x, grid=(3, 5)), connector(by_hand.flatten(1, 2), grid=(4, 6)))
