"""The contract of token connectors, for every one in the registry: a new file in the folder is tested by itself."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from nunbit.connectors import CONNECTORS, TokenConnector, build
from nunbit.errors import UserError

DV, DT, GRID = 12, 16, (4, 5)
N = GRID[0] * GRID[1]
SMALL = {
    "perceiver": {"latents": 3, "depth": 2, "heads": 2, "head_dim": 4},
    "qformer": {"queries": 3, "width": 8, "depth": 2, "heads": 2},
    "window_qformer": {"queries": 2, "width": 8, "heads": 2, "window": 6, "stride": 4, "keep_tail": True},
}
"""Small sizes for those whose defaults are of real size."""
NAMES = [name for name in CONNECTORS if issubclass(CONNECTORS[name], TokenConnector)]
every_connector = pytest.mark.parametrize("name", NAMES)


def make(name: str, **values) -> TokenConnector:
    torch.manual_seed(0)
    return build(name, vision_width=DV, text_width=DT, **SMALL.get(name, {}), **values).eval()


def features(batch: int, n: int = N, seed: int = 1) -> torch.Tensor:
    return torch.randn(batch, n, DV, generator=torch.Generator().manual_seed(seed))


def test_the_token_connectors_are_registered_with_their_papers():
    assert set(NAMES) >= {"linear", "mlp", "pixel_shuffle", "perceiver", "qformer", "window_qformer"}
    assert all(CONNECTORS[name].paper for name in NAMES)


@every_connector
@pytest.mark.parametrize("batch", [0, 1, 3])
def test_shape_is_the_declared_token_count(name, batch):
    connector = make(name)
    for grid in [GRID, (1, 1), (3, 7)]:
        n = grid[0] * grid[1]
        assert connector(features(batch, n), grid=grid).shape == (batch, connector.tokens(n, grid), DT)


@every_connector
def test_gradients_reach_every_parameter(name):
    connector = make(name)
    connector(features(2), grid=GRID).square().sum().backward()
    for key, value in connector.named_parameters():
        assert value.grad is not None and value.grad.isfinite().all(), key
        if not key.endswith("key.bias"):  # adding one number to all scores of a query changes no attention weight
            assert value.grad.abs().sum() > 0, key


@every_connector
def test_save_and_load_are_bit_equal(name, tmp_path):
    connector = make(name)
    torch.save(connector.state_dict(), tmp_path / "connector.pt")
    torch.manual_seed(9)
    other = build(name, vision_width=DV, text_width=DT, **SMALL.get(name, {})).eval()
    before = other(features(2), grid=GRID)
    other.load_state_dict(torch.load(tmp_path / "connector.pt", weights_only=True))
    assert not torch.equal(before, connector(features(2), grid=GRID))
    assert torch.equal(other(features(2), grid=GRID), connector(features(2), grid=GRID))


@every_connector
def test_a_batch_equals_its_singles(name):
    connector, x = make(name), features(3)
    singles = torch.cat([connector(one[None], grid=GRID) for one in x])
    assert (connector(x, grid=GRID) - singles).abs().max() < 1e-5


@every_connector
@pytest.mark.parametrize("poison", [1e6, float("nan")])
def test_padding_does_not_leak(name, poison):
    connector, x = make(name), features(2)
    rows = 7  # three rows more than are real
    padded = torch.full((2, rows * GRID[1], DV), poison)
    padded[:, :N] = x
    mask = torch.arange(rows * GRID[1]).expand(2, -1) < N
    grid = (rows, GRID[1])
    out, real = connector(padded, mask, grid=grid), connector.output_mask(mask, grid)
    assert out.shape[:2] == real.shape and out.isfinite().all()
    expected = connector(x, grid=GRID)
    assert (out[real].reshape(expected.shape) - expected).abs().max() < 1e-5


@every_connector
def test_a_full_mask_changes_nothing(name):
    connector, x = make(name), features(2)
    mask = torch.ones(2, N, dtype=torch.bool)
    assert (connector(x, mask, grid=GRID) - connector(x, grid=GRID)).abs().max() < 1e-5
    assert connector.output_mask(mask, GRID).all()


@every_connector
def test_a_row_of_padding_only_is_finite_and_trainable(name):
    connector, x = make(name), features(2)
    mask = torch.tensor([[True], [False]]).expand(2, N)
    out = connector(x, mask, grid=GRID)
    out.sum().backward()
    assert out.isfinite().all()
    assert all(p.grad is None or p.grad.isfinite().all() for p in connector.parameters())


def test_mlp_is_the_projector_of_transformers():
    from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig
    from transformers.models.llava.modeling_llava import LlavaMultiModalProjector

    text = LlamaConfig(hidden_size=DT, num_attention_heads=2)
    config = LlavaConfig(vision_config=CLIPVisionConfig(hidden_size=DV), text_config=text)
    theirs, ours = LlavaMultiModalProjector(config), make("mlp")
    ours.load_state_dict(theirs.state_dict())
    assert torch.equal(ours(features(2)), theirs(features(2)))


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


def test_salmonn_gets_88_tokens_from_30_seconds():
    connector = build("window_qformer", vision_width=DV, text_width=DT, width=8, heads=2)
    assert connector.tokens(1500) == 88
    connector_with_tail = build("window_qformer", vision_width=DV, text_width=DT, width=8, heads=2, keep_tail=True)
    assert connector_with_tail.tokens(1500) == 89


def test_a_window_sees_its_own_frames_only():
    connector, x = make("window_qformer"), features(1, 14)  # windows start at 0, 4 and 8
    other = x.clone()
    other[:, 10:] += 1
    changed = (connector(x) != connector(other)).any(-1)[0]
    assert changed.tolist() == [False, False, False, False, True, True]


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


def test_errors_name_the_nearest():
    with pytest.raises(UserError, match="mlp"):
        build("mlpp", vision_width=DV, text_width=DT)
    with pytest.raises(UserError, match="latents"):
        build("perceiver", vision_width=DV, text_width=DT, latent=3)
    with pytest.raises(UserError, match="not a square"):
        make("pixel_shuffle")(features(1, 20))
    with pytest.raises(UserError, match="no text_width"):
        build("mlp", vision_width=DV)


def test_importing_the_package_does_not_import_transformers():
    code = "import sys; from nunbit.connectors import qformer, window_qformer; assert 'transformers' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
