"""Where pictures come from: COCO's files, a folder of pictures, or the world. Scenes are made one at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from nunbit.data.teacher.coco_source import is_coco, read_coco
from nunbit.errors import UserError
from nunbit.files import whole
from nunbit.media.sources import PICTURE_ENDINGS
from nunbit.scene import Scene
from nunbit.world.base import Picture, generator

MOST_PICTURES = 2_000_000
WORLD = "world"


@dataclass(frozen=True, slots=True)
class SourcePicture:
    """A picture of a source.

    Attributes:
        id: its name in items; each once in a source.
        image: its path below the source's folder of pictures, as items name it.
        scene: makes its Scene.
    """

    id: str
    image: str
    scene: Callable[[], Scene]


@dataclass(frozen=True, slots=True)
class Source:
    """Pictures to write about.

    Attributes:
        name: what the manifest says of it.
        digest: changes with what is in it.
        images: the folder that the items' paths are relative to.
        pictures: in a fixed order.
    """

    name: str
    digest: str
    images: Path
    pictures: Sequence[SourcePicture]


def open_source(paths: Sequence[str], out: Path, *, images: Path | None, pictures: int, seed: int) -> Source:
    """The source that a user names.

    Args:
        paths: "world", a folder of pictures, a folder in COCO's layout, or COCO's annotation files.
        out: where pictures of the world are written, and Scenes of perception kept.
        images: the folder of COCO's pictures where it is not beside the annotations.
        pictures: how many the world draws.

    Raises:
        UserError: nothing there, or nothing usable in it.
    """
    if [*paths] == [WORLD]:
        return _world(out, pictures, seed)
    missing = [p for p in paths if not Path(p).exists()]
    if missing:
        raise UserError(
            f"there is no '{missing[0]}'", allowed="world, a folder of pictures, or COCO's annotation files or folder"
        )
    files = [Path(p) for p in paths]
    if is_coco(files):
        rows, digest, root = read_coco(files, images)
        return Source(", ".join(f.name for f in files), digest, root, [SourcePicture(*row) for row in rows])
    if len(files) != 1 or not files[0].is_dir():
        raise UserError(f"{len(files)} paths that are not COCO's annotation files", allowed="one folder of pictures")
    return _folder(files[0], out)


def _folder(folder: Path, out: Path) -> Source:
    from nunbit.media import decode
    from nunbit.perception.build import PerceptionConfig, build_perception

    found = sorted(p for p in folder.rglob("*") if p.suffix.lower() in PICTURE_ENDINGS and p.is_file())
    if not found or len(found) > MOST_PICTURES:
        raise UserError(f"'{folder}' holds {len(found)} pictures", allowed=f"1 to {MOST_PICTURES}: PNG, JPEG, WebP ...")
    perception = build_perception(PerceptionConfig(cache=str(out / "perception")))
    digest = hashlib.sha256()
    rows = []

    def look(path: Path) -> Scene:
        return perception([decode(path)])[0]

    for path in found:
        name = path.relative_to(folder).as_posix()
        digest.update(f"{name}\n{path.stat().st_size}\n".encode())
        rows.append(SourcePicture(name, name, partial(look, path)))
    return Source(folder.name, digest.hexdigest()[:16], folder.resolve(), rows)


def _world(out: Path, pictures: int, seed: int) -> Source:
    if not 1 <= pictures <= MOST_PICTURES:
        raise UserError(f"{pictures} pictures of the world", allowed=f"1 to {MOST_PICTURES}")
    images = out / "images"
    images.mkdir(parents=True, exist_ok=True)
    rows = []
    for i in range(pictures):
        name = f"world-{seed}-{i:07}"
        rows.append(SourcePicture(name, f"{name}.png", partial(_drawn, i, seed, images / f"{name}.png")))
    return Source(f"{WORLD}:{pictures}", f"seed {seed}", images, rows)


def _drawn(index: int, seed: int, path: Path) -> Scene:
    """The Scene of a world picture, whose file is written where it is not there yet."""
    from PIL import Image

    pixels, scene = world_picture(index, seed)
    if not path.exists():
        with whole(path) as beside:
            Image.fromarray(pixels).save(beside, format="PNG")
    return scene


def world_picture(index: int, seed: int) -> tuple[np.ndarray, Scene]:
    """Pixels ``(H, W, 3)`` uint8 and the Scene of a picture of named things: artwork and shapes, or cut-out photographs
    where their package is installed."""
    from nunbit.world import composites, things
    from nunbit.world.cutouts import FOLDER

    rng = generator(seed, index, "train")
    made: Picture | composites.Composite = things.draw(rng, "train")
    for _ in range(20):
        made = composites.draw(rng, "train") if index % 2 and FOLDER.is_dir() else things.draw(rng, "train")
        if made.scene.objects:
            break
    made.scene.meta["complete"] = "all"
    return made.pixels, made.scene
