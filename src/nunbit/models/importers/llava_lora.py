"""LLaVA checkpoints of LoRA alone -> the native `llava` type: an adapter of the language model, and beside it what was
trained whole (``non_lora_trainables.bin``: the projector).

Letters: r rank, O and I outputs and inputs of a linear layer.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nunbit.errors import UserError
from nunbit.models.importers.llava import load_projector, native_name, read, read_file, weight_files
from nunbit.models.importers.report import LoadReport

CONFIG = "adapter_config.json"
_PAIR = re.compile(r"(?:base_model\.model\.)?(.+)\.lora_([AB])(?:\.\w+)?\.weight")


def is_adapter(path: str | Path) -> bool:
    """Whether a folder holds an adapter and no whole weights."""
    path = Path(path)
    return path.is_dir() and any(f.name.startswith("adapter_model") for f in weight_files(path))


def load_adapter(path: str | Path, model: Any) -> LoadReport:
    """Add a LoRA checkpoint to a native LLaVA made of the adapter's base, and load its projector.

    Raises:
        UserError: no ``non_lora_trainables.bin``, a form of LoRA that is not read, or another language model's adapter.
    """
    path = Path(path)
    extra = path / "non_lora_trainables.bin"
    if not extra.is_file():
        raise UserError(
            f"'{path}' has an adapter and no non_lora_trainables.bin",
            allowed="both: the projector is in the second",
            todo="get the file; the released training code writes it beside the adapter",
        )
    report = load_projector(extra, model)
    report.matched += [n for n in read(extra) if "mm_projector" not in n]
    scale = _scale(path / CONFIG)
    layers = dict(model.model.named_modules())
    wanted = model.model.state_dict() | {"lm_head.weight": model.lm_head.weight}
    for name, (a, b) in _pairs(path, report).items():
        ours = native_name(name + ".weight", wanted).removesuffix(".weight")
        layer = model.lm_head if ours == "lm_head" else layers.get(ours)
        if layer is None or not hasattr(layer, "weight"):
            report.unexpected.append(name)
        elif tuple(layer.weight.shape) != (len(b), a.shape[1]):
            report.misshapen[name] = f"{(len(b), a.shape[1])} for {tuple(layer.weight.shape)}"
        else:
            with torch.no_grad():
                layer.weight += (scale * (b.float() @ a.float())).to(layer.weight.dtype)
            report.remade[name] = f"an adapter of rank {len(a)} added"
    if report.misshapen or report.unexpected:
        raise UserError(
            f"the adapter '{path}' does not fit: {report}",
            allowed="an adapter of this language model",
            todo=f"name its base, which {CONFIG} says, with --llm",
        )
    return report


def _pairs(path: Path, report: LoadReport) -> dict[str, tuple[Tensor, Tensor]]:
    """Layer -> A ``(r, I)`` and B ``(O, r)``."""
    halves: dict[str, dict[str, Tensor]] = {}
    for file in weight_files(path):
        if file.name.startswith("adapter_model"):
            for name, value in read_file(file).items():
                if found := _PAIR.fullmatch(name):
                    halves.setdefault(found[1], {})[found[2]] = value
                else:
                    report.unexpected.append(name)
    report.missing += [n for n, held in halves.items() if len(held) < 2]
    return {n: (held["A"], held["B"]) for n, held in halves.items() if len(held) == 2}


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
