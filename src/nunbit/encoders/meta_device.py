"""What transformers does on the meta device before it reads weights, without torch's reference functions.

A model is first made without memory. What has no kernel for that device runs through functions in Python, and these
import torch's compiler and SymPy, which takes 0.6 s: for the noise in new weights, which has nowhere to go, and for the
few frequencies of rotary embeddings, which are as quickly computed in memory.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode


class _SmallNumbersInMemory(TorchFunctionMode):
    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        if str(kwargs.get("device")) == "meta":
            if func is torch.arange:
                return func(*args, **kwargs | {"device": "cpu"})
            if func is torch.randn:
                kwargs.pop("generator", None)
                return torch.empty(*args, **kwargs)
        if func in _FILL:
            tensor: Any = args[0] if args else kwargs["tensor"]
            if tensor.is_meta:
                return tensor
        return func(*args, **kwargs)


_FILL = (torch.Tensor.normal_, torch.nn.init.normal_)


def small_numbers_in_memory() -> AbstractContextManager[Any]:
    """Inside, models can be made on the meta device without torch's reference functions."""
    return _SmallNumbersInMemory()
