"""An object-aware model: its context changes answers only as it should."""

import numpy as np
import pytest
import torch
from tests.models.object_aware.small import aware, logits, prompts, scene, write_base

from nunbit.models.object_aware.context import MAP_MAX_PX, squared_map


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return write_base(tmp_path_factory.mktemp("base"))


def test_fresh_parts_are_silent_and_learnt_ones_are_not(base):
    inputs = prompts(aware(base, loud=False), 1)
    bare = logits(aware(base, loud=False), inputs, [])
    assert torch.allclose(logits(aware(base, loud=False), inputs, [scene(0)]), bare, atol=1e-5)
    loud = aware(base)
    told = logits(loud, inputs, [scene(0)])
    assert (told - bare).abs().max() > 0.1
    assert torch.equal(logits(loud, inputs, []), bare)
    assert not torch.allclose(told, logits(loud, inputs, [scene(1)]))


def test_batch_mates_and_padding_change_nothing(base):
    made = aware(base)
    scenes = [scene(0), scene(1), scene(2)]
    inputs = prompts(made, 3)
    together = logits(made, inputs, scenes)
    for i in range(3):
        length = int(inputs["attention_mask"][i].sum())
        one = {
            "input_ids": inputs["input_ids"][i : i + 1, -length:],
            "attention_mask": inputs["attention_mask"][i : i + 1, -length:],
            "pixel_values": inputs["pixel_values"][i : i + 1],
        }
        assert torch.allclose(logits(made, one, [scenes[i]])[0], together[i, -length:], atol=2e-4)


def test_a_later_word_changes_no_earlier_logit(base):
    made = aware(base)
    inputs = prompts(made, 1)
    before = logits(made, inputs, [scene(0)])
    changed = {k: v.clone() for k, v in inputs.items()}
    changed["input_ids"][0, -3] = 7
    after = logits(made, changed, [scene(0)])
    assert torch.allclose(before[:, :-3], after[:, :-3], atol=1e-5) and not torch.allclose(
        before[:, -3:], after[:, -3:]
    )


class Pads:
    do_pad = True


class Crops:
    do_center_crop = True


def test_a_map_is_cut_as_the_picture_is():
    wide = np.arange(8).reshape(2, 4)
    assert np.array_equal(squared_map(wide, Pads()), np.pad(wide, ((1, 1), (0, 0))))
    assert np.array_equal(squared_map(wide, Crops()), wide[:, 1:3])
    assert squared_map(wide, object()) is wide


def test_the_square_of_a_thin_map_is_bounded():
    thin = np.zeros((3, 16_000), np.int32)
    thin[:, 8_000:] = 7
    made = squared_map(thin, Pads())
    assert max(made.shape) <= MAP_MAX_PX and made.shape[0] == made.shape[1]
    assert abs(float((made == 7).any(0).mean()) - 0.5) < 0.01
