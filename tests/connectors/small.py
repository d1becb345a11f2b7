"""Small connectors and features for the tests of this room."""

from __future__ import annotations

import torch

from nunbit.connectors import CONNECTORS, TokenConnector, build

DV, DT, GRID = 12, 16, (4, 5)
N = GRID[0] * GRID[1]
SMALL = {
    "perceiver": {"latents": 3, "depth": 2, "heads": 2, "head_dim": 4},
    "qformer": {"queries": 3, "width": 8, "depth": 2, "heads": 2},
    "window_qformer": {"queries": 2, "width": 8, "heads": 2, "window": 6, "stride": 4, "keep_tail": True},
}
"""Small sizes for those whose defaults are of real size."""
NAMES = [name for name in CONNECTORS if issubclass(CONNECTORS[name], TokenConnector)]
POSITIONS = " with grid positions"
CASES = NAMES + [name + POSITIONS for name in ("perceiver", "qformer", "window_qformer")]
"""Every token connector, and those with an option that changes how features are read, as names for `make`."""


def make(name: str, **values) -> TokenConnector:
    """A fresh connector in eval mode; the same weights every time."""
    torch.manual_seed(0)
    if name.endswith(POSITIONS):
        name, values = name.removesuffix(POSITIONS), values | {"grid_positions": True}
    return build(name, vision_width=DV, text_width=DT, **SMALL.get(name, {}) | values).eval()


def features(batch: int, n: int = N, seed: int = 1) -> torch.Tensor:
    return torch.randn(batch, n, DV, generator=torch.Generator().manual_seed(seed))
