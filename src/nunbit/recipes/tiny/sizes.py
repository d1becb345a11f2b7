"""The sizes of the embedded model and how its parts are initialised.

Vision: a hybrid encoder (convolutional stages to stride 16, then a few transformer layers), transformers' own `dpt`
hybrid, because convolutions learn from far fewer pictures than a plain ViT. Language: a small SmolLM3 (a Llama with
layers that ignore positions). Connector: LLaVA-1.5's MLP.
"""

from __future__ import annotations

from typing import Any

from nunbit.world.base import SIZE_PX

PATCH_PX = 16
VISION_WIDTH, TEXT_WIDTH = 192, 192


def vision_config() -> Any:
    """Config of the vision encoder."""
    from transformers import DPTConfig

    backbone = dict(
        model_type="bit",
        embedding_size=32,
        hidden_sizes=[48, 96, 192],
        depths=[1, 1, 2],
        layer_type="bottleneck",
        num_groups=8,
        global_padding="same",
        embedding_dynamic_padding=True,
        out_features=["stage1", "stage2", "stage3"],
    )
    return DPTConfig(
        hidden_size=VISION_WIDTH,
        num_hidden_layers=3,
        num_attention_heads=6,
        intermediate_size=768,
        image_size=SIZE_PX,
        patch_size=PATCH_PX,
        is_hybrid=True,
        backbone_out_indices=[0, 1, 2, 2],
        neck_ignore_stages=[0, 1],
        backbone_featmap_shape=[1, 192, SIZE_PX // PATCH_PX, SIZE_PX // PATCH_PX],
        backbone_config=backbone,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )


def text_config(tokenizer: Any) -> Any:
    """SmolLM3's shape: every second layer has no rotary positions, so that a word can find its cell however far away it
    stands."""
    from transformers import SmolLM3Config

    return SmolLM3Config(
        vocab_size=len(tokenizer),
        hidden_size=TEXT_WIDTH,
        intermediate_size=512,
        num_hidden_layers=6,
        num_attention_heads=6,
        num_key_value_heads=6,
        max_position_embeddings=1024,
        tie_word_embeddings=True,
        no_rope_layers=[1, 0, 1, 0, 1, 0],
        use_sliding_window=False,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


def init_language(language: Any) -> None:
    """Initialise word rows at size 1, the last norm as much smaller, and matrices so that they keep a vector's size.

    At the usual 0.02 the words, and the cells that are written in them, are lost under what the first layer adds, and
    no later layer can read the picture.
    """
    import torch
    from torch import nn

    width = language.config.hidden_size
    nn.init.normal_(language.embed_tokens.weight, std=1.0)
    nn.init.constant_(language.norm.weight, width**-0.5)
    for layer in language.layers:
        for name, linear in layer.named_modules():
            if isinstance(linear, torch.nn.Linear):
                out = name.endswith(("o_proj", "down_proj"))
                nn.init.normal_(linear.weight, std=(0.3 if out else 0.7) * linear.in_features**-0.5)


def match_by_likeness(language: Any) -> None:
    """Start each head of the layers without positions with equal, orthonormal query and key projections: a token then
    attends to tokens that are like itself. Training moves both."""
    import torch

    for layer in (layer for layer in language.layers if not layer.self_attn.use_rope):
        a, size = layer.self_attn, layer.self_attn.head_dim
        for start in range(0, a.q_proj.out_features, size):
            same = torch.linalg.qr(torch.randn(a.q_proj.in_features, size))[0].T
            a.q_proj.weight.data[start : start + size] = same
            a.k_proj.weight.data[start : start + size] = same
