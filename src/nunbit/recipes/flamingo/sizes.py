"""Sizes of a Flamingo, from configs alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from nunbit.connectors import build
from nunbit.encoders.vision import image_side_px
from nunbit.models.build import GATED
from nunbit.models.flamingo import CONFIG, VISION, is_flamingo_folder
from nunbit.recipes.sizes import measured_shape, open_configs
from nunbit.training.config import ModelConfig
from nunbit.training.planning import Sizes, count


def flamingo_sizes(config: ModelConfig, options: Mapping[str, Any]) -> Sizes:
    """Parameters by part and tokens of a picture.

    Args:
        options: sizes of resampler and blocks, for a new model.
    """
    from transformers import AutoModel, AutoModelForCausalLM

    vision, text, layer, fields = _base(config.base) if config.base else _new(config, options)
    shape = measured_shape(vision, layer, image_side_px(vision))
    widths = {"vision_width": shape.width, "text_width": text.hidden_size, "layers": text.num_hidden_layers}
    with torch.device("meta"):
        language = AutoModelForCausalLM.from_config(text)
        language.tie_weights()
        connector: Any = build(GATED, **(widths | {"image_token_id": 0} | fields))
        encoder = AutoModel.from_config(vision)
    parts = {"resampler": connector.resampler, "cross_attention": connector.blocks}
    counts = {"vision": count(encoder), "language": count(language)}
    counts |= {name: count(part) for name, part in parts.items()} | {"marker": text.hidden_size}
    return Sizes(counts, 1, connector.config.latents, shape.features, text)


def _new(config: ModelConfig, options: Mapping[str, Any]) -> tuple[Any, Any, int, dict[str, Any]]:
    vision, text, _ = open_configs(config)
    return vision, text, config.layer, dict(options)


def _base(folder: str) -> tuple[Any, Any, int, dict[str, Any]]:
    """(encoder's config, language model's, layer, fields of the connector) of a saved Flamingo, also of an old one."""
    from transformers import AutoConfig

    if is_flamingo_folder(folder):
        held = json.loads((Path(folder) / CONFIG).read_text(encoding="utf-8"))
        vision, text = AutoConfig.from_pretrained(f"{folder}/{VISION}"), AutoConfig.from_pretrained(folder)
        return vision, text, int(held["layer"]), dict(held["connector"])
    found = AutoConfig.from_pretrained(folder)
    fields = {k: v for k, v in found.connector.items() if k != "name"}
    return found.vision_config, found.text_config, found.vision_feature_layer, fields
