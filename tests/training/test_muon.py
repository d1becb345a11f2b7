"""Muon: orthogonal steps, and matrices inside their radius."""

import pytest
import torch

from nunbit.training.muon import Muon


def test_muon_steps_are_orthogonal_and_go_downhill():
    from nunbit.training.muon import orthogonal

    torch.manual_seed(0)
    for shape in ((3, 16, 40), (2, 40, 16)):
        values = torch.linalg.svdvals(orthogonal(torch.randn(shape)))
        assert values.min() > 0.5 and values.max() < 1.3
    layer = torch.nn.Linear(12, 12, bias=False)
    muon, wanted, x = Muon([layer.weight], lr=0.05), torch.randn(12, 12), torch.randn(64, 12)
    losses = []
    for _ in range(150):
        loss = torch.nn.functional.mse_loss(layer(x), x @ wanted)
        losses.append(loss.item())
        muon.zero_grad()
        loss.backward()
        muon.step()
    assert losses[-1] < 0.05 * losses[0]


def test_matrices_stay_inside_their_radius():
    """However long Muon pushes one way, a matrix keeps its size; what writes into a residual stream is kept smaller."""
    free, residual = torch.nn.Linear(6, 6, bias=False), torch.nn.Linear(6, 6, bias=False)
    muon = Muon([free.weight, residual.weight], lr=0.5, radius=1.5, residual={id(residual.weight)})
    for _ in range(200):
        free.weight.grad, residual.weight.grad = torch.eye(6), torch.eye(6)
        muon.step()
    assert float(free.weight.detach().norm()) == pytest.approx(1.5 * 6**0.5, rel=1e-3)
    assert float(residual.weight.detach().norm()) < float(free.weight.detach().norm()) / 2


def test_a_resumed_run_keeps_the_radius_it_began_with():
    weight = torch.nn.Parameter(10 * torch.eye(6))

    def muon():
        return Muon([weight], lr=0.5, radius=1.5)

    first = muon()
    for _ in range(20):
        weight.grad = torch.eye(6)
        first.step()
    assert float(weight.detach().norm()) < 9 * 6**0.5
    again = muon()
    again.load_state_dict(first.state_dict())
    for _ in range(60):
        weight.grad = -torch.eye(6)
        again.step()
    assert float(weight.detach().norm()) == pytest.approx(10 * 6**0.5, rel=1e-3)
