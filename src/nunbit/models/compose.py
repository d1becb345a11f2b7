"""Composing a multimodal model from a vision encoder, a connector and a causal LM, all of Hugging Face shape.

LLaVA-shaped compositions (linear or two-layer MLP connector) are the *native* `llava` type of transformers: they are saved so
that any Hugging Face tool opens them. Source: LLaVA, arXiv 2304.08485; LLaVA-1.5, arXiv 2310.03744, sec. 3.2.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from nunbit.errors import UserError
from nunbit.files import disk_errors, whole_folder
from nunbit.media.images import picture_size_px
from nunbit.models.tiling import tiled_tokens

ANY_RESOLUTION = "llava_next"


def image_tokens(config: Any, size_px: tuple[int, int] | None = None) -> int:
    """How many tokens one picture becomes: the one counter that processor and model share (tests hold both to it).

    Args:
        size_px: height and width of the picture. LLaVA scales every picture to one square and needs none; LLaVA-NeXT does.
    """
    if config.model_type != ANY_RESOLUTION:
        return int(config.image_seq_length)
    assert size_px is not None, "the count of an any-resolution model depends on the picture"
    return tiled_tokens(config, size_px)


def file_tokens(config: Any) -> int | Callable[[Path], int]:
    """`image_tokens` of picture files: a number where they all have the same, so that no file need be opened."""
    if config.model_type != ANY_RESOLUTION:
        return image_tokens(config)
    return lambda path: image_tokens(config, picture_size_px(path))


def compose_llava(
    vision: Any, text: Any, tokenizer: Any, *, activation: str = "gelu", image_size_px: int, patch_px: int
) -> Any:
    """Compose a native LLaVA.

    Args:
        vision: vision encoder, or its config; its hidden states must be ``(B, 1 + N, Dv)`` with a class token first.
        text: causal LM, or its config.
        tokenizer: holds the ``<image>`` token.
        activation: between the connector's two layers.
    """
    from transformers import LlavaConfig, LlavaForConditionalGeneration

    side = image_size_px // patch_px
    config = LlavaConfig(
        vision_config=getattr(vision, "config", vision), text_config=getattr(text, "config", text),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"), projector_hidden_act=activation,
        vision_feature_layer=-1, vision_feature_select_strategy="default", image_seq_length=side * side,
        tie_word_embeddings=bool(getattr(getattr(text, "config", text), "tie_word_embeddings", False)),
    )  # fmt: skip
    model = LlavaForConditionalGeneration(config)
    if hasattr(vision, "state_dict"):
        model.model.vision_tower.load_state_dict(vision.state_dict())
    if hasattr(text, "state_dict"):
        model.model.language_model.load_state_dict(text.model.state_dict())
        model.lm_head.load_state_dict(text.lm_head.state_dict())
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.bos_token_id = tokenizer.bos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    return model


def make_processor(tokenizer: Any, *, image_size_px: int, patch_px: int) -> Any:
    """The `LlavaProcessor` that goes with `compose_llava`: pictures are scaled to a square and normalised to -1 .. 1."""
    from transformers import CLIPImageProcessor, LlavaProcessor

    images = CLIPImageProcessor(
        do_resize=True, size={"height": image_size_px, "width": image_size_px}, do_center_crop=False, resample=3,
        image_mean=[0.5] * 3, image_std=[0.5] * 3, do_convert_rgb=True,
    )  # fmt: skip
    return LlavaProcessor(
        image_processor=images, tokenizer=tokenizer, patch_size=patch_px, vision_feature_select_strategy="default",
        num_additional_image_tokens=1, chat_template=tokenizer.chat_template, image_token="<image>",
    )  # fmt: skip


def picture_tokens(model: Any, pixels: Any, learning: bool = False, sizes: Any = None) -> Any:
    """(P, 3, H, W) -> the connector's tokens (P, N, D) of a native LLaVA; without a graph behind an encoder that is not ``learning``.

    Of an any-resolution model, tiles (P, K, 3, H, W) of pictures of ``sizes`` (P, 2) -> all tokens in order (sum of N, D).
    """
    import torch

    config, inner = model.config, model.model
    if config.model_type == ANY_RESOLUTION:
        return torch.cat(inner.get_image_features(pixels.to(inner.vision_tower.dtype), sizes).pooler_output)
    with torch.set_grad_enabled(learning and torch.is_grad_enabled()):
        hidden = inner.vision_tower(pixels.to(inner.vision_tower.dtype), output_hidden_states=True).hidden_states
    layers = config.vision_feature_layer
    chosen = [hidden[i] for i in ([layers] if isinstance(layers, int) else layers)]
    first = 1 if config.vision_feature_select_strategy == "default" else 0
    return inner.multi_modal_projector(torch.cat([h[:, first:] for h in chosen], -1))


def save(model: Any, processor: Any, folder: str | Path, state: dict[str, Any] | None = None) -> None:
    """Save so that `AutoModelForImageTextToText` and `AutoProcessor` open the folder; ``state`` in place of the model's own tensors."""
    with disk_errors(folder):
        model.save_pretrained(folder, state_dict=state)
    processor.save_pretrained(folder)


def save_new(model: Any, processor: Any, folder: Path) -> None:
    """`save`, whole or not at all."""
    with whole_folder(folder) as aside:
        save(model, processor, aside)


def open_native(folder: str | Path, device: str = "cpu") -> tuple[Any, Any]:
    """Open any image-text-to-text model of transformers with its processor: weights only, no remote code."""
    from transformers import AutoModelForImageTextToText, AutoProcessor

    try:
        processor = AutoProcessor.from_pretrained(folder)
        model = AutoModelForImageTextToText.from_pretrained(folder)
    except (OSError, ValueError, KeyError) as e:
        raise UserError(
            f"the model '{folder}' cannot be opened ({str(e).splitlines()[0][:200]})",
            allowed="a folder or hub id of an image-text-to-text model of transformers",
            todo="check the path; without a network only local folders can be opened",
        ) from None
    return model.eval().to(device), processor
