"""A digest of the weights that a module holds in memory: every byte of every tensor counts."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import torch
from torch import Tensor


def tensors_digest(state: Mapping[str, Tensor], facts: object = None) -> str:
    """16 hex digits of tensors ``(...)`` with their names, shapes and types.

    Args:
        state: such as a module's ``state_dict()``.
        facts: whatever else counts; its ``repr`` is covered.
    """
    digest = hashlib.blake2b(repr(facts).encode(), digest_size=8)
    for name in sorted(state):
        value = state[name].detach()
        digest.update(f"{name} {tuple(value.shape)} {value.dtype}\n".encode())
        digest.update(value.contiguous().reshape(-1).view(torch.uint8).cpu().numpy().data)
    return digest.hexdigest()
