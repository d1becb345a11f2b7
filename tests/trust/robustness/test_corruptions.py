"""Corruptions: five strengths that grow, of any size of picture, repeatable."""

import numpy as np
import pytest

from nunbit.errors import UserError
from nunbit.trust.robustness.corruptions import CORRUPTIONS, STRENGTHS, corrupted
from nunbit.world.samples import sample


def rng():
    return np.random.default_rng(3)


@pytest.fixture(scope="module")
def picture():
    return sample(4, split="test", mixture={"things": 1.0}, questions=0).picture.pixels


@pytest.mark.parametrize("kind", CORRUPTIONS)
def test_every_strength_changes_more_and_the_same_twice(kind, picture):
    changed = [np.abs(corrupted(picture, kind, s, rng()).astype(int) - picture).mean() for s in (0, *STRENGTHS)]
    assert changed[0] == 0 and changed[1] > 0 and changed[5] > changed[1]
    assert changed == sorted(changed) or kind == "jpeg", "of JPEG the file shrinks, the error need not grow"
    assert np.array_equal(corrupted(picture, kind, 3, rng()), corrupted(picture, kind, 3, rng()))


@pytest.mark.parametrize("kind", CORRUPTIONS)
@pytest.mark.parametrize("shape", [(1, 1, 3), (3, 200, 3), (300, 20, 3)])
def test_any_size_keeps_its_form(kind, shape):
    given = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    for strength in STRENGTHS:
        made = corrupted(given, kind, strength, rng())
        assert made.shape == given.shape and made.dtype == np.uint8


def test_the_figures_are_those_of_the_paper(picture):
    flat = np.full((64, 64, 3), 100, np.uint8)
    assert np.isclose(corrupted(flat, "noise", 1, rng()).std(), 0.08 * 255, rtol=0.03)
    assert (corrupted(flat, "brightness", 2, rng()) == 151).all()
    low = corrupted(picture, "contrast", 1, rng())
    assert np.isclose(low.std((0, 1)).mean() / picture.std((0, 1)).mean(), 0.4, rtol=0.02)
    assert np.isclose((corrupted(flat, "occlusion", 5, rng()) == 128).mean(), 0.4, atol=0.02)
    hue = np.array([[[200, 100, 50]]], np.uint8)
    bright = corrupted(hue, "brightness", 1, rng())[0, 0].astype(float)
    assert np.isclose(bright[1] / bright[0], 0.5, atol=0.01), "hue and saturation stay"


@pytest.mark.parametrize("wrong", [("fog", 1), ("noise", 6), ("noise", -1)])
def test_what_is_unknown_is_refused(wrong, picture):
    with pytest.raises(UserError):
        corrupted(picture, *wrong, rng())
    with pytest.raises(UserError):
        corrupted(picture.astype(float), "noise", 1, rng())
    with pytest.raises(UserError):
        corrupted(picture[..., 0], "noise", 1, rng())
