"""LLaVA checkpoints of LoRA alone -> the native `llava` type: an adapter of the language model, and beside it what was
trained whole (``non_lora_trainables.bin``: the projector).

Letters: r rank, O and I outputs and inputs of a linear layer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nunbit.errors import UserError
from nunbit.models.importers.llava import check_projector, fill, native_name, native_tensors, place
from nunbit.models.importers.llava_config import ADAPTER
from nunbit.models.importers.llava_files import EXTRA, read_file, weight_files
from nunbit.models.importers.report import LoadReport

_SAVED = re.compile(r"modules_to_save\.(?:default\.)?")
_PAIR = re.compile(r"(?:base_model\.model\.)?(.+)\.lora_([AB])(?:\.\w+)?\.weight")


def is_adapter(path: str | Path) -> bool:
    """Whether a folder holds an adapter and no whole weights."""
    path = Path(path)
    return path.is_dir() and any(f.name.startswith("adapter_model") for f in weight_files(path))


def load_adapter(path: str | Path, model: Any) -> LoadReport:
    """Add a LoRA checkpoint to a native LLaVA made of the adapter's base, and load what was trained whole: its
    projector, and whatever else is in ``non_lora_trainables.bin`` or saved with the adapter.

    Raises:
        UserError: no projector, a form of LoRA that is not read, or another language model's adapter.
    """
    path, report = Path(path), LoadReport()
    pairs, whole = _read(path, report)
    check_projector_there(path, whole)
    scale = _scale(path / ADAPTER)
    wanted = native_tensors(model)
    state = _trained_whole(whole, wanted, int(model.config.image_token_id), report)
    layers = dict(model.model.named_modules()) | {"lm_head": model.lm_head}
    products = []
    for name, (a, b) in pairs.items():
        layer = layers.get(native_name(name + ".weight", wanted).removesuffix(".weight"))
        if layer is None or not hasattr(layer, "weight"):
            report.unexpected.append(name)
        elif tuple(layer.weight.shape) != (len(b), a.shape[1]):
            report.misshapen[name] = f"{(len(b), a.shape[1])} for {tuple(layer.weight.shape)}"
        else:
            products.append((layer, a, b))
            report.remade[name] = f"an adapter of rank {len(a)} added"
    if not report.complete:
        raise UserError(
            f"the adapter '{path}' does not fit: {report}",
            allowed="an adapter of this language model",
            todo=f"name its base, which {ADAPTER} says, with --llm",
        )
    fill(model, state)
    with torch.no_grad():
        for layer, a, b in products:
            layer.weight += (scale * (b.float() @ a.float())).to(layer.weight.dtype)
    return report


def check_projector_there(path: Path, whole: Mapping[str, Tensor]) -> None:
    """Check that a projector is among the tensors ``(...)`` that were trained whole.

    Raises:
        UserError: none, or one that the native type does not have.
    """
    if not (path / EXTRA).is_file() and not any("mm_projector" in n for n in whole):
        raise UserError(
            f"'{path}' has an adapter and no non_lora_trainables.bin",
            allowed="both: the projector is in the second",
            todo="get the file; the released training code writes it beside the adapter",
        )
    check_projector(whole, path)


def _trained_whole(
    whole: Mapping[str, Tensor], wanted: Mapping[str, Tensor], own_rows: int, report: LoadReport
) -> dict[str, Tensor]:
    """Native name -> tensor of what was trained whole."""
    state: dict[str, Tensor] = {}
    for name, value in whole.items():
        place(name, value, wanted, own_rows, state, report)
    projector = [n for n in wanted if n.startswith("multi_modal_projector.")]
    report.missing += [n for n in projector if n not in state]
    return state


def _read(path: Path, report: LoadReport) -> tuple[dict[str, tuple[Tensor, Tensor]], dict[str, Tensor]]:
    """Layer -> A ``(r, I)`` and B ``(O, r)``; and name -> what was trained whole."""
    halves: dict[str, dict[str, Tensor]] = {}
    whole: dict[str, Tensor] = {}
    for file in weight_files(path):
        for name, value in read_file(file).items():
            if found := _PAIR.fullmatch(name):
                halves.setdefault(found[1], {})[found[2]] = value
            elif ".original_module." not in name:  # the module as it was before
                whole[_SAVED.sub("", name)] = value
    report.missing += [n for n, held in halves.items() if len(held) < 2]
    return {n: (held["A"], held["B"]) for n, held in halves.items() if len(held) == 2}, whole


def _scale(config: Path) -> float:
    """What the products are multiplied by. Source: LoRA, arXiv 2106.09685, sec. 4.1; rsLoRA, arXiv 2312.03732."""
    try:
        held = json.loads(config.read_text(encoding="utf-8"))
        rank, alpha = int(held["r"]), float(held["lora_alpha"])
        odd = [k for k in ("use_dora", "rank_pattern", "alpha_pattern", "fan_in_fan_out") if held.get(k)]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as e:
        raise UserError(
            f"'{config}' cannot be read ({type(e).__name__})", allowed="an adapter's config with r and lora_alpha"
        ) from None
    if odd or rank < 1:
        raise UserError(f"an adapter with {', '.join(odd) or f'rank {rank}'}", allowed="plain LoRA or rsLoRA")
    return alpha / rank**0.5 if held.get("use_rslora") else alpha / rank
