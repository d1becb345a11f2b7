"""A device that this machine does not have is a sentence."""

import pytest
import torch

from nunbit.errors import UserError
from nunbit.models.loading import check_device


@pytest.mark.parametrize("device", ["cuda:99", "warp", "cpu:x", "meta:meta"])
def test_a_device_that_is_not_there_is_named_with_those_that_are(device):
    with pytest.raises(UserError, match=r"Allowed: cpu"):
        check_device(device)
    check_device("cpu")


def test_a_build_without_cuda(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("Torch not compiled with CUDA enabled")

    monkeypatch.setattr(torch, "empty", refuse)
    with pytest.raises(UserError, match="not compiled with CUDA"):
        check_device("cuda")
