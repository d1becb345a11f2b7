"""Flamingo folders of versions before 0.2: a language model with ``vision/``, ``flamingo.json`` and
``flamingo.safetensors`` beside it.

They open as a `ComposedModel` with gated cross-attention, which is how such models are made and saved today.
Source: Flamingo, arXiv 2204.14198, sec. 2; OpenFlamingo, arXiv 2308.01390, sec. 3.1.
"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from nunbit.connectors import build
from nunbit.encoders.vision import feature_shape, image_side_px
from nunbit.errors import UserError
from nunbit.models.build import GATED, join_composed
from nunbit.models.shapes import check_shapes

CONFIG, WEIGHTS, VISION = "flamingo.json", "flamingo.safetensors", "vision"


def is_flamingo_folder(folder: str | Path) -> bool:
    """Whether a Flamingo of an old version lies in the folder."""
    return (Path(folder) / CONFIG).is_file()


def open_flamingo_folder(folder: str | Path, device: str = "cpu") -> tuple[Any, Any]:
    """Model and processor of such a folder: weights only, no remote code.

    Raises:
        UserError: a damaged file, or parts of different models.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file
    from transformers import AutoModel, AutoModelForCausalLM, AutoProcessor

    folder = Path(folder)
    try:
        settings, kept = json.loads((folder / CONFIG).read_text(encoding="utf-8")), load_file(folder / WEIGHTS)
        fields = dict(settings["connector"])
        sizes = {k: v for k, v in fields.items() if k != "image_token_id"}
        check_shapes(kept, "the connector", sizes, partial(_connector_parts, fields))
        processor = AutoProcessor.from_pretrained(folder)
        vision, text = AutoModel.from_pretrained(folder / VISION), AutoModelForCausalLM.from_pretrained(folder)
        layer, options = int(settings["layer"]), {k: v for k, v in fields.items() if not k.endswith("_width")}
        shape = feature_shape(vision, layer, image_side_px(vision.config))
        model = join_composed(vision, text, processor.tokenizer, GATED, options, layer, shape)
        model.generation_config = text.generation_config
        for name, part in gated_parts(model).items():
            part.load_state_dict({k.removeprefix(f"{name}."): v for k, v in kept.items() if k.startswith(f"{name}.")})
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, SafetensorError) as e:
        raise UserError(
            f"the Flamingo '{folder}' cannot be opened ({type(e).__name__}: {str(e)[:160]})",
            allowed=f"a folder with {CONFIG}, {WEIGHTS} and {VISION}/ as nunbit wrote it",
            todo="train or copy it again",
        ) from None
    return model.eval().to(device), processor


def gated_parts(model: Any) -> dict[str, nn.Module]:
    """What learns of a model with gated cross-attention, by part: the resampler, the gated blocks, the row of the image
    token."""
    marker = nn.ParameterDict({"image": model.model.image_marker})
    parts = {"resampler": model.connector.resampler, "cross_attention": model.connector.blocks, "marker": marker}
    return {name: part for name, part in parts.items() if part is not None}


def _connector_parts(fields: dict[str, Any]) -> dict[str, nn.Module]:
    with torch.device("meta"):
        made: Any = build(GATED, **fields)
    parts = {"resampler": made.resampler, "cross_attention": made.blocks}
    return {name: part for name, part in parts.items() if part is not None}
