"""The contract of token connectors, for every one in the registry: a new file in the folder is tested by itself."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict

import pytest
import torch
from tests.connectors.small import CASES, DT, DV, GRID, NAMES, N, features, make

from nunbit.connectors import CONNECTORS, build, config_from_dict, config_to_dict
from nunbit.errors import UserError

every_connector = pytest.mark.parametrize("name", CASES)


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
    other = make(name)
    for p in other.parameters():
        torch.nn.init.normal_(p)
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
@pytest.mark.parametrize("grid", [(4, 5), (1, 7), (7, 1), (3, 3), (1, 1)])
def test_features_after_the_grid_are_dropped(name, grid):
    """A caller may pad to one length: only the grid's cells count, in tokens, in their number and in the mask."""
    connector, n = make(name), grid[0] * grid[1]
    x = torch.cat([features(2, n), torch.full((2, 6, DV), float("nan"))], dim=1)
    out = connector(x, grid=grid)
    assert torch.equal(out, connector(x[:, :n], grid=grid)) and out.isfinite().all()
    assert out.shape[1] == connector.tokens(n + 6, grid) == connector.tokens(n, grid)
    mask = torch.ones(2, n + 6, dtype=torch.bool)
    assert torch.equal(connector(x, mask, grid=grid), out)
    assert connector.output_mask(mask, grid).shape == out.shape[:2] and connector.output_mask(mask, grid).all()


@every_connector
def test_a_convolutional_map_is_read_with_its_grid(name):
    """``(B, Dv, rows, columns)`` as a CNN gives it, without a class token, and not square."""
    maps = features(2).mT.unflatten(-1, GRID)
    flat = maps.flatten(2).mT
    connector = make(name)
    out = connector(flat, grid=GRID)
    assert out.shape == (2, connector.tokens(N, GRID), DT)
    out.sum().backward()
    assert all(p.grad is not None for p in connector.parameters())


@every_connector
def test_what_does_not_fit_is_refused(name):
    connector = make(name)
    with pytest.raises(UserError, match="at most 20 cells"):
        connector(features(1), grid=(5, 5))
    with pytest.raises(UserError, match="at most 20 cells"):
        connector.tokens(N, (5, 5))
    with pytest.raises(UserError, match="vision_width"):
        connector(torch.zeros(1, N, DV + 1), grid=GRID)
    with pytest.raises(UserError, match="mask of shape"):
        connector(features(2), torch.ones(2, N + 1, dtype=torch.bool), grid=GRID)


@every_connector
def test_the_config_goes_through_json_and_back(name):
    config = make(name).config
    values = json.loads(json.dumps(config_to_dict(config)))
    assert config_from_dict(values) == build(**values).config == build(**asdict(config)).config == config


@every_connector
def test_a_row_of_padding_only_is_finite_and_trainable(name):
    connector, x = make(name), features(2)
    mask = torch.tensor([[True], [False]]).expand(2, N)
    out = connector(x, mask, grid=GRID)
    out.sum().backward()
    assert out.isfinite().all()
    assert all(p.grad is None or p.grad.isfinite().all() for p in connector.parameters())


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
