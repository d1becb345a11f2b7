"""A Llama decoder with low-rank adapters that trains fast on a processor.

Three things make it about twice as fast as a wrapped `LlamaForCausalLM` on two cores:

- the adapters are added to the frozen weights once per optimiser step, so that a forward pass costs what the plain
  model costs;
- query, key and value are one matrix product, gate and up another; each module has one hand-written backward;
- the output layer is computed at the rows that have a label, not at all rows.

The arithmetic is that of transformers' Llama (a test compares the logits). `Decoder.delta` is what
`nunbit.models.small.merge_delta` adds to one.

Source: LoRA, arXiv 2106.09685.
Legend: B rows of L tokens each, T = B * L tokens end to end, D width, H query heads, K key heads, d head width, V
    vocabulary, r rank.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

RANK = 32
SCALE = 2.0
"""What the product of an adapter's factors is multiplied with (alpha / rank)."""


class Adapted(nn.Module):
    """A frozen matrix ``(out, in)`` with a low-rank addition: ``W + scale * B A``. `merge` computes the sum that
    passes use."""

    frozen: torch.Tensor
    merged: torch.Tensor

    def __init__(self, weight: torch.Tensor, rank: int = RANK, scale: float = SCALE) -> None:
        super().__init__()
        out, width = weight.shape
        self.register_buffer("frozen", weight.detach().clone(), persistent=False)
        self.register_buffer("merged", weight.detach().clone(), persistent=False)
        self.A = nn.Parameter(torch.randn(rank, width) / width**0.5)
        self.B = nn.Parameter(torch.zeros(out, rank))
        self.scale = scale

    @torch.no_grad()
    def merge(self) -> None:
        """Bring ``merged`` up to date with the factors."""
        self.merged.copy_(torch.addmm(self.frozen.to(self.A.dtype), self.B, self.A, alpha=self.scale))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``(T, in)`` -> ``(T, out)``."""
        return _AdaptedProduct.apply(x, self.merged, *self.factors(x.dtype), self.scale)

    def factors(self, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
        """The factors ``(r, in)`` and ``(out, r)`` in the type that is computed in."""
        return self.A.to(dtype), self.B.to(dtype)


def _factor_gradients(
    x: torch.Tensor, g: torch.Tensor, a: torch.Tensor, b: torch.Tensor, scale: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Gradients of the factors from the input ``x`` (T, in) and the output's gradient ``g`` (T, out)."""
    return scale * (g @ b).t() @ x, scale * g.t() @ (x @ a.t())


class _AdaptedProduct(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, w: torch.Tensor, a: torch.Tensor, b: torch.Tensor, scale: float
    ) -> torch.Tensor:
        ctx.save_for_backward(x, w, a, b)
        ctx.scale = scale
        return x @ w.t()

    @staticmethod
    def backward(ctx: Any, g: torch.Tensor) -> Any:
        x, w, a, b = ctx.saved_tensors
        return g @ w, None, *_factor_gradients(x, g, a, b, ctx.scale), None


class _GatedMLP(torch.autograd.Function):
    """``down(silu(gate(x)) * up(x))`` with gate and up in one matrix; keeps the products, not what follows from
    them."""

    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        gu: torch.Tensor,
        ga: torch.Tensor,
        gb: torch.Tensor,
        down: torch.Tensor,
        da: torch.Tensor,
        db: torch.Tensor,
        scale: float,
    ) -> torch.Tensor:
        both = x @ gu.t()
        gate, up = both.chunk(2, -1)
        ctx.save_for_backward(x, both, gu, ga, gb, down, da, db)
        ctx.scale = scale
        return (F.silu(gate) * up) @ down.t()

    @staticmethod
    def backward(ctx: Any, g: torch.Tensor) -> Any:
        x, both, gu, ga, gb, down, da, db = ctx.saved_tensors
        gate, up = both.chunk(2, -1)
        sigmoid = torch.sigmoid(gate)
        silu = gate * sigmoid
        grad_da, grad_db = _factor_gradients(silu * up, g, da, db, ctx.scale)
        gh = g @ down
        gboth = torch.empty_like(both)
        torch.mul(gh, silu, out=gboth[:, up.shape[1] :])
        slope = sigmoid.addcmul(silu, 1 - sigmoid)
        torch.mul(gh.mul_(up), slope, out=gboth[:, : up.shape[1]])
        grad_ga, grad_gb = _factor_gradients(x, gboth, ga, gb, ctx.scale)
        return gboth @ gu, None, grad_ga, grad_gb, None, grad_da, grad_db, None


