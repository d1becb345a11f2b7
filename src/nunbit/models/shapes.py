"""A module's config, held to the tensors that lie beside it on disk, before memory is taken for what the config
says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn


def check_shapes(
    kept: Mapping[str, Tensor], name: str, values: Mapping[str, Any], parts: Callable[[], Mapping[str, nn.Module]]
) -> None:
    """Compare what would be built with what is kept.

    Args:
        kept: tensors, those of a part under ``PART.``.
        values: the config; no number of it is larger than the largest side of a tensor.
        parts: builds the module and returns its parts by name; called on the meta device.

    Raises:
        ValueError: they are not of each other's sizes.
    """
    largest = max((side for v in kept.values() for side in v.shape), default=0)
    if any(isinstance(v, int) and abs(v) > largest for v in values.values()):
        raise ValueError(f"'{name}' of sizes {dict(values)}"[:160])
    with torch.device("meta"):
        wanted = {f"{part}.{k}": v.shape for part, m in parts().items() for k, v in m.state_dict().items()}
    if not wanted.items() <= {k: v.shape for k, v in kept.items()}.items():
        raise ValueError(f"the tensors of '{name}' are not of the sizes that its config says")
