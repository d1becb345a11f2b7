"""The layers of InternLM2: one packed map for queries, keys and values, and PLoRA, extra low-rank maps on image rows.

Source: InternLM2, arXiv 2403.17297; PLoRA: InternLM-XComposer2, arXiv 2401.16420; layout: released checkpoints.

Letters: B sequences, T rows of one pass, S rows with the cached ones, D width, Din and Dout widths of a linear map, H
query heads, K key heads, G = H / K, d head width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedConfig
from transformers.cache_utils import Cache
from transformers.modeling_layers import GradientCheckpointingLayer


class InternLM2Config(PreTrainedConfig):
    """Defaults are those of the released 7B checkpoints.

    Args:
        embedding_rows: rows of the input table; one more than ``vocab_size``, for ``<image>``.
        plora_rank, plora_alpha, plora_dropout: of the image rows' low-rank maps.
        padded_positions: count positions from the first column, padding included, as the released code does.
    """

    model_type = "nunbit_internlm2"

    vocab_size: int = 92544
    embedding_rows: int = 92545
    hidden_size: int = 4096
    intermediate_size: int = 14336
    num_hidden_layers: int = 32
    num_attention_heads: int = 32
    num_key_value_heads: int = 8
    max_position_embeddings: int = 32768
    rms_norm_eps: float = 1e-5
    rope_theta: float = 1e6
    rope_factor: float = 1.0
    plora_rank: int = 256
    plora_alpha: float = 256.0
    plora_dropout: float = 0.05
    padded_positions: bool = False
    initializer_range: float = 0.02
    use_cache: bool = True
    pad_token_id: int | None = 2
    bos_token_id: int | None = 1
    eos_token_id: int | None = 2
    tie_word_embeddings: bool = False


class InternLM2RMSNorm(nn.Module):
    """Root mean square norm, computed in float32. Source: arXiv 1910.07467."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(width)), eps

    def forward(self, x: Tensor) -> Tensor:
        """``(..., D)`` to ``(..., D)``."""
        wide = x.float()
        wide = wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + self.eps)
        return self.weight * wide.to(x.dtype)


class PLoRALinear(nn.Module):
    """``W x`` for every row and ``W x + alpha / rank * B A x`` for image rows."""

    def __init__(self, config: InternLM2Config, width_in: int, width_out: int) -> None:
        super().__init__()
        self.in_features, self.out_features = width_in, width_out
        self.scale = config.plora_alpha / config.plora_rank
        self.dropout = nn.Dropout(config.plora_dropout)
        self.Plora_A = nn.Linear(width_in, config.plora_rank, bias=False)
        self.Plora_B = nn.Linear(config.plora_rank, width_out, bias=False)
        self.Plora_main = nn.Linear(width_in, width_out, bias=False)

    def forward(self, x: Tensor, image_mask: Tensor | None = None) -> Tensor:
        """``(B, T, Din)`` to ``(B, T, Dout)``; ``image_mask`` is ``(B, T)`` bool."""
        y = self.Plora_main(x)
        if image_mask is None:
            return y
        added = self.scale * self.Plora_B(self.Plora_A(self.dropout(x[image_mask])))
        return y.index_put((image_mask,), added.to(y.dtype), accumulate=True)


