"""Labelled pictures whose things can be moved onto other backgrounds: drawn ones, cut-out photographs, and those of a
folder, which cannot.

Letters: P pictures, K names, S the side of a picture in pixels.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from nunbit.errors import UserError, unknown_name
from nunbit.media import decode
from nunbit.media.sources import PICTURE_ENDINGS
from nunbit.world import composites, things
from nunbit.world.artwork import artwork_tile
from nunbit.world.base import Language, pick
from nunbit.world.cutouts import Cutout, cutouts, pixels_of
from nunbit.world.names import korean

SOURCES = ("world", "photographs")
SIDES_PX = {"world": 64, "photographs": 224}
MOST_NAMES = 500
LARGE = 0.85
"""Share of a picture's side that its thing takes."""


@dataclass(frozen=True, slots=True)
class Thing:
    """A thing without a background: pixels with transparency ``(h, w, 4)`` uint8, and its English name."""

    name: str
    rgba: np.ndarray = field(repr=False)


@dataclass(frozen=True, slots=True)
class LabelledSet:
    """Pictures of things.

    Attributes:
        source: ``world``, ``photographs``, or a folder.
        names: the K names, in English or as the folder has them.
        pictures: P pictures ``(S, S, 3)`` uint8.
        labels: P positions in ``names``.
        things: one for each picture; empty for a folder.
    """

    source: str
    names: tuple[str, ...]
    pictures: list[np.ndarray]
    labels: list[int]
    things: list[Thing]

    def called(self, language: Language) -> list[str]:
        """The names in a language, where they are known in it."""
        return [korean(n) for n in self.names] if language == "ko" and self.source in SOURCES else [*self.names]

    def images(self) -> list[Image.Image]:
        """The pictures for a processor."""
        return [Image.fromarray(p) for p in self.pictures]


def labelled(source: str, limit: int, seed: int, known: Collection[str] | None = None) -> LabelledSet:
    """At most ``limit`` pictures, the names in equal parts.

    Args:
        known: only names among these; all if None.
        source: ``world`` (drawings), ``photographs`` (cut-outs), or a folder with one folder of pictures for each name.

    Raises:
        UserError: another source, a package that is missing, or a folder without two names.
    """
    rng = np.random.default_rng(seed)
    if source not in SOURCES:
        return _folder(source, limit, rng)
    found = _world(rng, limit, known) if source == "world" else _photographs(rng, limit, known)
    names = tuple(sorted({t.name for t in found}))
    side = SIDES_PX[source]
    pictures = [paste(background(source, rng, side), t.rgba, LARGE, (0.5, 0.5)) for t in found]
    return LabelledSet(source, names, pictures, [names.index(t.name) for t in found], found)


def background(source: str, rng: np.random.Generator, side: int) -> np.ndarray:
    """A background ``(side, side, 3)``: drawn as in the world, or a part of a photograph or a plain colour."""
    if source == "world":
        whole = things.background(rng)
        y, x = (int(v) for v in rng.integers(0, whole.shape[0] - side + 1, 2))
        return whole[y : y + side, x : x + side].copy()
    return composites.background(rng, side)


def paste(canvas: np.ndarray, rgba: np.ndarray, share: float, middle: tuple[float, float]) -> np.ndarray:
    """A copy of a canvas with a thing on it.

    Args:
        share: of the canvas' shorter side that the thing's longer side takes.
        middle: of the thing, in shares of the sides; it is moved so that the thing is within the canvas.
    """
    height, width = canvas.shape[:2]
    scale = share * min(height, width) / max(rgba.shape[:2])
    size = max(4, round(rgba.shape[1] * scale)), max(4, round(rgba.shape[0] * scale))
    tile = np.asarray(Image.fromarray(rgba).resize(size, Image.Resampling.LANCZOS), np.float32)
    x = min(max(0, round(middle[0] * width - size[0] / 2)), max(0, width - size[0]))
    y = min(max(0, round(middle[1] * height - size[1] / 2)), max(0, height - size[1]))
    out = canvas.copy()
    part = out[y : y + size[1], x : x + size[0]]
    tile = tile[: part.shape[0], : part.shape[1]]
    part[...] = np.clip(part + tile[..., 3:] / 255 * (tile[..., :3] - part) + 0.5, 0, 255).astype(np.uint8)
    return out


def _world(rng: np.random.Generator, limit: int, known: Collection[str] | None) -> list[Thing]:
    names = things.artwork_names()
    order = [int(i) for i in rng.permutation(len(names)) if known is None or names[int(i)] in known]
    out = []
    for n in range(limit):
        number = order[n % len(order)]
        ink, alpha = artwork_tile(pick(rng, things.STYLES), number, 96, bool(rng.random() < 0.5))
        out.append(Thing(names[number], np.concatenate([ink, 255 * alpha], -1).round().clip(0, 255).astype(np.uint8)))
    return out


def _photographs(rng: np.random.Generator, limit: int, known: Collection[str] | None) -> list[Thing]:
    by_name: dict[str, list[Cutout]] = {}
    for one in cutouts():
        if known is None or one.name in known:
            by_name.setdefault(one.name, []).append(one)
    names = sorted(by_name)
    order = [names[int(i)] for i in rng.permutation(len(names))]
    chosen = [order[n % len(order)] for n in range(limit)]
    return [Thing(name, pixels_of(pick(rng, by_name[name]))) for name in chosen]


def _folder(source: str, limit: int, rng: np.random.Generator) -> LabelledSet:
    folder = Path(source)
    if not folder.is_dir():
        raise unknown_name("set of pictures", source, (*SOURCES, "a folder"))
    names = tuple(sorted(p.name for p in folder.iterdir() if p.is_dir() and _files(p)))
    if not 2 <= len(names) <= MOST_NAMES:
        raise UserError(
            f"{len(names)} folders with pictures in '{source}'",
            allowed=f"2 to {MOST_NAMES}, each named after its things",
        )
    each = max(1, limit // len(names))
    pictures: list[np.ndarray] = []
    labels: list[int] = []
    for label, name in enumerate(names):
        files = _files(folder / name)
        for i in rng.permutation(len(files))[:each]:
            pictures.append(np.asarray(decode(files[int(i)])))
            labels.append(label)
    return LabelledSet(source, tuple(n.replace("_", " ") for n in names), pictures[:limit], labels[:limit], [])


def _files(folder: Path) -> Sequence[Path]:
    return sorted(p for p in folder.iterdir() if p.suffix.lower() in PICTURE_ENDINGS and p.is_file())
