"""LoRA and QLoRA through peft: adapters on the language model, the connector always inside the adapter's folder,
merging with a check.

An adapter's folder opens with plain peft on its base. Source: LoRA, arXiv 2106.09685; QLoRA, arXiv 2305.14314.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nunbit.encoders.vision import image_side_px
from nunbit.errors import UserError, unknown_name
from nunbit.models.checkpoint import open_model, save
from nunbit.models.image_tokens import ANY_RESOLUTION, image_tokens
from nunbit.models.precision import quantization
from nunbit.models.tiling import tile_grid
from nunbit.training.config import LoraConfig
from nunbit.training.distributed import own_device
from nunbit.training.multimodal import PARTS, part_of
from nunbit.training.sharding import mark_from_file

CONNECTOR = "multi_modal_projector"
TOLERANCE = 1e-3


def targets(model: Any, parts: Sequence[str] = ("language",)) -> str:
    """A pattern for the linear layers of the named parts, whatever the architecture calls them. Heads and the connector
    are left out."""
    from torch import nn
    from transformers.pytorch_utils import Conv1D

    for part in parts:
        if part not in PARTS or part == "connector":
            raise unknown_name("part for adapters", part, [p for p in PARTS if p != "connector"])
    linear = {
        (PARTS[part_of(name + ".")][0], name.rsplit(".", 1)[-1])
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear | Conv1D) and name != "lm_head" and part_of(name + ".") in parts
    }
    by_part = {head: sorted(leaf for h, leaf in linear if h == head) for head, _ in linear}
    return "|".join(
        f"{re.escape(head)}.*\\.(?:{'|'.join(map(re.escape, leaves))})" for head, leaves in sorted(by_part.items())
    )


def add_lora(model: Any, lora: LoraConfig, parts: Sequence[str] = ("language",), *, connector: bool = True) -> Any:
    """Put a named adapter on a model, or another one beside those it has.

    Args:
        connector: a copy of the connector learns with it in full. Two adapters that are active together cannot have
            one.
    """
    import peft
    from peft import PeftModel, get_peft_model

    base = model.get_base_model() if isinstance(model, PeftModel) else model
    if isinstance(model, PeftModel):
        pattern: Any = vars(model.peft_config[model.active_adapters[0]])["target_modules"]
    else:
        pattern = targets(base, parts)
    config = peft.LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=pattern,
        modules_to_save=[CONNECTOR] if connector else None,
    )
    if isinstance(model, PeftModel):
        model.add_adapter(lora.name, config)
        model.set_adapter(lora.name)
        return model
    return get_peft_model(base, config, adapter_name=lora.name)


def learn(model: Any, rates: Mapping[str, float]) -> None:
    """Freeze the base; the active adapters' low-rank weights and copies of the connector learn where their part has a
    rate.

    Two at once (dual QLoRA) are made active by ``model.base_model.set_adapter([one, other])``.
    """
    active = {f".{name}." for name in model.active_adapters}
    for name, p in model.get_base_model().named_parameters():
        own = any(a in name for a in active) and (".lora_" in name or f"{CONNECTOR}.modules_to_save" in name)
        p.requires_grad_(own and rates.get(part_of(name), 0.0) > 0)


def save_adapter(model: Any, processor: Any, folder: str | Path, state: dict[str, Any] | None = None) -> None:
    """Every adapter of the model with its connector, and the processor beside them: all that is needed but the base."""
    folder = Path(folder)
    model.save_pretrained(folder, state_dict=state)
    processor.save_pretrained(folder)


def open_base(folder: str | Path, bits: int = 0, device: str = "cpu", stored_type: bool = False) -> Any:
    """A native model; with ``bits=4`` the language model's linear layers in NF4, the rest as it is.

    Args:
        device: of the run; with 4 bits the model is opened on this process's card, which computes in bfloat16.
        stored_type: weights stay in their files and of their type, until the model is sharded.
    """
    if bits not in (0, 4):
        raise UserError(f"lora.bits={bits}", allowed="0 (none), 4")
    if bits == 0:
        model = open_model(folder, dtype="auto" if stored_type else None)[0]
        if not stored_type:
            return model.float()
        mark_from_file(model)
        return model
    import torch
    from transformers import AutoModelForImageTextToText

    cuda = torch.device(device).type == "cuda"
    config = quantization(bits, torch.bfloat16 if cuda else torch.float32)
    return AutoModelForImageTextToText.from_pretrained(
        folder, quantization_config=config, device_map={"": own_device(device)}, dtype=torch.float32
    )


def base_of(folder: str | Path) -> Path:
    """The base that an adapter's folder names."""
    try:
        held = json.loads((Path(folder) / "adapter_config.json").read_text(encoding="utf-8"))
        return Path(held["base_model_name_or_path"])
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(
            f"'{folder}' is not an adapter's folder",
            allowed="a folder with adapter_config.json",
            todo="name the folder of one adapter (named adapters lie in folders of their own)",
        ) from None


def open_adapter(folder: str | Path, base: str | Path | None = None, bits: int = 0) -> Any:
    """The base with the adapter on it."""
    from peft import PeftModel

    return PeftModel.from_pretrained(open_base(base or base_of(folder), bits), str(folder)).eval()


def merge(adapter: str | Path, out: str | Path, base: str | Path | None = None) -> float:
    """Fold an adapter into its base, save the result in its native form, open it again and compare.

    Returns:
        The largest difference of a logit between base with adapter and the saved model.

    Raises:
        UserError: the difference is above 1e-3.
    """
    from transformers import AutoProcessor

    if Path(out).exists() and any(Path(out).iterdir()):
        raise UserError(f"'{out}' is not empty", allowed="a new folder", todo="name another one")
    model = open_adapter(adapter, base)
    held = adapter if (Path(adapter) / "processor_config.json").exists() else Path(adapter).parent
    found = held if (Path(held) / "processor_config.json").exists() else base or base_of(adapter)
    before = probe(model)
    save(model.merge_and_unload(), AutoProcessor.from_pretrained(found), out)
    gap = float((probe(open_model(out)[0]) - before).abs().max())
    if not gap <= TOLERANCE:
        raise UserError(
            f"the merged model's logits differ by {gap:.2e}",
            allowed=f"at most {TOLERANCE:.0e}",
            todo="do not use it; was the base changed since the adapter was trained?",
        )
    return gap


def probe(model: Any) -> Any:
    """Logits (2, T, V) on two fixed rows of a noise picture and arbitrary words."""
    import torch

    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    config, rng = base.config, torch.Generator().manual_seed(0)
    side = image_side_px(config.vision_config)
    shape, sizes = [2, 3, side, side], dict[str, Any]()
    if config.model_type == ANY_RESOLUTION:
        rows, columns = tile_grid(config, (side, side))
        shape, sizes = [2, 1 + rows * columns, 3, side, side], {"image_sizes": torch.full((2, 2), side)}
    words = torch.randint(0, min(config.text_config.vocab_size, config.image_token_id), (2, 24), generator=rng)
    picture = torch.full((2, image_tokens(config, (side, side))), config.image_token_id)
    ids = torch.cat([words[:, :2], picture, words[:, 2:]], 1)
    with torch.no_grad():
        return base(
            input_ids=ids,
            pixel_values=torch.randn(*shape, generator=rng),
            **sizes,
            attention_mask=torch.ones_like(ids),
        ).logits
