"""The plan of the embedded model's stages: parameters on the meta device, tokens as the tasks pack them."""

from __future__ import annotations

from typing import Any

import torch

from nunbit.files import EMBEDDED
from nunbit.models.build import build_llava
from nunbit.models.object_aware import attach_connector
from nunbit.perception.cells import CELL_PX, DenseHeads
from nunbit.recipes.embedded import EmbeddedRecipe, StageShape, plan_embedded
from nunbit.recipes.tiny.names import class_names
from nunbit.recipes.tiny.oracle import OracleEncoder
from nunbit.recipes.tiny.sizes import PATCH_PX, TEXT_WIDTH, VISION_WIDTH, text_config, vision_config
from nunbit.recipes.tiny.stages import CRAYON, MIXER
from nunbit.training.planning import PlanReport, count
from nunbit.world.base import SIZE_PX

CELLS = (SIZE_PX // CELL_PX) ** 2
PATCHES = (SIZE_PX // PATCH_PX) ** 2 + 1
ORACLE_ROW, FULL_ROW, SCENE_ROW = 230, 400, 800
"""Tokens about a picture with its questions: where cells are left out, in full, and with Scene text (at most)."""

SHAPES = {
    "encoder": StageShape({"vision": PATCHES, "heads": CELLS}, ("vision", "heads")),
    "language": StageShape({"oracle": CELLS, "language": ORACLE_ROW}, ("oracle", "language")),
    "connect": StageShape(
        {"vision": PATCHES, "heads": CELLS, "connector": CELLS, "oracle": CELLS}, ("vision", "heads", "connector")
    ),
    "together": StageShape(
        {"vision": PATCHES, "heads": CELLS, "connector": CELLS, "oracle": CELLS, "language": FULL_ROW},
        ("vision", "heads", "connector", "language"),
    ),
    "scene_text": StageShape({"vision": PATCHES, "connector": CELLS, "language": SCENE_ROW}, ("language",)),
    "object_aware": StageShape(
        {"vision": PATCHES, "connector": CELLS, "crayon": CELLS, "moai": FULL_ROW, "language": FULL_ROW},
        ("crayon", "moai"),
    ),
}


def plan_tiny(config: EmbeddedRecipe, flops: float) -> PlanReport:
    """The plan of the stages that are run, with the vocabulary of the embedded model."""
    return plan_embedded(config, parameters(), SHAPES, CELLS, flops)


def parameters() -> dict[str, int]:
    """Parameters by part, of the model and of what is trained beside it."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(EMBEDDED)
    text, names = text_config(tokenizer), class_names()
    with torch.device("meta"):
        model = build_llava(vision_config(), text, tokenizer, image_size_px=SIZE_PX, patch_px=PATCH_PX)
        model.tie_weights()
        beside: dict[str, Any] = {
            "heads": DenseHeads(VISION_WIDTH, len(names)),
            "oracle": OracleEncoder(TEXT_WIDTH, len(names)),
            "crayon": attach_connector("crayon", CRAYON | {"classes": len(names) - 1}, model),
            "moai": attach_connector("moai", MIXER, model),
        }
    inner = model.model
    parts = {"vision": inner.vision_tower, "connector": inner.multi_modal_projector, "language": inner.language_model}
    return {name: count(part) for name, part in (parts | beside).items()}