class _RMSNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor, eps: float) -> torch.Tensor:
        size = torch.linalg.vector_norm(x, dim=-1, keepdim=True, dtype=torch.float32)
        inverse = size.square_().div_(x.shape[-1]).add_(eps).rsqrt_().to(x.dtype)
        ctx.save_for_backward(x, inverse, weight)
        return x * inverse * weight

    @staticmethod
    def backward(ctx: Any, g: torch.Tensor) -> Any:
        x, inverse, weight = ctx.saved_tensors
        gw = g * weight
        pull = (gw * x).sum(-1, keepdim=True) * inverse.square() / x.shape[-1]
        return (gw - x * pull) * inverse, None, None


class _Rotary(torch.autograd.Function):
    """Turn halves of each head by the positions' angles; the way back turns by the opposite angles."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(cos, sin)
        return _turned(x, cos, sin)

    @staticmethod
    def backward(ctx: Any, g: torch.Tensor) -> Any:
        cos, sin = ctx.saved_tensors
        return _turned(g, cos, -sin), None, None


def _turned(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """(T, H, d) by ``cos``, ``sin`` (T, 1, d / 2)."""
    one, two = x.chunk(2, -1)
    return torch.cat((one * cos - two * sin, two * cos + one * sin), -1)


class Layer(nn.Module):
    """One decoder layer over a sequence (T, D)."""

    norm1: torch.Tensor
    norm2: torch.Tensor

    def __init__(self, layer: Any, config: Any, rank: int) -> None:
        super().__init__()
        attention, mlp = layer.self_attn, layer.mlp
        self.qkv = Adapted(torch.cat([m.weight for m in (attention.q_proj, attention.k_proj, attention.v_proj)]), rank)
        self.out = Adapted(attention.o_proj.weight, rank)
        self.gate_up = Adapted(torch.cat([mlp.gate_proj.weight, mlp.up_proj.weight]), rank)
        self.down = Adapted(mlp.down_proj.weight, rank)
        self.register_buffer("norm1", layer.input_layernorm.weight.detach().clone(), persistent=False)
        self.register_buffer("norm2", layer.post_attention_layernorm.weight.detach().clone(), persistent=False)
        self.heads, self.keys, self.eps = config.num_attention_heads, config.num_key_value_heads, config.rms_norm_eps
        self.head_dim = config.head_dim

    def forward(self, x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """``(T, D)`` -> ``(T, D)``; ``mask`` ``(B, 1, L, L)`` is added to the scores."""
        H, K, d, B, L = self.heads, self.keys, self.head_dim, len(mask), mask.shape[-1]
        qkv = self.qkv(_RMSNorm.apply(x, self.norm1, self.eps)).view(B * L, H + 2 * K, d)
        turned = _Rotary.apply(qkv[:, : H + K], cos, sin)
        q = turned[:, :H].view(B, L, H, d).transpose(1, 2)
        k, v = (
            m.reshape(B, L, K, d).transpose(1, 2).repeat_interleave(H // K, 1) for m in (turned[:, H:], qkv[:, H + K :])
        )
        mixed = _attention(q, k, v, mask)
        x = x + self.out(mixed.transpose(1, 2).reshape(B * L, H * d))
        gu, down = self.gate_up, self.down
        factors = (gu.merged, *gu.factors(x.dtype), down.merged, *down.factors(x.dtype))
        return x + _GatedMLP.apply(_RMSNorm.apply(x, self.norm2, self.eps), *factors, gu.scale)


def _attention(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """(B, H, L, d) of queries, keys and values under a mask (B, 1, L, L) that is added."""
    if q.dtype != torch.bfloat16 or q.is_cuda:
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    # In bfloat16 the fused way of a processor takes twice as long, forwards and backwards.
    scores = q * q.shape[-1] ** -0.5 @ k.transpose(-1, -2) + mask
    return scores.softmax(-1) @ v


class Rows(nn.Module):
    """Rows of the embedding table that learn: those of tokens that were added to the vocabulary."""

    def __init__(self, weight: torch.Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight.detach().clone())


class Decoder(nn.Module):
    """The decoder of a `LlamaForCausalLM` with tied tables, with adapters on all linear layers.

    Args:
        model: the pretrained model, its table already of the full size.
        new: how many rows at the end of the table learn; all other rows are frozen.
    """

    table: torch.Tensor
    norm: torch.Tensor
    frequencies: torch.Tensor

    def __init__(self, model: Any, new: int = 0, rank: int = RANK) -> None:
        super().__init__()
        config = model.config
        weight = model.get_input_embeddings().weight.detach()
        self.register_buffer("table", weight[: len(weight) - new].clone(), persistent=False)
        self.rows = Rows(weight[len(weight) - new :])
        self.layers = nn.ModuleList(Layer(layer, config, rank) for layer in model.model.layers)
        self.register_buffer("norm", model.model.norm.weight.detach().clone(), persistent=False)
        theta = config.rope_parameters["rope_theta"]
        frequencies = theta ** -(torch.arange(0, config.head_dim, 2, dtype=torch.float32) / config.head_dim)
        self.register_buffer("frequencies", frequencies, persistent=False)
        self.eps = config.rms_norm_eps

    def merge(self) -> None:
        """Call after every change of the adapters, before the next pass."""
        for layer in self.layers:
            for part in layer.children():
                assert isinstance(part, Adapted)
                part.merge()

    def to_bfloat16(self) -> Decoder:
        """Compute in bfloat16 from here on, for an accelerator or a processor that multiplies in it; what learns stays
        in float32."""
        for module in self.modules():
            for name, held in module.named_buffers(recurse=False):
                if name != "frequencies":
                    setattr(module, name, held.to(torch.bfloat16))
        return self

    def embed(self, ids: torch.Tensor) -> torch.Tensor:
        """``(T)`` -> ``(T, D)``."""
        old = ids < len(self.table)
        out = self.table[ids.where(old, 0)]
        if bool(old.all()):
            return out
        return out.masked_scatter(~old[:, None], self.rows.weight[ids[~old] - len(self.table)].to(out.dtype))

    def hidden(self, x: torch.Tensor, positions: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Embeddings ``(T, D)`` -> last hidden states ``(T, D)``.

        Args:
            positions: ``(T)``.
            mask: ``(B, L, L)`` or, of one row, ``(L, L)``: True where a token may attend to another.
        """
        angle = positions[:, None].float() * self.frequencies
        cos, sin = angle.cos()[:, None].to(x.dtype), angle.sin()[:, None].to(x.dtype)
        mask = mask if mask.ndim == 3 else mask[None]
        added = torch.zeros(mask.shape, dtype=x.dtype, device=x.device).masked_fill(~mask, float("-inf"))[:, None]
        for layer in self.layers:
            x = layer(x, cos, sin, added)
        return _RMSNorm.apply(x, self.norm, self.eps)

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """``(T, D)`` -> ``(T, V)``."""
        return torch.cat((hidden @ self.table.t(), hidden @ self.rows.weight.to(hidden.dtype).t()), -1)

    def delta(self) -> dict[str, torch.Tensor]:
        """What was learnt, as `nunbit.models.small` writes and merges it: factors of each layer, and the new rows."""
        parts = {f"layers.{k}": v.detach() for k, v in self.layers.state_dict().items()}
        return parts | {"rows.weight": self.rows.weight.detach()}

    def learning(self) -> dict[str, nn.Module]:
        """The parts that learn, by name."""
        return {"adapters": self.layers, "rows": self.rows}
