"""Putting another layer in a layer's place, with all that hangs on it."""

from __future__ import annotations

from typing import Any

from torch import nn

HOOKS = (
    "_forward_hooks",
    "_forward_hooks_with_kwargs",
    "_forward_hooks_always_called",
    "_forward_pre_hooks",
    "_forward_pre_hooks_with_kwargs",
)


def swap(model: Any, name: str, new: nn.Module) -> None:
    """Replace the module of that name. Its forward hooks go on with the new one, and can still be removed: what tells a
    model what is
    where hangs on its linear layers."""
    parent, _, own = name.rpartition(".")
    holder = model.get_submodule(parent)
    old = getattr(holder, own)
    for hooks in HOOKS:
        setattr(new, hooks, getattr(old, hooks))
    setattr(holder, own, new)
