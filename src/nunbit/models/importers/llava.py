"""Original LLaVA checkpoints -> the native `llava` type: whole ones, and first-stage projectors (``mm_projector.bin``).
Adapters are in `nunbit.models.importers.llava_lora`.

Original names: ``model.mm_projector.{0,2}`` (or one ``model.mm_projector`` without numbers),
``model.vision_tower.vision_tower.*``, and the language model's own. The names of its tensors decide what a file holds,
never the folder's name.

Letters: tensors keep their shapes ``(...)``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nunbit.errors import UserError
from nunbit.models.importers.report import LoadReport

_PROJECTOR = re.compile(r"(?:base_model\.model\.)?(?:model\.)?mm_projector\.(?:(\d+)\.)?(weight|bias)")
_NATIVE_PROJECTOR = re.compile(r"(?:model\.)?multi_modal_projector\.linear_[12]\.(?:weight|bias)")
_FOREIGN = re.compile(
    r"mm_projector|multi_modal_projector|abstractor|resampler|q_?former|perceiver|(?:vision|visual|image|vit)_proj"
    r"|\bmlp1\.|mlp_AR|img_projection|aligner|vision_model\.merger|visual\.merger",
    re.IGNORECASE,
)
_LEFTOVERS = re.compile(
    r"(?:optimizer|scheduler|scaler|training_args|rng_state|random_states|trainer_state|.*optim_states|.*model_states)"
    r".*|.*\.index\..*"
)
_ROWS = ("language_model.embed_tokens.weight", "lm_head.weight")
"""Tables with a row for each token, to which nunbit adds some."""
_VISION = "model.vision_tower.vision_tower."
_SKIP = re.compile(r".*rotary_emb\.inv_freq|.*position_ids")


def read(path: str | Path) -> dict[str, Tensor]:
    """All tensors of a file, or of a folder's weight files; pickled code is never run.

    Returns:
        name -> tensor ``(...)``.

    Raises:
        UserError: a file that holds anything else, no weights, no projector, or a projector of another kind.
    """
    out: dict[str, Tensor] = {}
    for file in weight_files(Path(path)):
        out |= read_file(file)
    check_projector(out, path)
    return out


def weight_files(path: Path) -> list[Path]:
    """The files that hold a checkpoint's weights. What a trainer leaves beside them (optimizer, arguments, random
    states) and the folders of its steps are no weights; of two forms of the same weights one is read.

    Raises:
        UserError: nothing there.
    """
    if path.is_file():
        return [path]
    for pattern in ("model*.safetensors", "pytorch_model*.bin", "adapter_model.safetensors", "adapter_model.bin"):
        if found := sorted(path.glob(pattern)):
            return found + sorted(path.glob("non_lora_trainables.bin"))
    every = sorted([*path.glob("*.safetensors"), *path.glob("*.bin")])
    found = [f for f in every if not _LEFTOVERS.fullmatch(f.name)]
    if not found:
        steps = sorted(p.name for p in path.glob("checkpoint-*") if p.is_dir()) if path.is_dir() else []
        raise UserError(
            f"'{path}' holds no weights",
            allowed="*.safetensors or *.bin of an original LLaVA checkpoint, or its mm_projector.bin",
            todo=f"name one of its folders: {', '.join(steps[:5])}" if steps else "check the path",
        )
    return found


def read_file(file: Path) -> dict[str, Tensor]:
    """The tensors ``(...)`` of one file by name.

    Raises:
        UserError: it holds anything but tensors.
    """
    try:
        if file.suffix == ".safetensors":
            from safetensors.torch import load_file

            return dict(load_file(file))
        held = torch.load(file, map_location="cpu", weights_only=True)
        return {k: v for k, v in held.items() if isinstance(v, Tensor)}
    except Exception as e:
        raise UserError(f"'{file}' cannot be read ({type(e).__name__})", allowed="a file of tensors only") from None


def check_projector(held: Mapping[str, Tensor], path: str | Path) -> None:
    """Check that the tensors ``(...)`` have a projector that the native type has.

    Raises:
        UserError: none, or one of another kind (mPLUG-Owl's abstractor, Bunny's and Honeybee's projectors ...).
    """
    foreign = next((n for n in held if _FOREIGN.search(n) and not _known_projector(n)), None)
    if foreign is not None:
        raise UserError(
            f"'{path}' has a projector of another kind ('{foreign}')",
            allowed="LLaVA-1.5's mm_projector of two layers, numbered 0 and 2",
            todo="open such a model with its own code; nunbit imports LLaVA, CoLLaVO, MoAI and OpenFlamingo",
        )
    if not any(map(_known_projector, held)):
        raise UserError(
            f"'{path}' holds no mm_projector", allowed="an original LLaVA checkpoint or its mm_projector.bin"
        )


def _known_projector(name: str) -> bool:
    return bool(_PROJECTOR.fullmatch(name) or _NATIVE_PROJECTOR.fullmatch(name))


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
    own_rows = int(model.config.image_token_id)
    for name, value in state.items():
        if _PROJECTOR.fullmatch(name):
            continue
        if _SKIP.fullmatch(name):
            report.remade[name] = "computed, not kept"
            continue
        ours = native_name(name, wanted)
        if ours not in wanted:
            report.unexpected.append(name)
        elif ours in _ROWS and wanted[ours].shape != value.shape and wanted[ours].shape[1:] == value.shape[1:]:
            found[ours], report.remade[name] = _with_own_rows(value, wanted[ours], own_rows)
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


def _with_own_rows(value: Tensor, fresh: Tensor, own: int) -> tuple[Tensor, str]:
    """A table of tokens ``(V, D)`` for ours ``(W, D)``: the rows of the language model's own tokens, the added ones
    fresh; and what was done."""
    rows = len(value) if len(value) < len(fresh) else own
    out = fresh.clone()
    out[:rows] = value[:rows].to(out.dtype)
    left = f", {len(value) - rows} of the checkpoint's left out" if len(value) > rows else ""
    return out, f"{rows} rows loaded, {len(fresh) - rows} of added tokens fresh{left}"


def native_name(name: str, wanted: Mapping[str, Tensor]) -> str:
    """The native name of an original one, or of one as the first versions of the native type had it."""
    name = name.removeprefix("base_model.model.")
    if name.startswith(_VISION):
        name = "vision_tower." + name.removeprefix(_VISION)
    elif name.startswith(("model.vision_tower.", "model.language_model.", "model.multi_modal_projector.")):
        name = name.removeprefix("model.")
    name = name.removeprefix("language_model.") if name.startswith("language_model.lm_head.") else name
    if name.startswith("vision_tower."):
        return name if name in wanted else name.replace("vision_tower.vision_model.", "vision_tower.", 1)
    if name.startswith(("lm_head.", "multi_modal_projector.")):
        return name
    if name.startswith("language_model."):
        return "language_model." + name.removeprefix("language_model.").removeprefix("model.")
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
