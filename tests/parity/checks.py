"""What the comparisons with reference tensors share: tolerances, a counter of failures, looks inside a layer."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from nunbit.connectors.moai import MoAI
from nunbit.connectors.moai_mixer import MoAIExpert

TOLERANCE = 1e-4
ROUNDED = {"_gate_float16": "float16", "_step2_bfloat16": "bfloat16"}


class Checks:
    """Prints one line a comparison and counts the failures."""

    def __init__(self) -> None:
        self.done = self.failed = 0

    def __call__(self, name: str, error: float, tolerance: float) -> None:
        ok = error <= tolerance  # false for NaN
        self.done, self.failed = self.done + 1, self.failed + (not ok)
        print(f"{'ok  ' if ok else 'FAIL'} {name:58s} error {error:.2e}  tolerance {tolerance:.0e}", flush=True)

    def close(
        self, name: str, ours: Tensor, theirs: Tensor, valid: Tensor | None = None, tolerance: float = TOLERANCE
    ) -> None:
        """Largest difference over the largest value of the reference; the norm's ratio for rounded gates."""
        if ours.shape != theirs.shape:
            print(f"     {name}: shape {tuple(ours.shape)}, reference {tuple(theirs.shape)}")
            return self(name, float("inf"), tolerance)
        if valid is not None:
            ours, theirs = ours[valid], theirs[valid]
        difference, theirs = (ours - theirs).double(), theirs.double()
        if any(kind in name for kind in ROUNDED):
            return self(name + " (norm)", float(difference.norm() / theirs.norm()), tolerance)
        return self(name, float(difference.abs().max() / theirs.abs().max()), tolerance)

    def same(self, name: str, ours: Any, theirs: Any) -> None:
        equal = torch.equal(ours, theirs) if isinstance(ours, Tensor) else ours == theirs
        self(name + " (equal)", 0.0 if equal else 1.0, 0.0)


def silence(moai: MoAI) -> None:
    """Every expert's output map to zero."""
    for module in moai.modules():
        if isinstance(module, MoAIExpert):
            nn.init.zeros_(module.linear_o[1].weight)


def keep(layer: Any) -> dict[str, Tensor]:
    """Remember the input of wqkv and the output of attention of the last pass."""
    kept: dict[str, Tensor] = {}
    layer.attention.wqkv.register_forward_pre_hook(lambda _m, args: kept.update(mixed=args[0]))
    layer.attention.register_forward_hook(lambda _m, _args, out: kept.update(attention=out))
    return kept
