"""Projected gradient descent: within its bound, at the optimum of a linear model, and never worse than its start."""

import pytest
import torch

from nunbit.errors import UserError
from nunbit.trust.robustness.attacks import far_features, pgd, wrong_class


def linear(seed=0, classes=3):
    weight = torch.randn(classes, 3 * 4 * 4, generator=torch.Generator().manual_seed(seed))
    return weight, lambda x: x.flatten(1) @ weight.T


def pictures(count=5):
    return 0.2 + 0.6 * torch.rand(count, 3, 4, 4, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("start", [None, 3])
def test_a_linear_objective_ends_at_the_corner_of_the_bound(start):
    weight, _ = linear(classes=1)
    noise = None if start is None else torch.Generator().manual_seed(start)
    found = pgd(lambda x: x.flatten(1) @ weight[0], pictures(), 0.1, steps=10, generator=noise)
    best = pictures() + 0.1 * weight[0].sign().reshape(3, 4, 4)
    assert torch.allclose(found, best, atol=1e-6)


def test_the_bound_and_the_range_of_pixels_hold():
    _, logits = linear()
    given = torch.rand(6, 3, 4, 4, generator=torch.Generator().manual_seed(2))
    labels = torch.tensor([0, 1, 2, 0, 1, 2])
    for bound in (0, 1 / 255, 0.3, 1):
        moved = pgd(wrong_class(logits, labels), given, bound, steps=4, generator=torch.Generator().manual_seed(0))
        assert (moved - given).abs().max() <= bound + 1e-6 and moved.min() >= 0 and moved.max() <= 1
        before, after = (wrong_class(logits, labels)(x) for x in (given, moved))
        assert (after >= before - 1e-4).all() or bound > 0.5


def test_the_best_step_counts_not_the_last_one():
    """Steps that are too long for a narrow bump: what was reached on the way is what is returned."""
    seen = []

    def bump(x):
        value = -(x.flatten(1).mean(1) - 0.5).abs()
        seen.append(value.detach())
        return value

    given = torch.full((1, 3, 4, 4), 0.48)
    found = pgd(bump, given, 0.3, steps=7)
    assert bump(found)[0] == torch.stack(seen).max()


def test_features_move_away_from_the_clean_ones():
    _, features = linear()
    clean = features(pictures())
    objective = far_features(features, clean)
    assert objective(pictures()).abs().max() == 0
    moved = pgd(objective, pictures(), 0.05, steps=5, generator=torch.Generator().manual_seed(0))
    random = pictures() + 0.05 * torch.rand(5, 3, 4, 4).sign()
    assert (objective(moved) > objective(random)).all()


@pytest.mark.parametrize(
    "wrong", [{"bound": -0.1}, {"bound": 1.5}, {"bound": float("nan")}, {"bound": 0.1, "steps": 0}]
)
def test_what_cannot_be_is_refused(wrong):
    with pytest.raises(UserError):
        pgd(lambda x: x.sum((1, 2, 3)), pictures(), **wrong)
