"""Which models the engine holds on its slots, which of them run by their own forward pass, why others are refused."""

from __future__ import annotations

from typing import Any

from nunbit.errors import UserError
from nunbit.models.composed import ComposedConfig
from nunbit.models.image_tokens import ANY_RESOLUTION

LLAVA_SHAPED = ("llava", ANY_RESOLUTION, ComposedConfig.model_type)
"""Types of which `nunbit.models.composed.embed` makes the sequence."""
NATIVE = (
    "aya_vision",
    "blip-2",
    "gemma3",
    "glm4v",
    "idefics2",
    "idefics3",
    "instructblip",
    "internvl",
    "llava_onevision",
    "mistral3",
    "paligemma",
    "qwen2_5_vl",
    "qwen2_vl",
    "qwen3_vl",
    "smolvlm",
    "vipllava",
)
"""Types that run by their own forward pass. `make compat` compares each with `generate`, token by token."""
SHORT, LONG = 1024, 4096
"""Tokens of a slot in the server: a LLaVA-NeXT picture of 336 px tiles takes up to 2,928."""
COUNTS_PATCHES = ("pixtral",)
"""Encoders whose features follow the picture's size; a native LLaVA with one runs by its own forward pass too."""


def is_native(config: Any) -> bool:
    """Whether a model of this config runs by its own forward pass (`nunbit.engine.native`)."""
    vision = getattr(getattr(config, "vision_config", None), "model_type", "")
    return config.model_type in NATIVE or (config.model_type == "llava" and vision in COUNTS_PATCHES)


def context_length(text_config: Any, length: int = 0) -> int:
    """Tokens a slot holds: the wanted length, at most the model's own; 4,096 where neither says."""
    own = getattr(text_config, "max_position_embeddings", None) or 0
    return min(length or own or 4096, own or length or 4096)


def server_length(config: Any) -> int:
    """Tokens of a slot where the server's user names none: room for one picture that takes thousands, for types whose
    pictures do; slots grow with what they hold, so a longer one costs nothing before it is used."""
    many = is_native(config) or config.model_type == ANY_RESOLUTION
    text = config.get_text_config()
    window = _window(text) if many else None
    return min(context_length(text, LONG if many else SHORT), window or LONG)


def _window(text: Any) -> int | None:
    """Tokens that a layer with a window attends to; None where no layer has one."""
    kinds = getattr(text, "layer_types", None) or ["sliding_attention"]  # without a list, all layers have it
    return getattr(text, "sliding_window", None) if "sliding_attention" in kinds else None


def unsupported(model: Any, length: int = 0) -> str:
    """Why slots cannot hold a model; empty for one that they can."""
    kind, text = model.config.model_type, model.config.get_text_config()
    if getattr(text, "is_encoder_decoder", False) or getattr(model.config, "is_encoder_decoder", False):
        return f"a model of type '{kind}', whose answers attend to an encoder of the question"
    pictures = hasattr(model.config, "vision_config") or "image" in getattr(model, "input_modalities", ())
    if pictures and kind not in (*LLAVA_SHAPED, *NATIVE):
        return f"a model of type '{kind}', which was not compared with `generate`"
    kinds = set(getattr(text, "layer_types", None) or ["full_attention"])
    if kinds - {"full_attention", "sliding_attention"}:
        return f"layers of kind {', '.join(sorted(kinds))}"
    window, slot = _window(text), context_length(text, length)
    if window and window < slot:
        return f"layers of kind sliding_attention, with a window of {window} tokens in slots of {slot}"
    return ""


def check_supported(model: Any, length: int = 0) -> None:
    """Refuse what slots cannot hold, rather than answer wrongly.

    Raises:
        UserError: names what does not fit.
    """
    if why := unsupported(model, length):
        raise UserError(
            why,
            allowed=f"{', '.join(sorted((*LLAVA_SHAPED, *NATIVE)))}, and language models with full attention, or a "
            "window of at least the slot",
            todo="ask it through `nunbit ask`, one question at a time",
        )
