"""How a model computes, which changes nothing of what it learns: attention, recomputed activations, compiled layers."""

from __future__ import annotations

from functools import partial
from typing import Any

from torch.utils.checkpoint import checkpoint

from nunbit.errors import UserError
from nunbit.training.options import RunOptions
from nunbit.training.sharding import blocks_of


def set_execution(model: Any, options: RunOptions) -> None:
    """Prepare the layers of a LLaVA-shaped model, before it is sharded; a second call changes nothing.

    Recomputed layers keep only what comes in, and run again in the backward pass. Source: arXiv 1604.06174.

    Raises:
        UserError: an attention that the model does not have.
    """
    if options.attention:
        set_attention(model, options.attention)
    for block in blocks_of(model):
        if options.recompute and "forward" not in vars(block):
            # On the instance: hooks on the layer stay outside and run once.
            vars(block)["forward"] = partial(checkpoint, block.forward, use_reentrant=False)
        if options.compile:
            block.compile(backend=options.compile)


def set_attention(model: Any, name: str) -> None:
    """Let every part of the model use the named implementation of transformers.

    Raises:
        UserError: there is none of that name, or it is not installed.
    """
    try:
        model.set_attn_implementation(name)
    except (ValueError, ImportError, RuntimeError) as e:
        raise UserError(
            f"the attention '{name}' ({str(e).splitlines()[0][:150]})",
            allowed="sdpa, eager, flex_attention; flash_attention_2 and others where they are installed",
        ) from None
