"""Compact weight files."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from nunbit.encoders.compact import load_compact, save_compact
from nunbit.errors import UserError


def test_large_tensors_lose_at_most_half_a_step_and_small_ones_only_float16(tmp_path: Path) -> None:
    state = {"big.weight": torch.randn(64, 128), "filter.weight": torch.randn(600, 1, 3, 3), "bias": torch.randn(64)}
    save_compact(state, tmp_path / "w", int8=True)
    back = load_compact(tmp_path / "w")
    step = state["big.weight"].abs().amax(1, keepdim=True) / 127
    assert ((back["big.weight"] - state["big.weight"]).abs() <= 0.501 * step).all()
    assert torch.equal(back["filter.weight"], state["filter.weight"].half().float())
    assert set(back) == set(state)
    assert (tmp_path / "w").stat().st_size < 64 * 128 * 2 + 600 * 9 * 2 + 2000


def test_a_channel_of_zeros_stays_zero(tmp_path: Path) -> None:
    weight = torch.randn(64, 128)
    weight[3] = 0
    save_compact({"w": weight}, tmp_path / "w", int8=True)
    assert not load_compact(tmp_path / "w")["w"][3].any()


def test_a_damaged_file_is_a_user_error(tmp_path: Path) -> None:
    (tmp_path / "w").write_bytes(b"\x10" * 40)
    with pytest.raises(UserError, match="cannot be opened"):
        load_compact(tmp_path / "w")
