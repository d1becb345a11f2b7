"""MoAI in small sizes, and its arithmetic written again with plain loops."""

from __future__ import annotations

import math

import torch
from tests.connectors.decoders import D
from torch import Tensor

from nunbit.connectors.moai_config import MoAIConfig
from nunbit.connectors.moai_mixer import MoAIExpert

LAYERS = 4


def config(**values) -> MoAIConfig:
    small = {
        "layers": LAYERS,
        "every": 2,
        "latents": 3,
        "depth": 2,
        "heads": 2,
        "head_dim": 4,
        "rank": 5,
        "expert_heads": 2,
    }
    return MoAIConfig("moai", D, D, **(small | values))


def shaken(module: torch.nn.Module, seed: int = 0, scale: float = 0.5) -> torch.nn.Module:
    """Random parameters, zero initialisations included."""
    g = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in module.parameters():
            p.copy_(torch.randn(p.shape, generator=g) * scale)
    return module.eval()


def noise(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def masks(rows: list[str]) -> tuple[Tensor, Tensor]:
    """Rows of letters: i picture, w word of the prompt, anything else neither."""
    return tuple(torch.tensor([[c == k for c in row] for row in rows]) for k in "iw")


def gelu(x: Tensor) -> Tensor:
    return 0.5 * x * (1 + torch.erf(x / math.sqrt(2)))


def attention_by_hand(q: Tensor, k: Tensor, v: Tensor, heads: int, may=None) -> Tensor:
    """``(Q, W)``, ``(S, W)``, ``(S, W)``, one query and head at a time."""
    d, out = q.shape[1] // heads, torch.zeros(len(q), v.shape[1])
    for i in range(len(q)):
        keys = [j for j in range(len(k)) if may is None or may(i, j)]
        for h in range(heads):
            span = slice(h * d, (h + 1) * d)
            scores = (
                torch.stack([(q[i, span] * k[j, span]).sum() / math.sqrt(d) for j in keys]) if keys else torch.zeros(0)
            )
            weights = scores.exp() / scores.exp().sum()
            for w, j in zip(weights, keys, strict=True):
                out[i, span] += w * v[j, span]
    return out


def expert_by_hand(e: MoAIExpert, x: Tensor, source: Tensor, may=None) -> Tensor:
    def low(pair, y):
        return gelu(torch.einsum("sd,rd,er->se", y, pair[0].weight, pair[1].weight))

    seen = attention_by_hand(low(e.linear_q, x), low(e.linear_k, source), low(e.linear_v, source), e.heads, may)
    return x + low(e.linear_o, seen)


def norm_by_hand(x: Tensor, norm: torch.nn.LayerNorm) -> Tensor:
    centred = x - x.mean(-1, keepdim=True)
    return centred / (centred.square().mean(-1, keepdim=True) + norm.eps).sqrt() * norm.weight + norm.bias
