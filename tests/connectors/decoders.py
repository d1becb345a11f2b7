"""Small decoders of transformers for the tests of layer connectors."""

from __future__ import annotations

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM, Qwen3Config, Qwen3ForCausalLM

D = 16
SIZES = {
    "vocab_size": 40,
    "hidden_size": D,
    "intermediate_size": 24,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 4,
    "max_position_embeddings": 128,
    "bos_token_id": 1,
    "eos_token_id": None,
    "pad_token_id": 0,
    "initializer_range": 0.4,
}
DECODERS = {"llama": (LlamaConfig, LlamaForCausalLM), "qwen3": (Qwen3Config, Qwen3ForCausalLM)}
every_decoder = pytest.mark.parametrize("kind", DECODERS)


def decoder(kind: str, layers: int) -> torch.nn.Module:
    """The same weights every time; the random generator is then at the same place too."""
    torch.manual_seed(3)
    config_class, model_class = DECODERS[kind]
    return model_class(config_class(**SIZES, num_hidden_layers=layers)).eval()
