"""Models and processors on disk, in the form that transformers' Auto classes open."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from nunbit.errors import UserError
from nunbit.files import disk_errors, whole_folder
from nunbit.models.missing_package import missing_package
from nunbit.models.precision import quantization
from nunbit.models.shapes import check_shapes


def save(model: Any, processor: Any, folder: str | Path, state: dict[str, Any] | None = None) -> None:
    """Save so that `AutoModelForImageTextToText` and `AutoProcessor` open the folder.

    Args:
        state: tensors in place of the model's own.
    """
    from nunbit.models.build import fits_llava, linear_as_llava

    if state is None and fits_llava(model):
        model = linear_as_llava(model)
    with disk_errors(folder):
        model.save_pretrained(folder, state_dict=state)
    processor.save_pretrained(folder)


def save_new(model: Any, processor: Any, folder: Path) -> None:
    """`save`, whole or not at all."""
    with whole_folder(folder) as aside:
        save(model, processor, aside)


def open_model(folder: str | Path, device: str = "cpu", dtype: str | None = None, *, bits: int = 0) -> tuple[Any, Any]:
    """Open any image-text-to-text model of transformers, or a `ComposedModel`, with its processor: weights only, no
    remote code.

    Args:
        dtype: "auto" leaves the weights as they are stored, in their files; by size and device if not given.
        bits: 4 or 8, the language model's linear layers as bitsandbytes holds them; 0: as they are.

    Raises:
        UserError: nothing there, nothing of that kind, or a package is missing that its processor needs.
    """
    from safetensors import SafetensorError
    from transformers import AutoModelForImageTextToText, AutoProcessor

    import nunbit.models.composed as _registers_our_type

    assert _registers_our_type
    local = looks_like_path(folder)
    if local and not Path(folder).is_dir():
        raise UserError(
            f"the model '{folder}' is no folder",
            allowed="a folder or hub id of an image-text-to-text model of transformers",
            todo="check the path",
        )
    if local:
        check_is_model(Path(folder))
    try:
        if local:
            _check_composed(Path(folder))
        processor = AutoProcessor.from_pretrained(folder)
        how = quantised(bits, dtype or "auto", device) if bits else {"dtype": dtype or _dtype(folder, device)}
        model = AutoModelForImageTextToText.from_pretrained(folder, **how)
    except (ImportError, AttributeError) as e:
        if (missing := missing_package(e, folder)) is None:
            raise
        raise missing from None
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as e:
        lines = str(e).splitlines() or [type(e).__name__]
        raise UserError(
            f"the model '{folder}' cannot be opened ({lines[0][:200]})",
            allowed="a folder or hub id of an image-text-to-text model of transformers",
            todo="check the path; without a network only local folders can be opened",
        ) from None
    return (model.eval() if bits else model.eval().to(device)), processor


def quantised(bits: int, dtype: str, device: str) -> dict[str, Any]:
    """What `from_pretrained` takes for quantised weights on a device: 16 bits around them on a CUDA device, 32 on a
    processor, unless a dtype is named."""
    import torch

    cuda = torch.device(device).type == "cuda"
    other = {"auto": torch.bfloat16 if cuda else torch.float32}.get(dtype) or getattr(torch, dtype)
    card: Any = torch.device(device).index or 0 if cuda else device
    return {"quantization_config": quantization(bits, other), "device_map": {"": card}, "dtype": other}


def check_is_model(folder: Path) -> None:
    """Check that a folder holds a model itself.

    Raises:
        UserError: it does not, and a folder in it does, as in the folder of a run.
    """
    if (folder / "config.json").exists():
        return
    inner = sorted(p.parent for p in folder.glob("*/config.json"))
    if inner:
        best = next((p for p in inner if p.name == "model"), inner[0])
        raise UserError(
            f"'{folder}' holds no model itself",
            allowed=", ".join(f"'{p}'" for p in inner[:8]),
            todo=f"name '{best}'",
        )


FLOAT32_MAX_BYTES = 3 << 30
"""Weights in 16 bits up to this size are computed in float32 on a processor, which is several times faster there."""


def _dtype(folder: str | Path, device: str) -> Any:
    import torch

    files = Path(folder).glob("*.safetensors") if looks_like_path(folder) else ()
    size = sum(f.stat().st_size for f in files)
    return torch.float32 if device == "cpu" and 0 < size <= FLOAT32_MAX_BYTES else "auto"


def looks_like_path(name: str | Path) -> bool:
    """Whether a model's name can only be a path: a `Path`, one that begins like one, or one with more than one slash (a
    hub id has one)."""
    if isinstance(name, Path):
        return True
    return (
        name.startswith((".", "/", "~"))
        or os.sep != "/"
        and os.sep in name
        or name.count("/") > 1
        or Path(name).exists()
    )


def _check_composed(folder: Path) -> None:
    """Hold the connector's config of a `ComposedModel` to the tensors beside it, before memory is taken for what it
    says.

    Raises:
        ValueError: they are not of each other's sizes.
    """
    import json

    import torch
    from safetensors import safe_open

    from nunbit.connectors import build
    from nunbit.models.composed import ComposedConfig

    config = folder / "config.json"
    held = json.loads(config.read_text(encoding="utf-8")) if config.is_file() else {}
    if not isinstance(held, dict) or held.get("model_type") != ComposedConfig.model_type:
        return
    values = dict(held["connector"])
    prefix, kept = "model.multi_modal_projector.", {}
    for file in folder.glob("*.safetensors"):
        with safe_open(file, "pt") as tensors, torch.device("meta"):
            for name in tensors.keys():  # noqa: SIM118  (no dictionary)
                if name.startswith(prefix):
                    kept[f"part.{name.removeprefix(prefix)}"] = torch.empty(tensors.get_slice(name).get_shape())
    sizes = {k: v for k, v in values.items() if k != "image_token_id"}
    check_shapes(kept, str(values.get("name")), sizes, lambda: {"part": build(**values)})
