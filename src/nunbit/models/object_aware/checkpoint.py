"""The object-aware parts on disk: two files beside the model, which stays as it is. Without them the folder is a model
like any other."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from nunbit.errors import UserError
from nunbit.files import whole, write_text
from nunbit.models.object_aware.config import ObjectAwareConfig
from nunbit.models.object_aware.context import ObjectAwareModule, build_connector
from nunbit.models.shapes import check_shapes

CONFIG, WEIGHTS = "object_aware.json", "object_aware.safetensors"
OLD_CONFIG, OLD_WEIGHTS = "aware.json", "aware.safetensors"
"""Names of the two files before version 0.2; they still open."""


def is_object_aware(folder: str | Path) -> bool:
    """Whether object-aware parts lie in the folder."""
    return any((Path(folder) / name).is_file() for name in (CONFIG, OLD_CONFIG))


def save_object_aware(
    module: ObjectAwareModule,
    folder: str | Path,
    dtype: torch.dtype | None = None,
    states: Mapping[str, Mapping[str, torch.Tensor]] | None = None,
) -> None:
    """Write the two files beside the model, with tensors of another dtype if one is named.

    Args:
        states: tensors by connector and name, in place of the connectors' own.
    """
    from safetensors.torch import save_file

    folder = Path(folder)
    kept = {
        f"{name}.{k}": v.detach().cpu().to(dtype or v.dtype).contiguous()
        for name, m in module.connectors.items()
        for k, v in (states[name] if states else m.state_dict()).items()
    }
    with whole(folder / WEIGHTS) as path:
        save_file(kept, path)
    held = module.config.to_json()
    held["connectors"] = {name: _fields(vars(m)["config"]) for name, m in module.connectors.items()}
    write_text(folder / CONFIG, json.dumps(held, ensure_ascii=False, indent=1))


def open_object_aware(folder: str | Path, model: Any, processor: Any) -> ObjectAwareModule:
    """Attach what lies in the folder to its model.

    Raises:
        UserError: a damaged file, or connectors of another model.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    folder = Path(folder)
    names = (CONFIG, WEIGHTS) if (folder / CONFIG).is_file() else (OLD_CONFIG, OLD_WEIGHTS)
    try:
        config = ObjectAwareConfig.from_json(json.loads((folder / names[0]).read_text(encoding="utf-8")))
        kept = load_file(folder / names[1])
        for name, values in config.connectors.items():
            own = {k: v for k, v in kept.items() if k.startswith(f"{name}.")}
            check_shapes(own, name, values, partial(_attached_alone, name, values, model))
        module = ObjectAwareModule(model, processor, config)
        for name, connector in module.connectors.items():
            connector.load_state_dict(
                {k.removeprefix(f"{name}."): v for k, v in kept.items() if k.startswith(f"{name}.")}
            )
            connector.eval()
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, SafetensorError) as e:
        raise UserError(
            f"the object-aware parts in '{folder}' cannot be opened ({type(e).__name__}: {str(e)[:160]})",
            allowed=f"{CONFIG} and {WEIGHTS} as nunbit writes them",
            todo="remove both to use the plain model",
        ) from None
    return module


def _attached_alone(name: str, values: Mapping[str, Any], model: Any) -> dict[str, nn.Module]:
    return {name: build_connector(name, values, model)}


def _fields(config: Any) -> dict[str, Any]:
    return {f.name: getattr(config, f.name) for f in fields(config) if f.name != "name"}
