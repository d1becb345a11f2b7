"""InternLM2 decoder with one packed map for queries, keys and values, and PLoRA: extra low-rank maps on image rows.

The shape of the released CoLLaVO and MoAI checkpoints; parameters are named as there. Everything that the two papers
add hangs on this decoder as hooks, as on any other (`nunbit.connectors.crayon`, `nunbit.connectors.moai`).

Source: InternLM2, arXiv 2403.17297; PLoRA: InternLM-XComposer2, arXiv 2401.16420; layout: released checkpoints.

Letters: B sequences, T rows of one pass, L rows of the prompt, D width, H query heads, K key heads, G = H / K, d head
width.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import GenerationMixin, PreTrainedConfig, PreTrainedModel
from transformers.cache_utils import Cache, DynamicCache
from transformers.masking_utils import create_causal_mask
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_outputs import BaseModelOutputWithPast, CausalLMOutputWithPast

from nunbit.connectors.prefill import window_of


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
    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(width)), eps

    def forward(self, x: Tensor) -> Tensor:
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
        """``mask`` is additive or bool, ``(B, 1, T, S)``; without one the pass is causal."""
        # Rows of the packed map are grouped by key head: G queries, then the key, then the value.
        heads = self.wqkv(x, image_mask).unflatten(-1, (self.key_heads, -1, self.head_dim))
        q, k, v = heads[..., :-2, :].flatten(2, 3), heads[..., -2, :], heads[..., -1, :]
        q, k, v = (t.transpose(1, 2) for t in (q, k, v))
        q, k = rotate(q, rope), rotate(k, rope)
        if cache is not None:
            k, v = cache.update(k, v, self.layer)
        causal = mask is None and q.shape[2] > 1
        seen = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=causal, enable_gqa=True)
        return self.wo(seen.transpose(1, 2).flatten(2), image_mask)


class InternLM2MLP(nn.Module):
    def __init__(self, config: InternLM2Config) -> None:
        super().__init__()
        self.w1 = PLoRALinear(config, config.hidden_size, config.intermediate_size)
        self.w3 = PLoRALinear(config, config.hidden_size, config.intermediate_size)
        self.w2 = PLoRALinear(config, config.intermediate_size, config.hidden_size)

    def forward(self, x: Tensor, image_mask: Tensor | None) -> Tensor:
        return self.w2(F.silu(self.w1(x, image_mask)) * self.w3(x, image_mask), image_mask)


class InternLM2DecoderLayer(GradientCheckpointingLayer):
    def __init__(self, config: InternLM2Config, layer: int) -> None:
        super().__init__()
        self.attention_norm = InternLM2RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.attention = InternLM2Attention(config, layer)
        self.ffn_norm = InternLM2RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.feed_forward = InternLM2MLP(config)

    def forward(
        self, x: Tensor, mask: Tensor | None, rope: tuple[Tensor, Tensor], image_mask: Tensor | None = None,
        cache: Cache | None = None,
    ) -> Tensor:  # fmt: skip
        """``(B, T, D)`` to ``(B, T, D)``."""
        x = x + self.attention(self.attention_norm(x), mask, rope, image_mask, cache)
        return x + self.feed_forward(self.ffn_norm(x), image_mask)


class InternLM2PreTrainedModel(PreTrainedModel):
    config: InternLM2Config
    config_class = InternLM2Config
    base_model_prefix = "model"
    supports_gradient_checkpointing = True
    _no_split_modules = ["InternLM2DecoderLayer"]
    _supports_sdpa = True

    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, PLoRALinear):  # the released code means to do this and does not
            nn.init.zeros_(module.Plora_B.weight)


class InternLM2Model(InternLM2PreTrainedModel):
    def __init__(self, config: InternLM2Config) -> None:
        super().__init__(config)
        self.tok_embeddings = nn.Embedding(config.embedding_rows, config.hidden_size)
        self.layers = nn.ModuleList(InternLM2DecoderLayer(config, i) for i in range(config.num_hidden_layers))
        self.norm = InternLM2RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.gradient_checkpointing = False
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        return self.tok_embeddings

    def set_input_embeddings(self, value: nn.Embedding) -> None:  # type: ignore[override]
        self.tok_embeddings = value

    def forward(
        self, input_ids: Tensor | None = None, attention_mask: Tensor | None = None, position_ids: Tensor | None = None,
        past_key_values: Cache | None = None, inputs_embeds: Tensor | None = None, use_cache: bool | None = None,
        image_mask: Tensor | None = None,
    ) -> BaseModelOutputWithPast:  # fmt: skip
        """``image_mask`` is ``(B, L)`` bool over the prompt, cached rows included; rows after it are words."""
        x = self.tok_embeddings(input_ids) if inputs_embeds is None else inputs_embeds
        if past_key_values is None and (self.config.use_cache if use_cache is None else use_cache):
            past_key_values = DynamicCache(config=self.config)
        cached = 0 if past_key_values is None else int(past_key_values.get_seq_length())
        mask = create_causal_mask(
            config=self.config, inputs_embeds=x, attention_mask=attention_mask, past_key_values=past_key_values
        )
        if image_mask is not None:
            image_mask = window_of(image_mask, 1, cached, x.shape[1])
            image_mask = image_mask if image_mask.any() else None
        rope = rope_table(self.config, self._positions(x, attention_mask, position_ids, cached))
        for layer in self.layers:
            x = layer(x, mask, rope, image_mask, past_key_values)
        return BaseModelOutputWithPast(last_hidden_state=self.norm(x), past_key_values=past_key_values)

    def _positions(self, x: Tensor, attention_mask: Tensor | None, given: Tensor | None, cached: int) -> Tensor:
        """``(B, T)`` or ``(1, T)`` positions of this pass."""
        if given is not None and not self.config.padded_positions:
            return given
        if attention_mask is not None and attention_mask.ndim == 2 and not self.config.padded_positions:
            return (attention_mask.long().cumsum(-1) - 1).clamp(min=0)[:, cached : cached + x.shape[1]]
        return torch.arange(cached, cached + x.shape[1], device=x.device)[None]


class InternLM2ForCausalLM(InternLM2PreTrainedModel, GenerationMixin):
    def __init__(self, config: InternLM2Config) -> None:
        super().__init__(config)
        self.model = InternLM2Model(config)
        self.output = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        return self.model.tok_embeddings

    def get_output_embeddings(self) -> nn.Module:
        return self.output

    def forward(
        self, input_ids: Tensor | None = None, attention_mask: Tensor | None = None, position_ids: Tensor | None = None,
        past_key_values: Cache | None = None, inputs_embeds: Tensor | None = None, use_cache: bool | None = None,
        image_mask: Tensor | None = None, labels: Tensor | None = None, logits_to_keep: int = 0, **kwargs: Any,
    ) -> CausalLMOutputWithPast:  # fmt: skip
        """Logits ``(B, T, vocab)``; ``labels`` ``(B, T)`` with -100 = ignored give the next-token loss."""
        del kwargs  # what `generate` passes along for other models (return_dict and the like)
        out = self.model(input_ids, attention_mask, position_ids, past_key_values, inputs_embeds, use_cache, image_mask)
        logits = self.output(out.last_hidden_state[:, -logits_to_keep:])
        loss = None if labels is None else next_token_loss(logits, labels, attention_mask)
        return CausalLMOutputWithPast(loss=loss, logits=logits, past_key_values=out.past_key_values)


def next_token_loss(logits: Tensor, labels: Tensor, attention_mask: Tensor | None = None) -> Tensor:
    """Cross entropy of the next token over attended rows whose label is not -100."""
    targets = labels[:, 1:]
    if attention_mask is not None:
        targets = targets.masked_fill(attention_mask[:, 1:] == 0, -100)
    return F.cross_entropy(logits[:, :-1].float().flatten(0, 1), targets.flatten(), ignore_index=-100)


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