class InternLM2Attention(nn.Module):
    """Grouped-query attention with rotary positions and one packed map for queries, keys and values."""

    def __init__(self, config: InternLM2Config, layer: int) -> None:
        super().__init__()
        self.layer, self.key_heads = layer, config.num_key_value_heads
        self.head_dim = config.hidden_size // config.num_attention_heads
        packed = (config.num_attention_heads + 2 * self.key_heads) * self.head_dim
        self.wqkv = PLoRALinear(config, config.hidden_size, packed)
        self.wo = PLoRALinear(config, config.hidden_size, config.hidden_size)

    def forward(
        self,
        x: Tensor,
        mask: Tensor | None,
        rope: tuple[Tensor, Tensor],
        image_mask: Tensor | None,
        cache: Cache | None,
    ) -> Tensor:
        """``(B, T, D)`` to ``(B, T, D)``.

        Args:
            x: the layer's rows.
            mask: additive or bool, ``(B, 1, T, S)``; without one the pass is causal.
            rope: from `rope_table`.
            image_mask: ``(B, T)`` bool, rows that get PLoRA.
            cache: keys and values of earlier passes.
        """
        # Rows of the packed map are grouped by key head: G queries, then the key, then the value.
        heads = self.wqkv(x, image_mask).unflatten(-1, (self.key_heads, -1, self.head_dim))
        q, k, v = heads[..., :-2, :].flatten(2, 3), heads[..., -2, :], heads[..., -1, :]
        q, k, v = (t.transpose(1, 2) for t in (q, k, v))
        q, k = rotate(q, rope), rotate(k, rope)
        if cache is not None:
            k, v = cache.update(k, v, self.layer)
        causal = mask is None and q.shape[2] > 1
        attended = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=causal, enable_gqa=True)
        return self.wo(attended.transpose(1, 2).flatten(2), image_mask)


class InternLM2MLP(nn.Module):
    """The gated feed-forward block, ``w2(silu(w1(x)) * w3(x))``."""

    def __init__(self, config: InternLM2Config) -> None:
        super().__init__()
        self.w1 = PLoRALinear(config, config.hidden_size, config.intermediate_size)
        self.w3 = PLoRALinear(config, config.hidden_size, config.intermediate_size)
        self.w2 = PLoRALinear(config, config.intermediate_size, config.hidden_size)

    def forward(self, x: Tensor, image_mask: Tensor | None) -> Tensor:
        """``(B, T, D)`` to ``(B, T, D)``; ``image_mask`` is ``(B, T)`` bool."""
        return self.w2(F.silu(self.w1(x, image_mask)) * self.w3(x, image_mask), image_mask)


class InternLM2DecoderLayer(GradientCheckpointingLayer):
    """Norm, attention, norm, feed-forward, each with its residual."""

    def __init__(self, config: InternLM2Config, layer: int) -> None:
        super().__init__()
        self.attention_norm = InternLM2RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.attention = InternLM2Attention(config, layer)
        self.ffn_norm = InternLM2RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.feed_forward = InternLM2MLP(config)

    def forward(
        self,
        x: Tensor,
        mask: Tensor | None,
        rope: tuple[Tensor, Tensor],
        image_mask: Tensor | None = None,
        cache: Cache | None = None,
    ) -> Tensor:
        """``(B, T, D)`` to ``(B, T, D)``."""
        x = x + self.attention(self.attention_norm(x), mask, rope, image_mask, cache)
        return x + self.feed_forward(self.ffn_norm(x), image_mask)


def rope_table(config: InternLM2Config, positions: Tensor) -> tuple[Tensor, Tensor]:
    """Cosine and sine ``(B, 1, T, d)`` of the positions ``(B, T)``; the base grows beyond the trained length."""
    width = config.hidden_size // config.num_attention_heads
    base, length = config.rope_theta, positions.shape[-1]
    if length > config.max_position_embeddings:
        stretch = config.rope_factor * length / config.max_position_embeddings - (config.rope_factor - 1)
        base = base * stretch ** (width / (width - 2))
    turns = 1.0 / base ** (torch.arange(0, width, 2, device=positions.device).float() / width)
    angles = (positions.float().unsqueeze(-1) * turns).repeat(1, 1, 2).unsqueeze(1)
    return angles.cos(), angles.sin()


def rotate(x: Tensor, rope: tuple[Tensor, Tensor]) -> Tensor:
    """Turn the pairs (i, i + d / 2) of ``(B, H, T, d)``."""
    cos, sin = (t.to(x.dtype) for t in rope)
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat([-second, first], dim=-1) * sin
