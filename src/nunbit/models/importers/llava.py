"""Original LLaVA checkpoints -> the native `llava` type: whole ones, and first-stage projectors (``mm_projector.bin``).

Original names: ``model.mm_projector.{0,2}`` (or one ``model.mm_projector`` without numbers),
``model.vision_tower.vision_tower.*``, and the language model's own. The names of its tensors decide what a file holds,
never the folder's name.

Letters: tensors keep their shapes ``(...)``.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nunbit.errors import UserError
from nunbit.models.importers.report import LoadReport

_PROJECTOR = re.compile(r"(?:base_model\.model\.)?(?:model\.)?mm_projector\.(?:(\d+)\.)?(weight|bias)")
_VISION = "model.vision_tower.vision_tower."
_SKIP = re.compile(r".*rotary_emb\.inv_freq|.*position_ids")


def read(path: str | Path) -> dict[str, Tensor]:
    """All tensors of a file or of a folder's safetensors and .bin files; pickled code is never run.

    Returns:
        name -> tensor ``(...)``.

    Raises:
        UserError: a file that holds anything else, or no projector.
    """
    path = Path(path)
    files = [path] if path.is_file() else sorted([*path.glob("*.safetensors"), *path.glob("*.bin")])
    out: dict[str, Tensor] = {}
    for file in files:
        try:
            if file.suffix == ".safetensors":
                from safetensors.torch import load_file

                out |= load_file(file)
            else:
                held = torch.load(file, map_location="cpu", weights_only=True)
                out |= {k: v for k, v in held.items() if isinstance(v, Tensor)}
        except Exception as e:
            raise UserError(f"'{file}' cannot be read ({type(e).__name__})", allowed="a file of tensors only") from None
    if not any(_PROJECTOR.fullmatch(k) for k in out):
        raise UserError(
            f"'{path}' holds no mm_projector", allowed="an original LLaVA checkpoint or its mm_projector.bin"
        )
    return out


def load_projector(path: str | Path, model: Any) -> LoadReport:
    """Put a first-stage projector into a native LLaVA.

    Raises:
        UserError: it was trained for another encoder or language model (both shapes are named), or is no two-layer MLP.
    """
    report, wanted = LoadReport(), dict(model.model.multi_modal_projector.state_dict())
    found = _projector({k: v for k, v in read(path).items() if _PROJECTOR.fullmatch(k)}, report)
    for name, value in found.items():
        if name in wanted and wanted[name].shape != value.shape:
            report.misshapen[name] = f"{tuple(value.shape)} for {tuple(wanted[name].shape)}"
    report.missing += [n for n in wanted if n not in found]
    if not report.complete:
        raise UserError(
            f"the projector '{path}' does not fit: {report}",
            allowed="one trained for this encoder and this language model",
            todo="a projector belongs to the pair it was trained with; train one for this pair",
        )
    model.model.multi_modal_projector.load_state_dict(found)
    return report


def load_whole(path: str | Path, model: Any) -> LoadReport:
    """Load a whole original checkpoint into a native LLaVA of the same sizes.

    Returns:
        What became of each tensor; vision tensors are missing where the checkpoint left the frozen encoder out.
    """
    report, state = LoadReport(), read(path)
    wanted = model.model.state_dict() | {"lm_head." + k: v for k, v in model.lm_head.state_dict().items()}
    projector = _projector({k: v for k, v in state.items() if _PROJECTOR.fullmatch(k)}, report)
    found = {f"multi_modal_projector.{k}": v for k, v in projector.items()}
    for name, value in state.items():
        if _PROJECTOR.fullmatch(name):
            continue
        if _SKIP.fullmatch(name):
            report.remade[name] = "computed, not kept"
            continue
        ours = _ours(name, wanted)
        if ours not in wanted:
            report.unexpected.append(name)
        elif wanted[ours].shape != value.shape:
            report.misshapen[name] = f"{tuple(value.shape)} for {tuple(wanted[ours].shape)}"
        else:
            found[ours] = value
            report.matched.append(name)
    tied = bool(model.config.text_config.tie_word_embeddings)
    report.missing += [n for n in wanted if n not in found and not (tied and n == "lm_head.weight")]
    if report.misshapen or report.unexpected:
        report.check(str(path))
    model.model.load_state_dict({k: v for k, v in found.items() if not k.startswith("lm_head.")}, strict=False)
    if "lm_head.weight" in found:
        model.lm_head.load_state_dict({"weight": found["lm_head.weight"]})
    return report


def _ours(name: str, wanted: dict[str, Tensor]) -> str:
    if name.startswith(_VISION):
        rest = name.removeprefix(_VISION)
        whole = "vision_tower." + rest
        return whole if whole in wanted else "vision_tower." + rest.removeprefix("vision_model.")
    if name.startswith("lm_head."):
        return name
    return "language_model." + name.removeprefix("model.")


def _projector(held: dict[str, Tensor], report: LoadReport) -> dict[str, Tensor]:
    """``mm_projector.0`` and ``.2`` -> ``linear_1`` and ``linear_2``."""
    out = {}
    for name, value in held.items():
        number, leaf = _PROJECTOR.fullmatch(name).groups()  # type: ignore[union-attr]
        place = {"0": "linear_1", "2": "linear_2"}.get(number or "")
        if place is None:
            raise UserError(
                f"a projector with the layer '{name}'",
                allowed="mlp2x_gelu: layers 0 and 2",
                todo="a linear projector (LLaVA 1) has no native type: use the connector 'linear'",
            )
        out[f"{place}.{leaf}"] = value
        report.matched.append(name)
    return out
