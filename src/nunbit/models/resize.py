"""The embedded model for smaller pictures: fewer cells a picture, so that many pictures fit into one context."""

from __future__ import annotations

import copy
import math
from typing import Any

from nunbit.errors import UserError

TABLE = "model.vision_tower.embeddings.position_embeddings"


def for_small_pictures(model: Any, processor: Any, side_px: int) -> tuple[Any, Any]:
    """A native LLaVA with a `dpt` encoder that takes pictures of ``side_px``: same weights, the corner of the table of
    places.

    The places are cut out, not stretched: neighbours stay as far apart as they were learned, on pictures drawn at the
        same scale.
    """
    import torch
    from transformers import LlavaForConditionalGeneration

    config = copy.deepcopy(model.config)
    vision = config.vision_config
    old, new = vision.image_size // vision.patch_size, side_px // vision.patch_size
    if side_px % vision.patch_size or not 1 <= new <= old:
        raise UserError(
            f"pictures of {side_px} pixels", allowed=f"multiples of {vision.patch_size} up to {vision.image_size}"
        )
    vision.image_size, config.image_seq_length = side_px, new * new
    vision.backbone_featmap_shape = [*vision.backbone_featmap_shape[:2], new, new]
    state = model.state_dict()
    table = state[TABLE]
    assert math.isqrt(table.shape[1] - 1) == old, "a class token, then a square of places"
    places = table[:, 1:].unflatten(1, (old, old))[:, :new, :new].flatten(1, 2)
    made = LlavaForConditionalGeneration(config)
    made.load_state_dict(state | {TABLE: torch.cat([table[:, :1], places], 1)})
    made.generation_config = copy.deepcopy(model.generation_config)
    processor = copy.deepcopy(processor)
    processor.image_processor.size = {"height": side_px, "width": side_px}
    return made.to(model.dtype).eval(), processor
