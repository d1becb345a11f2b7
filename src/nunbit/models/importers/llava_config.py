"""What the config.json beside an original LLaVA's weights says: the parts it was made of, and the layer it reads.

A setting under which the native type would compute something else is refused; the weights would fit all the same.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nunbit.errors import UserError

ADAPTER = "adapter_config.json"


@dataclass(frozen=True, slots=True)
class LlavaSettings:
    """Of a checkpoint's config.json, or what is usual where there is none.

    Attributes:
        layer: hidden state of the encoder that the projector reads.
        vision: name of the encoder; llm: name of an adapter's base; empty where no file says.
    """

    layer: int = -2
    vision: str = ""
    llm: str = ""


def read_settings(checkpoint: Path) -> LlavaSettings:
    """Read config.json and adapter_config.json beside the weights.

    Raises:
        UserError: damaged files, or a setting that the native type does not have.
    """
    folder = checkpoint if checkpoint.is_dir() else checkpoint.parent
    config, adapter = _held(folder / "config.json"), _held(folder / ADAPTER)
    _check(config, folder / "config.json")
    layer = config.get("mm_vision_select_layer", config.get("vision_feature_layer", -2))
    if not isinstance(layer, int) or isinstance(layer, bool):
        raise UserError(
            f"a projector that reads the layers {str(layer)[:60]}", allowed="one layer", todo="use its own code"
        )
    vision, llm = config.get("mm_vision_tower", ""), adapter.get("base_model_name_or_path", "")
    return LlavaSettings(layer, vision if isinstance(vision, str) else "", llm if isinstance(llm, str) else "")


def _check(config: dict[str, Any], file: Path) -> None:
    merge = config.get("mm_patch_merge_type", "flat")
    odd = {
        "mm_patch_merge_type": merge if str(merge).startswith("spatial") else None,
        "mm_vision_select_feature": "cls_patch" if config.get("mm_vision_select_feature") == "cls_patch" else None,
        "mm_use_im_start_end": config.get("mm_use_im_start_end") or None,
        "s2": config.get("s2") or None,
    }
    found = [f"{k}: {v}" for k, v in odd.items() if v is not None]
    if found:
        raise UserError(
            f"'{file}' says {', '.join(found)}",
            allowed="LLaVA-1.5: one square picture, its patches alone",
            todo="take the model's version for transformers (llava-hf), which --model opens as it is",
        )


def _held(file: Path) -> dict[str, Any]:
    if not file.is_file():
        return {}
    try:
        held = json.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as e:
        raise UserError(f"'{file}' cannot be read ({type(e).__name__})", allowed="a JSON object") from None
    if not isinstance(held, dict):
        raise UserError(f"'{file}' cannot be read ({type(held).__name__})", allowed="a JSON object")
    return held
