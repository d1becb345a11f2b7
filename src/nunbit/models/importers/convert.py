"""``nunbit import --kind moai|collavo``: a released checkpoint rewritten under our names, one tensor at a time.

The new folder says all of its sizes in config.json, its tensors have the names of our modules, and no remote code, no
pickle and no second file of sizes is left. Memory holds one tensor, whatever the size of the model.
"""

from __future__ import annotations

import json
import math
import shutil
import struct
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nunbit.errors import UserError, check_names
from nunbit.files import whole_folder
from nunbit.models.importers.collavo import ReleasedCoLLaVO
from nunbit.models.importers.fitting import fit, note, read_tensor, tensor_shapes, weight_files
from nunbit.models.importers.moai import ReleasedMoAI
from nunbit.models.importers.released import IMPORTED, ReleasedModel, read_sizes
from nunbit.models.importers.report import LoadReport

KINDS: dict[str, type[ReleasedModel]] = {"moai": ReleasedMoAI, "collavo": ReleasedCoLLaVO}
SHARD_BYTES = 4 << 30
_KEPT_SUFFIXES = (".json", ".model", ".txt", ".md", ".jinja")
_NOT_KEPT = ("config.json", "dims.json")
_MOST_KEPT_BYTES = 64 << 20
_TYPES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2}
"""Types of weights that a released checkpoint may have, with their bytes."""


@dataclass(frozen=True, slots=True)
class Place:
    """One tensor of the new folder.

    Attributes:
        name: ours; key: of the checkpoint, in ``file``.
        shape: in the new folder; dtype: safetensors' name of the type, kept as it is.
    """

    name: str
    key: str
    file: Path
    shape: tuple[int, ...]
    dtype: str

    @property
    def nbytes(self) -> int:
        """Bytes in the new folder."""
        return math.prod(self.shape) * _TYPES[self.dtype]


def convert(kind: str, source: str | Path, out: str | Path) -> LoadReport:
    """Rewrite a released checkpoint into a new folder, whole or not at all.

    Args:
        kind: one of `KINDS`.
        source: a folder of the released layout: config.json, safetensors files and, for other sizes than those of the
            7B models, dims.json.
        out: a new folder, which `open_imported` opens.

    Raises:
        UserError: another layout; every tensor that has no place is named before anything is written.
    """
    check_names("kind of checkpoint", [kind], KINDS)
    root, out = Path(source), Path(out)
    if out.exists() and any(out.iterdir()):
        raise UserError(f"'{out}' is not empty", allowed="a new folder", todo="name another one")
    config, dims = read_sizes(root)
    if IMPORTED in config:
        raise UserError(f"'{root}' was imported already", allowed="a folder of the released layout")
    model = KINDS[kind].empty(config, dims)
    places, report = planned(model, root)
    report.check(str(root))
    with whole_folder(out) as folder:
        folder.mkdir(parents=True)
        _write_shards(places, folder)
        held = config | {"model_type": f"nunbit_{kind}", IMPORTED: asdict(dims)}
        (folder / "config.json").write_text(json.dumps(held, indent=1), encoding="utf-8")
        for file in sorted(root.iterdir()):
            small = file.is_file() and file.stat().st_size <= _MOST_KEPT_BYTES
            kept = file.suffix in _KEPT_SUFFIXES or file.name.startswith("LICENSE")
            if small and kept and file.name not in _NOT_KEPT and not file.name.endswith(".index.json"):
                shutil.copyfile(file, folder / file.name)
    return report


def planned(model: ReleasedModel, root: Path) -> tuple[list[Place], LoadReport]:
    """Where every tensor of the checkpoint goes, from the files' headers alone."""
    wanted = {model.released_key(n): (n, tuple(p.shape)) for n, p in model.named_parameters()}
    report, places = LoadReport(), []
    for file in weight_files(root):
        for key, (shape, dtype) in tensor_shapes(file).items():
            if key not in wanted:
                if not key.endswith("position_ids"):  # older files store this constant
                    report.unexpected.append(key)
                continue
            name, target = wanted.pop(key)
            fitted, change = fit(key, torch.empty(shape, device="meta"), target) if shape != target else (True, "")
            if fitted is None or dtype not in _TYPES:
                report.misshapen[key] = change or f"values of type {dtype}"
                continue
            places.append(Place(name, key, file, target, dtype))
            note(report, key, change)
    report.missing = sorted(wanted)
    return places, report


def open_imported(folder: str | Path, **options: Any) -> ReleasedModel:
    """Open a folder that `convert` wrote.

    Args:
        options: of `ReleasedModel.from_folder`: ``dtype``, and what the class takes.

    Raises:
        UserError: another folder, or a damaged one.
    """
    config, _ = read_sizes(Path(folder))
    kind = str(config.get("model_type", "")).removeprefix("nunbit_")
    if IMPORTED not in config or kind not in KINDS:
        raise UserError(
            f"'{folder}' was not imported",
            allowed="a folder that `nunbit import` wrote",
            todo="import it first",
        )
    return KINDS[kind].from_folder(folder, **options)[0]


def _write_shards(places: Sequence[Place], folder: Path) -> None:
    """Write the tensors in the checkpoint's order into files of at most `SHARD_BYTES`, with an index of them."""
    shards: list[list[Place]] = [[]]
    for place in places:
        if shards[-1] and sum(p.nbytes for p in shards[-1]) + place.nbytes > SHARD_BYTES:
            shards.append([])
        shards[-1].append(place)
    index: dict[str, str] = {}
    for n, shard in enumerate(shards, 1):
        file = folder / f"model-{n:05}-of-{len(shards):05}.safetensors"
        _write_file(file, shard)
        index |= {p.name: file.name for p in shard}
    total = {"total_size": sum(p.nbytes for p in places)}
    text = json.dumps({"metadata": total, "weight_map": index}, indent=1)
    (folder / "model.safetensors.index.json").write_text(text, encoding="utf-8")


def _write_file(path: Path, places: Sequence[Place]) -> None:
    """A safetensors file, tensor by tensor: the library's own writer wants all of them in memory."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for p in places:
        header[p.name] = {"dtype": p.dtype, "shape": p.shape, "data_offsets": [end, end := end + p.nbytes]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # the values begin at a multiple of 8
    with path.open("wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for p in places:
            fitted, _ = fit(p.key, read_tensor(p.file, p.key), p.shape)
            assert fitted is not None  # `planned` has tried it
            f.write(_bytes(fitted))


def _bytes(value: Tensor) -> memoryview:
    """The bytes of a tensor ``(...)`` in order, without a copy where it lies in order."""
    return value.contiguous().reshape(-1).view(torch.uint8).numpy().data
