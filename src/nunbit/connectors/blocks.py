"""Parts that several connectors are built of: attention to another sequence, feed-forward layers, grid positions.

Letters: B images (or sequences), T queries, S rows of the source, D width of the queries, Ds width of the source,
d width of a head, N features, M latents, R and C rows and columns of a grid.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nunbit.errors import UserError


class CrossAttention(nn.Module):
    """Multi-head attention without biases whose keys and values come from another sequence."""

    def __init__(self, width: int, source_width: int, heads: int, head_dim: int) -> None:
        super().__init__()
        self.heads = heads
        self.q_proj = nn.Linear(width, heads * head_dim, bias=False)
        self.k_proj = nn.Linear(source_width, heads * head_dim, bias=False)
        self.v_proj = nn.Linear(source_width, heads * head_dim, bias=False)
        self.out_proj = nn.Linear(heads * head_dim, width, bias=False)

    def keys_values(self, source: Tensor) -> tuple[Tensor, Tensor]:
        """``(B, S, Ds)`` to keys and values, both ``(B, heads, S, d)``."""
        return self._split(self.k_proj(source)), self._split(self.v_proj(source))

    def forward(self, x: Tensor, keys_values: tuple[Tensor, Tensor], mask: Tensor | None = None) -> Tensor:
        """``(B, T, D)`` to ``(B, T, D)``.

        Args:
            x: the queries' rows.
            keys_values: from `keys_values`.
            mask: bool, broadcasts to ``(B, heads, T, S)``; true where a query attends.
        """
        attended = F.scaled_dot_product_attention(self._split(self.q_proj(x)), *keys_values, attn_mask=mask)
        return self.out_proj(attended.transpose(1, 2).flatten(2))

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)


def attend(q: Tensor, k: Tensor, v: Tensor, heads: int, mask: Tensor | None = None) -> Tensor:
    """Multi-head attention without projections: ``(B, T, heads * d)`` and twice ``(B, S, heads * d)`` to
    ``(B, T, heads * d)``; bool ``mask`` broadcasts to ``(B, heads, T, S)``."""
    q, k, v = (x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in (q, k, v))
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2).flatten(2)


def zero_masked(features: Tensor, mask: Tensor | None) -> Tensor:
    """Features ``(..., N, D)`` with zeros where the mask ``(..., N)`` is false, so that not even a NaN can leak."""
    return features if mask is None else features.masked_fill(~mask.bool().unsqueeze(-1), 0)


def latents_mask(mask: Tensor | None, latents: int) -> Tensor | None:
    """A mask ``(B, N)`` of features for queries that also attend to M latents after them: ``(B, 1, 1, N + M)``."""
    return None if mask is None else F.pad(mask.bool(), (0, latents), value=True)[:, None, None]


def grid_positions(rows: int, columns: int, width: int, like: Tensor) -> Tensor:
    """Fixed 2-D sine and cosine positions ``(R * C, D)``: half of the width for the row, half for the column.

    The angles are those of "Attention Is All You Need", arXiv 1706.03762, sec. 3.5, for each axis, as DETR has them
    (arXiv 2005.12872, app. A.4). A cell keeps its position when the grid grows to the right or downwards.
    """
    quarter = width // 4
    powers = torch.arange(quarter, device=like.device, dtype=torch.float32) / max(quarter, 1)
    frequencies = 10_000.0**-powers
    axes = [torch.arange(n, device=like.device)[:, None] * frequencies for n in (rows, columns)]
    down, across = (torch.cat([a.sin(), a.cos()], dim=-1) for a in axes)  # (R, D / 2) and (C, D / 2)
    cells = torch.cat([down[:, None].expand(-1, columns, -1), across[None].expand(rows, -1, -1)], dim=-1)
    return F.pad(cells.flatten(0, 1), (0, width - 4 * quarter)).to(like.dtype)


def feed_forward(width: int, mult: int, act: str) -> nn.Sequential:
    """Norm, up, activation, down; no biases. Source: Flamingo, arXiv 2204.14198, fig. 4 and app. A.1."""
    inner = width * mult
    return nn.Sequential(
        nn.LayerNorm(width), nn.Linear(width, inner, bias=False), activation(act), nn.Linear(inner, width, bias=False)
    )


class SquaredReLU(nn.Module):
    """max(x, 0) squared. Source: Flamingo, arXiv 2204.14198, app. A."""

    def forward(self, x: Tensor) -> Tensor:
        """``(..., D)`` to ``(..., D)``."""
        return torch.relu(x).square()


ACTIVATIONS: dict[str, type[nn.Module]] = {
    "gelu": nn.GELU, "relu": nn.ReLU, "silu": nn.SiLU, "squared_relu": SquaredReLU,
}  # fmt: skip


def activation(name: str) -> nn.Module:
    """A fresh activation module.

    Raises:
        UserError: a name that is not in `ACTIVATIONS`.
    """
    if name not in ACTIVATIONS:
        raise UserError(f"unknown activation '{name}'", allowed=", ".join(ACTIVATIONS), todo="name one of these")
    return ACTIVATIONS[name]()
