"""Replacing a layer of a model, with its forward hooks kept."""

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
    """Replace the module of that name by ``new``, which takes over its forward hooks; they can still be removed.

    Layer connectors condition a model through hooks on its linear layers.
    """
    parent, _, own = name.rpartition(".")
    holder = model.get_submodule(parent)
    old = getattr(holder, own)
    for hooks in HOOKS:
        setattr(new, hooks, getattr(old, hooks))
    setattr(holder, own, new)
