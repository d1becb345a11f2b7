"""The released 7B models without memory: every name and shape, compared with a list of the checkpoint's tensors."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from nunbit.errors import UserError, unknown_name
from nunbit.models.importers.collavo import ReleasedCoLLaVO
from nunbit.models.importers.dims import Dims
from nunbit.models.importers.moai import ReleasedMoAI
from nunbit.models.importers.released import ReleasedModel

MODELS: dict[str, tuple[str, type[ReleasedModel]]] = {
    "moai-7b": ("MoAI-7B", ReleasedMoAI),
    "collavo-7b": ("CoLLaVO-7B", ReleasedCoLLaVO),
}


def shapes(name: str) -> dict[str, tuple[int, ...]]:
    """Checkpoint name -> shape of the released size, from the code that also runs the model."""
    if name not in MODELS:
        raise unknown_name("layout", name, MODELS)
    model = MODELS[name][1].empty({}, Dims())
    return {model.released_key(n): tuple(p.shape) for n, p in model.named_parameters()}


def check_layout(name: str, counts_path: str | Path | None = None) -> dict[str, Any]:
    """Count the parameters of ``moai-7b`` or ``collavo-7b`` and compare with a list of tensors where there is one.

    Args:
        counts_path: JSON ``{"MoAI-7B": {"total_parameters": n, "tensors": [[name, shape], ...]}, ...}``.

    Returns:
        ``name``, ``tensors``, ``parameters``, ``bytes_2_byte``, ``compared``, ``ok`` (None: not compared); and when
        compared ``expected_parameters``, ``missing``, ``unexpected`` (names), ``misshapen`` (name: [ours, theirs]).
    """
    ours = shapes(name)
    total = sum(math.prod(s) for s in ours.values())
    result = {
        "name": name,
        "tensors": len(ours),
        "parameters": total,
        "bytes_2_byte": 2 * total,
        "compared": False,
        "ok": None,
    }
    if counts_path is None:
        return result
    path, title = Path(counts_path), MODELS[name][0]
    if not path.is_file():
        raise UserError(f"there is no file '{path}'", todo="leave out the list to only count")
    records = json.loads(path.read_text(encoding="utf-8"))
    if title not in records:
        raise UserError(
            f"'{path}' has no {title}", allowed=", ".join(records) or "it has no model", todo="name another"
        )
    record = records[title]
    theirs = {k: tuple(s) for k, s in record["tensors"]}
    differ = {k: [list(ours[k]), list(theirs[k])] for k in ours.keys() & theirs.keys() if ours[k] != theirs[k]}
    missing, unexpected = sorted(theirs.keys() - ours.keys()), sorted(ours.keys() - theirs.keys())
    ok = not (differ or missing or unexpected) and total == record["total_parameters"]
    return result | {
        "compared": True,
        "expected_parameters": record["total_parameters"],
        "missing": missing,
        "unexpected": unexpected,
        "misshapen": differ,
        "ok": ok,
    }
