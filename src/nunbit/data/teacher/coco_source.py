"""COCO's annotation files to Scenes: captions, instances and panoptic segments of the same pictures together.

Boxes of COCO are ``[x, y, width, height]``. A box that marks a crowd stands for an unknown number of things.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from nunbit.coco import short_name
from nunbit.errors import UserError
from nunbit.files import decoded_text, parse_json
from nunbit.scene import Scene, SceneObject

MAX_FILE_BYTES = 1 << 31
CROWD_SCORE = 0.5
"""Score of a crowd: too low to contradict a number."""
Row = tuple[str, str, Callable[[], Scene]]
_About = Mapping[str, Mapping[int, list[dict[str, Any]]]]
_Names = Mapping[str, Mapping[int, tuple[str, bool]]]
PARTS = ("captions", "instances", "panoptic")


def is_coco(paths: Sequence[Path]) -> bool:
    """Whether paths are annotation files, or one folder that holds some."""
    return bool(paths) and bool(_files(paths))


def read_coco(paths: Sequence[Path], images: Path | None) -> tuple[list[Row], str, Path]:
    """Rows of id, path of the picture and maker of its Scene; a hash of the files; the folder of the pictures.

    Raises:
        UserError: a file that is too large, no JSON, or of another form; no picture with anything about it.
    """
    pictures: dict[int, dict[str, Any]] = {}
    about: dict[str, dict[int, list[dict[str, Any]]]] = {part: defaultdict(list) for part in PARTS}
    names: dict[str, dict[int, tuple[str, bool]]] = {part: {} for part in PARTS}
    digest = hashlib.sha256()
    for file in _files(paths):
        data, raw_hash = _read(file)
        digest.update(raw_hash)
        part = _part(data, file)
        try:
            for row in data["images"]:
                pictures.setdefault(int(row["id"]), row)
            for row in data["annotations"]:
                about[part][int(row["image_id"])].append(row)
            for c in data.get("categories") or ():
                names[part][int(c["id"])] = (short_name(str(c["name"])), bool(c.get("isthing", 1)))
        except (KeyError, TypeError, ValueError) as e:
            raise UserError(f"'{file}' is not in COCO's layout ({type(e).__name__}: {e})") from None
    kept = [i for i in sorted(pictures) if any(i in about[part] for part in PARTS)]
    if not kept:
        raise UserError("COCO files without a picture that has annotations", todo="name other files")
    if not any(about[part] for part in ("instances", "panoptic")):
        raise UserError(
            "COCO captions alone", allowed="captions with instances or panoptic segments", todo="add a file"
        )
    root = _image_folder(paths, images, str(pictures[kept[0]].get("file_name", "")))
    closed = sorted({n for part in ("instances", "panoptic") for n, thing in names[part].values() if thing})
    rows: list[Row] = []
    for i in kept:
        rows.append((str(i), str(pictures[i].get("file_name", "")), _maker(pictures[i], i, about, names, closed)))
    return rows, digest.hexdigest()[:16], root


def _maker(picture: Mapping[str, Any], i: int, about: _About, names: _Names, closed: list[str]) -> Callable[[], Scene]:
    def make() -> Scene:
        return _scene(picture, i, about, names, closed)

    return make


def _scene(picture: Mapping[str, Any], i: int, about: _About, names: _Names, closed: list[str]) -> Scene:
    try:
        scene = Scene(int(picture["width"]), int(picture["height"]), meta={"complete": closed})
    except (KeyError, TypeError, ValueError):
        raise UserError(f"COCO's picture {i} has no width and height") from None
    scene.captions = [" ".join(str(r.get("caption", "")).split()) for r in about["captions"].get(i, ())]
    for row in about["instances"].get(i, ()):
        _add(scene, names["instances"], row)
    segments = [s for row in about["panoptic"].get(i, ()) for s in row.get("segments_info") or ()]
    stuff: dict[str, float] = {}
    for segment in segments:
        name, thing = names["panoptic"].get(int(segment["category_id"]), ("", True))
        if thing and i not in about["instances"]:
            _add(scene, names["panoptic"], segment)
        elif not thing and name:
            stuff[name] = 1.0
    scene.meta["names"] = [[n, p] for n, p in stuff.items()]
    return scene.validate()


def _add(scene: Scene, names: Mapping[int, tuple[str, bool]], row: Mapping[str, Any]) -> None:
    """An object of an annotation; a box without area, or outside the picture, is none."""
    name = names.get(int(row.get("category_id", -1)), ("", True))[0]
    box = row.get("bbox")
    if not name or not isinstance(box, list) or len(box) != 4:
        return
    x, y, w, h = (float(v) for v in box)
    inside = (max(0.0, x), max(0.0, y), min(float(scene.width), x + w), min(float(scene.height), y + h))
    if inside[2] <= inside[0] or inside[3] <= inside[1]:
        return
    crowd = bool(row.get("iscrowd"))
    scene.objects.append(SceneObject(name, inside, score=CROWD_SCORE if crowd else 1.0))
    if crowd:
        scene.meta.setdefault("crowds", []).append(name)


def _files(paths: Sequence[Path]) -> list[Path]:
    """Annotation files among paths: JSON files that are named, or those of a folder and its ``annotations``."""
    if all(p.is_file() and p.suffix == ".json" for p in paths):
        return [*paths]
    if len(paths) != 1 or not paths[0].is_dir():
        return []
    for folder in (paths[0] / "annotations", paths[0]):
        found = [f for f in sorted(folder.glob("*.json")) if f.name.startswith(PARTS)]
        if found:
            return found
    return []


def _read(file: Path) -> tuple[dict[str, Any], bytes]:
    try:
        if file.stat().st_size > MAX_FILE_BYTES:
            raise UserError(f"'{file}' has more than {MAX_FILE_BYTES} bytes", todo="split it")
        raw = file.read_bytes()
        data = parse_json(decoded_text(raw))
    except UserError:
        raise
    except (OSError, ValueError, RecursionError) as e:
        raise UserError(f"'{file}' cannot be read as JSON ({e})") from None
    if not isinstance(data, dict) or not isinstance(data.get("images"), list):
        raise UserError(f"'{file}' is not in COCO's layout (no list of images)")
    if not isinstance(data.get("annotations"), list):
        raise UserError(f"'{file}' is not in COCO's layout (no list of annotations)")
    return data, hashlib.sha256(raw).digest()


def _part(data: Mapping[str, Any], file: Path) -> str:
    first = next(iter(data["annotations"]), None)
    if isinstance(first, dict):
        for part, key in zip(PARTS, ("caption", "bbox", "segments_info"), strict=True):
            if key in first:
                return part
    named = next((part for part in PARTS if file.name.startswith(part)), "")
    if named and first is None:
        return named
    raise UserError(f"'{file}' holds neither captions, nor instances, nor panoptic segments")


def _image_folder(paths: Sequence[Path], images: Path | None, first: str) -> Path:
    """The folder of the pictures: the one that is named, else the one below or beside the files that has the first."""
    if images is not None:
        return images.resolve()
    top = paths[0] if paths[0].is_dir() else paths[0].parent
    tops = [top, *([top.parent] if top.name == "annotations" else [])]
    for root in tops:
        for folder in (root / "images", root, *sorted(p for p in root.iterdir() if p.is_dir())):
            if first and (folder / first).is_file():
                return folder.resolve()
    raise UserError(
        f"COCO's picture '{first}' is not beside the annotations", todo="name the folder of the pictures with --images"
    )
