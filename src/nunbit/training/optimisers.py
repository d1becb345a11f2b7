"""Which optimiser moves what, and how fast: AdamW by part, Muon for hidden matrices where a stage asks for it."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from nunbit.training.distributed import is_sharded
from nunbit.training.muon import Muon
from nunbit.training.stage import Stage

NO_MUON = ("heads", "oracle")
"""Parts that Muon leaves alone: one writes classes, one is a table itself."""
RESIDUAL = ("o_proj.weight", "down_proj.weight")
"""Ends of the names of matrices that write into a residual stream."""


def make_optimisers(modules: dict[str, nn.Module], stage: Stage) -> list[torch.optim.Optimizer]:
    """AdamW for everything; with a ``muon_lr``, Muon for hidden matrices: weights of linear and convolution layers that
    are not tied to a table and belong to no part of `NO_MUON`."""
    hidden = _hidden_matrices(modules) if stage.muon_lr else {}
    groups = _adamw_groups(modules, stage, set(hidden))
    sharded = is_sharded(p for g in groups for p in g["params"])
    out: list[torch.optim.Optimizer] = [
        torch.optim.AdamW(
            groups,
            lr=stage.lr,
            betas=(0.9, stage.beta2),
            fused=(stage.fused and not sharded) or None,
            foreach=False if sharded else None,
        )
    ]
    if hidden:
        named = [pair for m in modules.values() for pair in m.named_parameters()]
        residual = {id(p) for name, p in named if name.endswith(RESIDUAL)}
        out.append(
            Muon(
                hidden.values(), stage.muon_lr, weight_decay=stage.weight_decay, radius=stage.radius, residual=residual
            )
        )
    return out


def _adamw_groups(modules: dict[str, nn.Module], stage: Stage, taken: set[int]) -> list[dict[str, Any]]:
    """Two groups a part, matrices with weight decay and vectors without; a parameter of two parts belongs to the
    first."""
    groups: list[dict[str, Any]] = []
    for name, module in modules.items():
        rest = [p for p in module.parameters() if p.requires_grad and id(p) not in taken]
        taken = taken | {id(p) for p in rest}
        lr, decay = stage.peak_lr(name), stage.part_decay.get(name, stage.weight_decay)
        groups.append({"params": [p for p in rest if p.ndim >= 2], "weight_decay": decay, "lr": lr})
        groups.append({"params": [p for p in rest if p.ndim < 2], "weight_decay": 0.0, "lr": lr})
    if not stage.part_lr:  # one pair of groups, as checkpoints of older runs hold it
        groups = [{**groups[i], "params": [p for g in groups[i::2] for p in g["params"]]} for i in (0, 1)]
    return groups


def _hidden_matrices(modules: dict[str, nn.Module]) -> dict[int, nn.Parameter]:
    inner = [m for k, part in modules.items() if k not in NO_MUON for m in part.modules()]
    tables = {id(m.weight) for m in inner if isinstance(m, nn.Embedding)}
    weights = [p for m in inner if isinstance(m, nn.Linear | nn.Conv2d) for p in [m.get_parameter("weight")]]
    return {id(w): w for w in weights if w.requires_grad and id(w) not in tables}
