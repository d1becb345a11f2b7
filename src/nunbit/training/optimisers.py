"""Which optimiser moves what, and how fast: AdamW by part, Muon for hidden matrices where a stage wants it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from nunbit.training.distributed import is_sharded
from nunbit.training.muon import Muon

if TYPE_CHECKING:
    from nunbit.training.loop import Stage


def make_optimisers(modules: dict[str, torch.nn.Module], stage: Stage) -> list[torch.optim.Optimizer]:
    """AdamW for all; with a ``muon_lr``, Muon for hidden matrices: weights of linear and convolution layers that are not tied to
    a table and do not belong to a part that writes classes ("heads") or is a table itself ("eyes")."""
    hidden = _hidden_matrices(modules) if stage.muon_lr else {}
    groups: list[dict[str, Any]] = []
    seen = set(hidden)
    for name, module in modules.items():
        rest = [p for p in module.parameters() if p.requires_grad and id(p) not in seen]
        seen |= {id(p) for p in rest}
        lr, decay = stage.rate(name), stage.part_decay.get(name, stage.weight_decay)
        groups.append({"params": [p for p in rest if p.ndim >= 2], "weight_decay": decay, "lr": lr})
        groups.append({"params": [p for p in rest if p.ndim < 2], "weight_decay": 0.0, "lr": lr})
    if not stage.part_lr:  # one pair of groups, as checkpoints of older runs hold it
        groups = [{**groups[i], "params": [p for g in groups[i::2] for p in g["params"]]} for i in (0, 1)]
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
        quiet = {
            id(p)
            for m in modules.values()
            for n, p in m.named_parameters()
            if n.endswith(("o_proj.weight", "down_proj.weight"))
        }
        out.append(
            Muon(hidden.values(), stage.muon_lr, weight_decay=stage.weight_decay, radius=stage.radius, quiet=quiet)
        )
    return out


def _hidden_matrices(modules: dict[str, torch.nn.Module]) -> dict[int, torch.nn.Parameter]:
    inner = [m for k, part in modules.items() if k not in ("heads", "eyes") for m in part.modules()]
    tables = {id(m.weight) for m in inner if isinstance(m, torch.nn.Embedding)}
    weights = [
        p for m in inner if isinstance(m, torch.nn.Linear | torch.nn.Conv2d) for p in [m.get_parameter("weight")]
    ]
    return {id(w): w for w in weights if w.requires_grad and id(w) not in tables}
