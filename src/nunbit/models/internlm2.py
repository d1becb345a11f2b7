"""InternLM2 as a causal language model of transformers, the decoder of the released CoLLaVO and MoAI checkpoints.

Parameters are named as there. What the two papers add is registered as hooks on this decoder, as on any other
(`nunbit.connectors.crayon`, `nunbit.connectors.moai`).

Source: InternLM2, arXiv 2403.17297; layout: released checkpoints.

Letters: B sequences, T rows of one pass, L rows of the prompt, D width, V words of the vocabulary.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import GenerationMixin, PreTrainedModel
from transformers.cache_utils import Cache, DynamicCache
from transformers.masking_utils import create_causal_mask
from transformers.modeling_outputs import BaseModelOutputWithPast, CausalLMOutputWithPast

from nunbit.connectors.prefill import window_of
from nunbit.models.internlm2_layers import (
    InternLM2Config,
    InternLM2DecoderLayer,
    InternLM2RMSNorm,
    PLoRALinear,
    rope_table,
)


class InternLM2PreTrainedModel(PreTrainedModel):
    """What transformers needs to know of the decoder: initialisation, checkpointing, attention kinds."""

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
    """Word embeddings, the layers and the last norm."""

    def __init__(self, config: InternLM2Config) -> None:
        super().__init__(config)
        self.tok_embeddings = nn.Embedding(config.embedding_rows, config.hidden_size)
        self.layers = nn.ModuleList(InternLM2DecoderLayer(config, i) for i in range(config.num_hidden_layers))
        self.norm = InternLM2RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.gradient_checkpointing = False
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        """The word embeddings, ``(V, D)``."""
        return self.tok_embeddings

    def set_input_embeddings(self, value: nn.Embedding) -> None:  # type: ignore[override]
        """Replace the word embeddings."""
        self.tok_embeddings = value

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        past_key_values: Cache | None = None,
        inputs_embeds: Tensor | None = None,
        use_cache: bool | None = None,
        image_mask: Tensor | None = None,
    ) -> BaseModelOutputWithPast:
        """Ids or embeddings ``(B, T)`` or ``(B, T, D)`` to hidden states ``(B, T, D)``.

        Args:
            image_mask: ``(B, L)`` bool over the prompt, cached rows included; rows after it are words.
        """
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
    """The decoder with its output layer; `generate` of transformers works on it."""

    def __init__(self, config: InternLM2Config) -> None:
        super().__init__(config)
        self.model = InternLM2Model(config)
        self.output = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        """The word embeddings, ``(V, D)``."""
        return self.model.tok_embeddings

    def get_output_embeddings(self) -> nn.Module:
        """The output layer, ``(V, D)``."""
        return self.output

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        past_key_values: Cache | None = None,
        inputs_embeds: Tensor | None = None,
        use_cache: bool | None = None,
        image_mask: Tensor | None = None,
        labels: Tensor | None = None,
        logits_to_keep: int = 0,
        **kwargs: Any,
    ) -> CausalLMOutputWithPast:
        """Logits ``(B, T, V)``; ``labels`` ``(B, T)`` with -100 = ignored give the next-token loss."""
        del kwargs  # what `generate` passes along for other models (return_dict and the like)
        out = self.model(input_ids, attention_mask, position_ids, past_key_values, inputs_embeds, use_cache, image_mask)
        logits = self.output(out.last_hidden_state[:, -logits_to_keep:])
        loss = None if labels is None else next_token_loss(logits, labels, attention_mask)
        return CausalLMOutputWithPast(loss=loss, logits=logits, past_key_values=out.past_key_values)


def next_token_loss(logits: Tensor, labels: Tensor, attention_mask: Tensor | None = None) -> Tensor:
    """Cross entropy of the next token over attended rows whose label is not -100.

    Args:
        logits: ``(B, T, V)``.
        labels, attention_mask: ``(B, T)``.
    """
    targets = labels[:, 1:]
    if attention_mask is not None:
        targets = targets.masked_fill(attention_mask[:, 1:] == 0, -100)
    return F.cross_entropy(logits[:, :-1].float().flatten(0, 1), targets.flatten(), ignore_index=-100)
