"""Models made on the meta device without torch's reference functions."""

import gc

import pytest
import torch
from torch import nn

from nunbit.encoders.meta_device import small_numbers_in_memory
from nunbit.encoders.vision import load_vision_tower
from nunbit.errors import UserError
from nunbit.files import EMBEDDED
from nunbit.media.heap import without_collecting


def test_noise_on_the_meta_device_is_left_out_and_small_numbers_are_numbers():
    with small_numbers_in_memory(), torch.device("meta"):
        embedding, noise = nn.Embedding(5, 3), torch.randn(2, 3)
        frequencies = 1.0 / torch.arange(1, 3)
    assert embedding.weight.is_meta and noise.is_meta and noise.shape == (2, 3)
    assert frequencies.tolist() == [1.0, 0.5]


def test_elsewhere_numbers_are_random_as_ever():
    torch.manual_seed(0)
    with small_numbers_in_memory():
        embedding, noise = nn.Embedding(5, 3), torch.randn(4)
    torch.manual_seed(0)
    assert torch.equal(embedding.weight, nn.Embedding(5, 3).weight) and torch.equal(noise, torch.randn(4))


def test_the_encoder_alone_is_that_of_the_whole_model():
    from transformers import AutoModelForImageTextToText

    whole = AutoModelForImageTextToText.from_pretrained(EMBEDDED).model.vision_tower.state_dict()
    alone = load_vision_tower(EMBEDDED).state_dict()
    assert alone.keys() == whole.keys() and len(alone) > 50
    assert all(torch.equal(alone[k], whole[k]) and alone[k].dtype == whole[k].dtype for k in whole)


def test_a_folder_without_a_model_is_named(tmp_path):
    with pytest.raises(UserError, match=tmp_path.name):
        load_vision_tower(tmp_path)


def test_collecting_rests_and_goes_on():
    assert gc.isenabled()
    with pytest.raises(KeyError), without_collecting():
        assert not gc.isenabled()
        with without_collecting():
            assert not gc.isenabled()
        assert not gc.isenabled()
        raise KeyError
    assert gc.isenabled()
