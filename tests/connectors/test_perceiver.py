"""The resampler: frames have an order, features have none unless positions are added."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from tests.connectors.small import DV, features, make

from nunbit.connectors import build
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


@torch.no_grad()
def test_the_perceiver_is_that_of_idefics():
    from transformers.models.idefics.perceiver import IdeficsPerceiverResampler

    torch.manual_seed(3)
    config = SimpleNamespace(
        perceiver_config=SimpleNamespace(qk_layer_norms_perceiver=False), vision_config=SimpleNamespace(embed_dim=DV)
    )
    theirs = IdeficsPerceiverResampler(config, DV, 2, 2, 4, 3)
    for value in theirs.parameters():
        value.normal_()
    ours = build(
        "perceiver",
        vision_width=DV,
        text_width=DV,
        latents=3,
        depth=2,
        heads=2,
        head_dim=4,
        activation="relu",
        max_frames=0,
        project=False,
    )
    renames = {
        "blocks.": "layers.",
        "context_layer_norm": "features_norm",
        "latents_layer_norm": "latents_norm",
        ".0.output_proj": ".attention.out_proj",
        "layer_norm.": "norm.",
        ".1.ln": ".feed_forward.0",
        ".1.fc": ".feed_forward.1",
        ".1.c_proj": ".feed_forward.3",
        ".0.features_norm": ".features_norm",
        ".0.latents_norm": ".latents_norm",
        ".0.q_": ".attention.q_",
        ".0.k_": ".attention.k_",
        ".0.v_": ".attention.v_",
    }
    state = {}
    for key, value in theirs.state_dict().items():
        for old, new in renames.items():
            key = key.replace(old, new)
        state[key] = value
    ours.load_state_dict(state)
    x = torch.randn(4, 7, DV)
    assert (ours(x) - theirs(x)).abs().max() < 1e-4
