"""Sizes of a model that a recipe builds or opens, from configs alone: parameters on the meta device, tokens of a
picture from the connector."""

from __future__ import annotations

from typing import Any

import torch

from nunbit.connectors import CONNECTORS, ConnectorConfig, build
from nunbit.encoders.vision import FeatureShape, feature_shape, image_side_px
from nunbit.errors import UserError, unknown_name
from nunbit.models.build import GATED, connector_names, llava_config
from nunbit.models.image_tokens import ANY_RESOLUTION
from nunbit.models.language import load_tokenizer
from nunbit.models.tiling import most_tiled
from nunbit.training.config import ModelConfig, connector_options
from nunbit.training.multimodal import PARTS, part_of
from nunbit.training.planning import Sizes, count

WIDTHS = ("name", "vision_width", "text_width", "layers", "image_token_id")
"""Fields of a connector's config that follow from the two ends."""


def check_connector(config: ModelConfig) -> None:
    """Raise a UserError unless the connector is registered and has the options that are given."""
    if config.connector not in connector_names():
        raise unknown_name("connector", config.connector, connector_names())
    found: Any = getattr(CONNECTORS[config.connector], "config_class", ConnectorConfig)
    known = [name for name in found.__dataclass_fields__ if name not in WIDTHS]
    for key in connector_options(config.connector_options):
        if key not in known:
            raise unknown_name(f"option of the connector {config.connector}", key, known)
    if config.tiles and config.connector != "mlp":
        raise UserError(
            f"model.tiles with model.connector={config.connector}", allowed="the connector mlp, or no tiles"
        )
    if config.connector == "mlp" and "activation" in connector_options(config.connector_options):
        raise UserError(
            "the connector option 'activation'", allowed="model.activation", todo="write: model.activation=NAME"
        )


def open_configs(config: ModelConfig) -> tuple[Any, Any, Any]:
    """(encoder's config, language model's with a row for every token, tokenizer) of the two parts of a new model."""
    from transformers import AutoConfig

    vision, text = AutoConfig.from_pretrained(config.vision), AutoConfig.from_pretrained(config.llm)
    tokenizer = load_tokenizer(config.llm)
    text.vocab_size = max(text.vocab_size, len(tokenizer))
    return getattr(vision, "vision_config", vision), text, tokenizer


def text_config(config: ModelConfig) -> Any:
    """Config of the language model."""
    from transformers import AutoConfig

    found = AutoConfig.from_pretrained(config.base or config.llm)
    return getattr(found, "text_config", found)


def llava_sizes(config: ModelConfig) -> Sizes:
    """Sizes of a LLaVA, a LLaVA-NeXT or a composed model. A picture that may be tiled counts with as many tiles as it
    can have."""
    from transformers import AutoConfig

    if config.base:
        found = AutoConfig.from_pretrained(config.base)
        return native_sizes(found, found.vision_config)
    vision, text, tokenizer = open_configs(config)
    side = image_side_px(vision, config.vision)
    shape = measured_shape(vision, config.layer, side)
    if config.connector == "mlp" and not shape.convolutional:
        found = llava_config(vision, text, tokenizer, config.layer, config.activation, shape, config.tiles)
        return native_sizes(found, vision, shape)
    return composed_sizes(config, vision, text, shape)


def measured_shape(vision: Any, layer: int, side_px: int) -> FeatureShape:
    """Features of an encoder, measured on the meta device: no weight is made."""
    from transformers import AutoModel

    with torch.device("meta"):
        encoder = AutoModel.from_config(vision)
    return feature_shape(encoder.eval(), layer, side_px)


def native_sizes(config: Any, vision: Any, shape: FeatureShape | None = None) -> Sizes:
    """Sizes of the model that transformers builds of a config.

    Args:
        shape: features of the encoder; by its picture and patch size if not given.
    """
    from transformers import AutoModelForImageTextToText

    if config.model_type == ANY_RESOLUTION:
        tokens, tiles = most_tiled(config)
    else:
        tokens, tiles = int(config.image_seq_length), 1
    with torch.device("meta"):
        model = AutoModelForImageTextToText.from_config(config)
        model.tie_weights()
    counts = dict.fromkeys(PARTS, 0)
    for name, p in model.named_parameters():
        counts[part_of(name)] += p.numel()
    grid = shape.features if shape else (vision.image_size // vision.patch_size) ** 2
    return Sizes(counts, tokens, tokens, tiles * grid, config.get_text_config())


def composed_sizes(config: ModelConfig, vision: Any, text: Any, shape: FeatureShape) -> Sizes:
    """Sizes of a `nunbit.models.composed.ComposedModel`."""
    from transformers import AutoModel, AutoModelForCausalLM

    values = {"vision_width": shape.width, "text_width": text.hidden_size} | connector_options(config.connector_options)
    gated = config.connector == GATED
    if gated:
        values |= {"layers": text.num_hidden_layers, "image_token_id": 0}
    with torch.device("meta"):
        connector: Any = build(config.connector, **values)
        language = AutoModelForCausalLM.from_config(text)
        language.tie_weights()
        encoder = AutoModel.from_config(vision)
    marker = text.hidden_size if gated else 0
    counts = {"vision": count(encoder), "connector": count(connector) + marker, "language": count(language)}
    tokens = 1 if gated else connector.tokens(shape.features, shape.grid)
    joined = connector.config.latents if gated else tokens
    return Sizes(counts, tokens, joined, shape.features, text)
