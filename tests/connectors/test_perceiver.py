"""The resampler: frames have an order, features have none unless positions are added."""

from __future__ import annotations

import pytest
import torch
from tests.connectors.small import DV, features, make

from nunbit.errors import UserError


def test_time_embeddings_are_stretched_for_more_frames_than_learned():
    connector = make("perceiver", max_frames=3)
    assert torch.equal(connector.time_embeddings(2)[:, 0], connector.time[:2])
    stretched = connector.time_embeddings(5)[:, 0]
    halves = (connector.time[:-1] + connector.time[1:]) / 2
    assert torch.allclose(stretched[::2], connector.time, atol=1e-6)
    assert torch.allclose(stretched[1::2], halves, atol=1e-6)


def test_the_order_of_frames_matters_to_the_perceiver_and_that_of_features_does_not():
    connector, video = make("perceiver"), features(1).view(1, 4, 5, DV)
    out = connector(video)
    assert (connector(video.flip(1)) - out).abs().max() > 1e-3
    assert (connector(video.flip(2)) - out).abs().max() < 1e-5


@pytest.mark.parametrize("name", ["perceiver", "qformer"])
def test_with_grid_positions_the_place_of_a_feature_matters(name):
    """Queries read a set: without positions, a convolutional encoder's feature could lie anywhere."""
    x, order = features(1), torch.arange(20).roll(5)
    plain, placed = make(name), make(name, grid_positions=True)
    for connector in (plain, placed):
        for p in connector.parameters():  # fresh ones are too small to attend to anything in particular
            torch.nn.init.normal_(p, std=0.5, generator=torch.Generator().manual_seed(len(p)))
    assert (plain(x[:, order], grid=(4, 5)) - plain(x, grid=(4, 5))).abs().max() < 1e-5
    assert (placed(x[:, order], grid=(4, 5)) - placed(x, grid=(4, 5))).abs().max() > 1e-3
    assert (placed(x, grid=(5, 4)) - placed(x, grid=(4, 5))).abs().max() > 1e-3
    with pytest.raises(UserError, match="not a square"):
        placed(x)


def test_grid_positions_are_added_to_every_frame():
    connector, video = make("perceiver", grid_positions=True), features(1).view(1, 4, 5, DV)[:, :, :4]
    assert (connector(video.flip(2), grid=(2, 2)) - connector(video, grid=(2, 2))).abs().max() > 1e-3
