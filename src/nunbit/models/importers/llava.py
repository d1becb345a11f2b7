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

from torch import Tensor

from nunbit.errors import UserError
from nunbit.models.importers.llava_files import read_all
from nunbit.models.importers.report import LoadReport

_PROJECTOR = re.compile(r"(?:base_model\.model\.)?(?:model\.)?mm_projector\.(?:(\d+)\.)?(weight|bias)")
_PROJECTOR_LAYER = re.compile(r"(?:model\.)?mm_projector\.([02])(?=\.)")
_NATIVE_PROJECTOR = re.compile(r"(?:model\.)?multi_modal_projector\.linear_[12]\.(?:weight|bias)")
_FOREIGN = re.compile(
    r"mm_projector|multi_modal_projector|abstractor|resampler|q_?former|perceiver|(?:vision|visual|image|vit)_proj"
    r"|\bmlp1\.|mlp_AR|img_projection|aligner|vision_model\.merger|visual\.merger",
    re.IGNORECASE,
)
TOKEN_TABLES = ("language_model.embed_tokens.weight", "lm_head.weight")
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
    out = read_all(Path(path))
    check_projector(out, path)
    return out


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
        shown = ", ".join(f"'{n}'" for n in list(held)[:3]) or "nothing"
        raise UserError(
            f"'{path}' holds no mm_projector (it has {shown})",
            allowed="an original LLaVA checkpoint or its mm_projector.bin",
            todo="name the folder or file that holds the projector under LLaVA's names",
        )
    if (newline := next((n for n in held if n.endswith("image_newline")), None)) is not None:
        raise UserError(
            f"'{path}' has '{newline}': it reads pictures in tiles, as LLaVA-NeXT",
            allowed="LLaVA-1.5: one square picture, its patches alone",
            todo="take the model's version for transformers (llava-hf), which --model opens as it is",
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
    wanted = native_tensors(model)
    projector = _projector({k: v for k, v in state.items() if _PROJECTOR.fullmatch(k)}, report)
    found = {f"multi_modal_projector.{k}": v for k, v in projector.items()}
    own_rows = int(model.config.image_token_id)
    for name, value in state.items():
        if _PROJECTOR.fullmatch(name):
            continue
        if _SKIP.fullmatch(name):
            report.remade[name] = "computed, not kept"
            continue
        place(name, value, wanted, own_rows, found, report)
    tied = bool(model.config.text_config.tie_word_embeddings)
    report.missing += [n for n in wanted if n not in found and not (tied and n == "lm_head.weight")]
    _check_whole(report, path, model)
    fill(model, found)
    return report


def native_tensors(model: Any) -> dict[str, Tensor]:
    """The tensors ``(...)`` of a native LLaVA by the names that they have here."""
    held: dict[str, Tensor] = model.model.state_dict()
    return held | {"lm_head." + k: v for k, v in model.lm_head.state_dict().items()}


def fill(model: Any, state: Mapping[str, Tensor]) -> None:
    """Load tensors ``(...)`` under the names of `native_tensors`; others stay as they are."""
    head = {k.removeprefix("lm_head."): v for k, v in state.items() if k.startswith("lm_head.")}
    model.model.load_state_dict({k: v for k, v in state.items() if not k.startswith("lm_head.")}, strict=False)
    model.lm_head.load_state_dict(head, strict=False)


def place(
    name: str,
    value: Tensor,
    wanted: Mapping[str, Tensor],
    own_rows: int,
    found: dict[str, Tensor],
    report: LoadReport,
) -> None:
    """Put a checkpoint's tensor into ``found`` under its native name, and what became of it into the report.

    Args:
        value: of any shape; a table of tokens is ``(V, D)``.
        wanted: of `native_tensors`.
        own_rows: tokens of the language model's own; tables may differ in those that were added.
    """
    ours = native_name(name, wanted)
    if ours not in wanted:
        report.unexpected.append(name)
    elif ours in TOKEN_TABLES and _other_rows(value, wanted[ours], own_rows):
        found[ours], report.remade[name] = _with_own_rows(value, wanted[ours], own_rows)
    elif wanted[ours].shape != value.shape:
        report.misshapen[name] = f"{tuple(value.shape)} for {tuple(wanted[ours].shape)}"
    else:
        found[ours] = value
        report.matched.append(name)


def _other_rows(value: Tensor, ours: Tensor, own: int) -> bool:
    """Whether a table ``(V, D)`` differs from ours ``(W, D)`` in rows of added tokens alone."""
    return value.shape != ours.shape and value.shape[1:] == ours.shape[1:] and len(value) >= own


def _check_whole(report: LoadReport, path: str | Path, model: Any) -> None:
    """Nothing may be left over, and nothing left out but a frozen encoder as a whole or those of its layers that nobody
    reads: what is missing would stay as it was."""
    whole = any("vision_tower" in n for n in report.matched)
    lost = [n for n in report.missing if not n.startswith("vision_tower.") or whole and not _unread(n, model.config)]
    if report.misshapen or report.unexpected or lost:
        raise UserError(
            f"the checkpoint '{path}' does not fit: {report}",
            allowed="the weights of a LLaVA made of these two models",
            todo="check that --vision and --llm name what it was made of, and that every file is there",
        )


def _unread(name: str, config: Any) -> bool:
    """Whether the projector's layer of the encoder does not depend on a tensor of the encoder."""
    layers, layer = getattr(config.vision_config, "num_hidden_layers", 0), config.vision_feature_layer
    last = layer if layer >= 0 else layers + 1 + layer
    found = re.search(r"\.layers?\.(\d+)\.", name)
    return int(found[1]) >= last if found else "post_layernorm" in name or ".head." in name


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
    if found := _PROJECTOR_LAYER.match(name):
        return f"multi_modal_projector.linear_{1 + int(found[1]) // 2}{name[found.end() :]}"
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
