"""The sizes of a released CoLLaVO or MoAI checkpoint, from its config.json and the optional dims.json."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Self

from nunbit.models.internlm2_layers import InternLM2Config


@dataclass(frozen=True)
class Dims:
    """The sizes that config.json does not hold, named as in dims.json; the defaults are those of the 7B models."""

    vision_hidden: int = 1024
    vision_layers: int = 24
    vision_heads: int = 16
    vision_ffn: int = 4096
    vision_activation: str = "quick_gelu"
    vision_layer_norm_eps: float = 1e-5
    vision_patch: int = 14
    vision_image: int = 490
    plora_r: int = 256
    plora_alpha: float = 256
    image_token_id: int = 92544
    mixer_layers: tuple[int, ...] = (7, 15, 23, 31)
    latents: int = 64
    compressor_depth: int = 4
    compressor_heads: int = 4
    compressor_head_dim: int = 64
    compressor_ff_mult: int = 1
    expert_rank: int = 64
    expert_heads: int = 4
    semantic_rows: int = 134
    numbering_rows: int = 21

    @classmethod
    def read(cls, values: dict[str, Any]) -> Self:
        """The sizes in a dims.json; unknown keys are ignored."""
        flat = {k: v for k, v in values.items() if k in {f.name for f in fields(cls)}}
        names = {
            "depth": "compressor_depth",
            "heads": "compressor_heads",
            "dim_head": "compressor_head_dim",
            "num_latents": "latents",
            "ff_mult": "compressor_ff_mult",
        }
        flat |= {names[k]: v for k, v in values.get("compressor", {}).items() if k in names}
        flat |= {f"expert_{k}": v for k, v in values.get("expert", {}).items()}
        if "mixer_layers" in flat:
            flat["mixer_layers"] = tuple(flat["mixer_layers"])
        return cls(**flat)


def decoder_config(config: dict[str, Any], dims: Dims) -> InternLM2Config:
    """A released config.json as ours."""
    names = (
        "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
        "num_key_value_heads", "max_position_embeddings", "rms_norm_eps", "rope_theta", "initializer_range",
        "pad_token_id", "bos_token_id", "eos_token_id",
    )  # fmt: skip
    known = {n: config[n] for n in names if n in config}
    vocabulary = known.get("vocab_size", InternLM2Config.vocab_size)
    factor = float((config.get("rope_scaling") or {}).get("factor", 1.0))
    return InternLM2Config(
        **known,
        embedding_rows=max(vocabulary, dims.image_token_id + 1),
        plora_rank=dims.plora_r,
        plora_alpha=dims.plora_alpha,
        rope_factor=factor,
    )
