"""A vision encoder's folder, a connector's name and a language model's folder -> one model with its processor. No code
for any pair.

Linear and MLP connectors over patch encoders become the native `llava` (with tiles `llava_next`) of transformers, which
any tool opens;
other compositions are a `ComposedModel`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from nunbit.connectors import CONNECTORS, build
from nunbit.connectors.base import TokenConnector
from nunbit.encoders.vision import (
    FeatureShape,
    feature_shape,
    image_normalization,
    image_side_px,
    load_vision_encoder,
)
from nunbit.errors import UserError, unknown_name
from nunbit.models.composed import ComposedConfig, ComposedModel
from nunbit.models.language import load_language_model, set_end_tokens
from nunbit.models.processors import fixed_count_processor, llava_processor
from nunbit.models.prompt import IMAGE
from nunbit.models.tiling import pinpoints

GATED = "gated_cross_attention"
BLOCK_EVERY = 4
"""Decoder layers from one gated block to the next where the options name no number."""


def connector_names() -> list[str]:
    """Connectors that a model can be composed with."""
    return sorted(n for n in CONNECTORS if issubclass(CONNECTORS[n], TokenConnector)) + [GATED]


def build_model(
    vision: str | Path,
    llm: str | Path,
    *,
    connector: str = "mlp",
    options: Mapping[str, Any] | None = None,
    layer: int = -2,
    tiles: str = "",
) -> tuple[Any, Any]:
    """Model and processor: the connector is fresh, the two ends are as in their folders.

    Args:
        vision, llm: folders or hub ids.
        connector: one of `connector_names`.
        options: fields of the connector's config, without the widths.
        layer: hidden state of the encoder that the connector reads. LLaVA-1.5 (arXiv 2310.03744) takes the last but
            one.
        tiles: arrangements of an any-resolution model (`nunbit.models.tiling.NEXT`); none: one square.

    Raises:
        UserError: a part that does not open or does not fit.
    """
    if connector not in connector_names():
        raise unknown_name("connector", connector, connector_names())
    tokenizer, text = load_language_model(llm)
    encoder = load_vision_encoder(vision)
    side = image_side_px(encoder.config, vision)
    shape = feature_shape(encoder, layer, side)
    if tiles and (connector != "mlp" or shape.convolutional or shape.extra > 1):
        raise UserError(
            f"tiles with the connector '{connector}' and the encoder '{encoder.config.model_type}'",
            allowed="the connector mlp and an encoder of patches with at most one other token",
            todo="name another encoder, or model.tiles=",
        )
    mean, std = image_normalization(vision)
    if connector == "mlp" and not shape.convolutional and tuple(shape.grid) == _patch_grid(encoder.config, side):
        activation = dict(options or {}).get("activation", "gelu")
        config = llava_config(encoder.config, text.config, tokenizer, layer, activation, shape, tiles)
        model = join_llava(encoder, text, config)
        processor = llava_processor(tokenizer, encoder.config, shape.extra, mean, std, tiles=tiles)
    else:
        model = join_composed(encoder, text, tokenizer, connector, options or {}, layer, shape)
        processor = fixed_count_processor(tokenizer, side, model.config.image_seq_length, mean, std)
    set_end_tokens(model.generation_config, tokenizer, processor.chat_template)
    return model.eval(), processor


def join_composed(
    encoder: Any,
    text: Any,
    tokenizer: Any,
    connector: str,
    options: Mapping[str, Any],
    layer: int,
    shape: FeatureShape,
) -> ComposedModel:
    """The two models themselves (not copies) and a fresh connector as one `ComposedModel`."""
    image_id = int(tokenizer.convert_tokens_to_ids(IMAGE))
    values = {"vision_width": shape.width, "text_width": text.config.hidden_size} | dict(options)
    if connector == GATED:
        layers = text.config.num_hidden_layers
        values |= {"layers": layers, "image_token_id": image_id}
        values.setdefault("every", min(BLOCK_EVERY, layers))
    module: Any = build(connector, **values)
    head = text.get_output_embeddings()
    config = ComposedConfig(
        vision_config=encoder.config,
        text_config=text.config,
        connector={"name": connector} | values,
        image_token_id=image_id,
        image_seq_length=1 if connector == GATED else module.tokens(shape.features, shape.grid),
        vision_feature_layer=layer,
        vision_extra_tokens=shape.extra,
        vision_grid=shape.grid,
        head_bias=getattr(head, "bias", None) is not None,
        tie_word_embeddings=bool(getattr(text.config, "tie_word_embeddings", False)),
    )
    with torch.device("meta"):
        model = ComposedModel(config)
    language = getattr(text, text.base_model_prefix)
    model.model.vision_tower, model.model.language_model = encoder, language
    model.model.multi_modal_projector, model.lm_head = module, head
    if connector == GATED:
        with torch.no_grad():  # as the table gives it: some models scale their rows
            row = language.get_input_embeddings()(torch.tensor([image_id], device=encoder.device))[0]
        model.model.image_marker = torch.nn.Parameter(row.clone())
        module.attach(language)
    assert not any(p.is_meta for p in model.parameters())
    return model


def join_llava(encoder: Any, text: Any, config: Any) -> Any:
    """The two models themselves (not copies) in one native model of that config; only the connector is new."""
    from transformers import AutoModelForImageTextToText

    with torch.device("meta"):
        model = AutoModelForImageTextToText.from_config(config)
    width, out = encoder.config.hidden_size, text.config.hidden_size
    model.model.vision_tower, model.model.language_model = encoder, getattr(text, text.base_model_prefix)
    model.lm_head = text.get_output_embeddings()
    projector = model.model.multi_modal_projector
    projector.linear_1, projector.linear_2 = torch.nn.Linear(width, out), torch.nn.Linear(out, out)
    if hasattr(model.model, "image_newline"):
        model.model.image_newline = torch.nn.Parameter(torch.randn(out) / out**0.5)
    assert not any(p.is_meta for p in model.parameters())
    return model


def llava_config(
    vision: Any, text: Any, tokenizer: Any, layer: int, activation: str, shape: FeatureShape, tiles: str = ""
) -> Any:
    """The native config: of a LLaVA, or with ``tiles`` of a LLaVA-NeXT."""
    from transformers import LlavaConfig, LlavaNextConfig

    values = dict(
        vision_config=vision,
        text_config=text,
        image_token_index=tokenizer.convert_tokens_to_ids(IMAGE),
        projector_hidden_act=activation,
        vision_feature_layer=layer,
        # Native LLaVAs leave out one class token at the most; register tokens are shown.
        image_seq_length=shape.features + max(shape.extra - 1, 0),
        vision_feature_select_strategy="default" if shape.extra else "full",
        tie_word_embeddings=bool(getattr(text, "tie_word_embeddings", False)),
    )
    if not tiles:
        return LlavaConfig(**values)
    return LlavaNextConfig(**values, image_grid_pinpoints=pinpoints(tiles, image_side_px(vision)))


def build_llava(
    vision: Any, text: Any, tokenizer: Any, *, activation: str = "gelu", image_size_px: int, patch_px: int
) -> Any:
    """A native LLaVA from configs or models, with a class token left out and the last hidden state shown.

    Args:
        vision: vision encoder, or its config; its hidden states are ``(B, 1 + N, Dv)`` with a class token first.
        text: causal language model, or its config.
        tokenizer: holds the ``<image>`` token.
        activation: between the connector's two layers.
        image_size_px, patch_px: sides of the picture and of a patch.
    """
    from transformers import LlavaForConditionalGeneration

    side = image_size_px // patch_px
    shape = FeatureShape(getattr(vision, "config", vision).hidden_size, (side, side), extra=1)
    config = llava_config(
        getattr(vision, "config", vision), getattr(text, "config", text), tokenizer, -1, activation, shape
    )
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


def linear_as_llava(model: ComposedModel) -> Any:
    """A `ComposedModel` with a linear connector as a native LLaVA of equal outputs: no activation, and an identity as
    its second layer."""
    inner, old = model.model, model.config
    shape = FeatureShape(old.vision_config.hidden_size, tuple(old.vision_grid), old.vision_extra_tokens)
    from transformers import LlavaConfig, LlavaForConditionalGeneration

    config = LlavaConfig(
        vision_config=old.vision_config,
        text_config=old.text_config,
        image_token_index=old.image_token_id,
        projector_hidden_act="linear",
        vision_feature_layer=old.vision_feature_layer,
        image_seq_length=shape.features,
        vision_feature_select_strategy="default" if shape.extra else "full",
        tie_word_embeddings=old.tie_word_embeddings,
    )
    with torch.device("meta"):
        native = LlavaForConditionalGeneration(config)
    first, width = inner.multi_modal_projector.linear, old.text_config.hidden_size
    second = torch.nn.Linear(width, width, device=first.weight.device, dtype=first.weight.dtype)
    with torch.no_grad():
        torch.nn.init.eye_(second.weight)
        second.bias.zero_()
    native.model.vision_tower, native.model.language_model = inner.vision_tower, inner.language_model
    native.model.multi_modal_projector.linear_1, native.model.multi_modal_projector.linear_2 = first, second
    native.lm_head, native.generation_config = model.lm_head, model.generation_config
    return native


def fits_llava(model: Any) -> bool:
    """Whether `linear_as_llava` can hold the model."""
    if not isinstance(model, ComposedModel) or model.config.connector.get("name") != "linear":
        return False
    vision, config = model.config.vision_config, model.config
    grid = _patch_grid(vision, getattr(vision, "image_size", 0))
    return config.vision_extra_tokens <= 1 and tuple(config.vision_grid) == grid and not config.head_bias


def _patch_grid(config: Any, side_px: Any) -> tuple[int, int] | None:
    """Rows and columns of a patch encoder's features; None of another encoder."""
    patch = getattr(config, "patch_size", None)
    if not isinstance(patch, int) or not isinstance(side_px, int):
        return None
    return side_px // patch, side_px // patch
