"""The files of an original LLaVA checkpoint: which of a folder hold its weights, and their tensors by plain names.

What a trainer leaves beside the weights is no weight; of two forms of the same weights one is read; a part that is
missing or there twice is refused, since a model with holes would answer all the same.

Letters: tensors keep their shapes ``(...)``.
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

EXTRA = "non_lora_trainables.bin"
_LEFTOVERS = re.compile(
    r"(?:optimizer|scheduler|scaler|training_args|rng_state|random_states|trainer_state|.*optim_states|.*model_states)"
    r".*|.*\.index\..*"
)
_FORMS = (
    ("model*.safetensors", "model.safetensors.index.json"),
    ("pytorch_model*.bin", "pytorch_model.bin.index.json"),
    ("adapter_model.safetensors", ""),
    ("adapter_model.bin", ""),
)
"""Names of the files of each form, and of their index, the preferred form first."""
_OF = re.compile(r"(.+)-(\d+)-of-(\d+)(\.\w+)")
_WRAPPED = re.compile(r"(?:^|(?<=\.))(?:module|_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.")
_STATES = ("state_dict", "model_state_dict", "model", "module")
"""Keys under which trainers save all tensors together."""
_MOST_FOLDERS = 5


def weight_files(path: Path) -> list[Path]:
    """The files that hold a checkpoint's weights.

    Raises:
        UserError: nothing there, or not every part of weights that are in parts.
    """
    if path.is_file():
        return [path]
    for pattern, index in _FORMS:
        if found := sorted(path.glob(pattern)):
            return _whole_set(path, found, index) + sorted(path.glob(EXTRA))
    every = sorted([*path.glob("*.safetensors"), *path.glob("*.bin")])
    found = [f for f in every if not _LEFTOVERS.fullmatch(f.name)]
    if not found:
        raise UserError(
            f"'{path}' holds no weights",
            allowed="*.safetensors or *.bin of an original LLaVA checkpoint, or its mm_projector.bin",
            todo=_where_weights_are(path),
        )
    return found


def _where_weights_are(path: Path) -> str:
    if not path.is_dir():
        return "check the path"
    if (path / "zero_to_fp32.py").is_file() or any(path.glob("global_step*")):
        return "it has the parts of DeepSpeed: run its zero_to_fp32.py first"
    inner = sorted({f.parent.name for kind in ("safetensors", "bin") for f in path.glob(f"*/*.{kind}")})
    return f"name one of its folders: {', '.join(inner[:_MOST_FOLDERS])}" if inner else "check the path"


def _whole_set(path: Path, found: list[Path], index: str) -> list[Path]:
    """The files of one form: those that an index names, those of one set of parts, or the only one."""
    named = _indexed(path / index) if index and (path / index).is_file() else []
    if named:
        missing = [name for name in named if not (path / name).is_file()]
        files = [path / name for name in named]
    else:
        parts = [(f, m) for f in found if (m := _OF.fullmatch(f.name))]
        whole = [f for f in found if not _OF.fullmatch(f.name)]
        if whole or not parts:
            return whole[:1] if len(whole) == 1 else whole
        counts = sorted({m[3] for _, m in parts})
        if len(counts) > 1:
            raise UserError(
                f"'{path}' has parts of several checkpoints (of {' and of '.join(counts)})",
                allowed="the parts of one",
                todo="take the others away",
            )
        [count] = counts
        first = parts[0][1]
        wanted = [f"{first[1]}-{n:0{len(first[2])}}-of-{count}{first[4]}" for n in range(1, int(count) + 1)]
        missing = [name for name in wanted[:10_000] if not (path / name).is_file()]
        files = [f for f, _ in parts]
    if missing:
        raise UserError(
            f"'{path}' lacks {len(missing)} of its parts ({', '.join(missing[:3])})",
            allowed="every part of the checkpoint",
            todo="get the missing files",
        )
    return files


def _indexed(index: Path) -> list[str]:
    """File names of an index; an empty one, as a trainer may leave, names none."""
    try:
        names = sorted(set(json.loads(index.read_text(encoding="utf-8")).get("weight_map", {}).values()))
    except (ValueError, AttributeError, TypeError, RecursionError) as e:
        raise UserError(f"'{index}' cannot be read ({type(e).__name__})", allowed="an index of weight files") from None
    if any(not isinstance(n, str) or Path(n).name != n or "\\" in n for n in names):
        raise UserError(f"'{index}' names files elsewhere", allowed="names of files beside it")
    return names


def read_all(path: Path) -> dict[str, Tensor]:
    """All tensors ``(...)`` of a checkpoint's files.

    Raises:
        UserError: a file that holds anything else, no weights, or two different tensors of one name.
    """
    out: dict[str, Tensor] = {}
    owner: dict[str, str] = {}
    for file in weight_files(path):
        for name, value in read_file(file).items():
            if name in out and (out[name].shape != value.shape or not torch.equal(out[name], value)):
                raise UserError(
                    f"'{name}' is in '{owner[name]}' and, with other values, in '{file.name}'",
                    allowed="each tensor once",
                    todo="take the files of the other checkpoint away",
                )
            out[name], owner[name] = value, file.name
    return out


def read_file(file: Path) -> dict[str, Tensor]:
    """The tensors ``(...)`` of one file by name, without what wrappers put into the names; code in it is never run.

    Raises:
        UserError: it holds anything but tensors.
    """
    try:
        if file.suffix == ".safetensors":
            from safetensors.torch import load_file

            held: Any = load_file(file)
        else:
            held = torch.load(file, map_location="cpu", weights_only=True)
        held = next((held[k] for k in _STATES if isinstance(held.get(k), Mapping)), held)
        return {_WRAPPED.sub("", str(k)): v for k, v in held.items() if isinstance(v, Tensor)}
    except Exception as e:
        raise UserError(
            f"'{file}' cannot be read ({type(e).__name__})",
            allowed="a file of tensors only",
            todo="if it is whole, save its state dict again, without other objects",
        ) from None
