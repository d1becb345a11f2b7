"""Artwork of the domain *things*: one atlas a style, cut into tiles, and random variations of a tile.

Two styles are under a share-alike licence and no part of nunbit's wheel: they are in the package
``nunbit-artwork-share-alike`` (folder ``artwork-share-alike`` of the repository). Where it is not installed, another
style stands in for them.
"""

from __future__ import annotations

import importlib.util
import logging
from functools import cache, lru_cache
from pathlib import Path

import numpy as np

STYLES = ("noto", "twemoji", "openmoji", "emojione")
MORE_STYLES = ("noto-v1", "emojione-v1", "fxemoji", "streamline-emojis")
"""Used in training only; three of them lack some of the things."""
UNSEEN_STYLE = "fluent-emoji-flat"
ART = Path(__file__).parent / "art"
SHARE_ALIKE = ("openmoji", "emojione-v1")
SHARE_ALIKE_PACKAGE = "nunbit_artwork_share_alike"
TILE_PX, COLUMNS = 64, 12
_log = logging.getLogger(__name__)


@cache
def missing_styles() -> tuple[str, ...]:
    """Styles whose atlas is not installed. Pictures differ without them, and so do figures."""
    return tuple(s for s in (*STYLES, *MORE_STYLES, UNSEEN_STYLE) if _file(s) is None)


def _file(style: str) -> Path | None:
    """The atlas of a style: in nunbit, in the installed package, or in the repository."""
    folders = [ART]
    if style in SHARE_ALIKE:
        spec = importlib.util.find_spec(SHARE_ALIKE_PACKAGE)
        folders += [Path(p) for p in (spec.submodule_search_locations or ())] if spec else []
        folders.append(Path(__file__).parents[3] / "artwork-share-alike" / SHARE_ALIKE_PACKAGE)
    return next((f / f"{style}.webp" for f in folders if (f / f"{style}.webp").is_file()), None)


@cache
def _atlas(style: str):
    from PIL import Image

    file = _file(style)
    if file is None:
        there = [s for s in STYLES if s not in missing_styles()]
        _log.warning(
            "the artwork '%s' is not installed (pip install nunbit-artwork-share-alike, or use the repository): "
            "'%s' stands in for it, and pictures differ from those of published figures",
            style,
            there[0],
        )
        return _atlas(there[0])
    return Image.open(file).convert("RGBA")


@lru_cache(maxsize=18000)
def artwork_tile(style: str, index: int, size_px: int, flip: bool) -> tuple[np.ndarray, np.ndarray]:
    """Colour ``(h, w, 3)``, 0 to 255, and alpha ``(h, w, 1)``, 0 to 1, of one artwork object, cropped to its ink.

    Args:
        index: of the object among `nunbit.world.thing_names.artwork_names`.
        size_px: the longer side.
        flip: mirrored.
    """
    from PIL import Image

    y, x = index // COLUMNS * TILE_PX, index % COLUMNS * TILE_PX
    tile = _atlas(style).crop((x, y, x + TILE_PX, y + TILE_PX))
    ink = tile.getchannel("A").point(lambda a: 255 if a > 40 else 0).getbbox()
    if ink is None:  # this style has no such thing
        return artwork_tile(STYLES[index % len(STYLES)], index, size_px, flip)
    tile = tile.crop(ink)
    scale = size_px / max(tile.size)
    tile = tile.resize(
        (max(6, round(tile.width * scale)), max(6, round(tile.height * scale))), Image.Resampling.LANCZOS
    )
    rgba = np.asarray(tile.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if flip else tile, np.float32)
    return rgba[..., :3].astype(np.float16).astype(np.float32), rgba[..., 3:] / 255.0


def vary(rng: np.random.Generator, colour: np.ndarray, alpha: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same artwork turned, stretched and in other tones, as an artist of another style might draw it.

    An unseen style differs from the known ones in just that, so variation trains for it.

    Args:
        colour: ``(h, w, 3)``, 0 to 255.
        alpha: ``(h, w, 1)``, 0 to 1.
    """
    from PIL import Image

    if rng.random() < 0.6:
        angle = float(rng.uniform(-20, 20))
        stretch = float(np.exp(rng.uniform(-0.18, 0.18)))
        tile = Image.fromarray(np.concatenate([colour, alpha * 255], 2).astype(np.uint8), "RGBA")
        size = max(6, round(tile.width * stretch)), max(6, round(tile.height / stretch))
        turned = tile.resize(size, Image.Resampling.BILINEAR).rotate(angle, Image.Resampling.BILINEAR, expand=True)
        turned.thumbnail((max(tile.size),) * 2, Image.Resampling.BILINEAR)
        turned = turned.crop(turned.getchannel("A").point(lambda a: 255 if a > 40 else 0).getbbox())
        rgba = np.asarray(turned, np.float32)
        colour, alpha = rgba[..., :3], rgba[..., 3:] / 255.0
    if rng.random() < 0.7:
        grey = colour.mean(2, keepdims=True)
        tint = rng.uniform(0.75, 1.25, 3) * rng.uniform(0.8, 1.15)
        colour = (grey + (colour - grey) * rng.uniform(0.3, 1.5)) * tint + rng.uniform(-20, 20)
        if rng.random() < 0.12:
            colour = np.roll(colour, int(rng.integers(1, 3)), 2)  # red is green now
        colour = np.clip(colour, 0, 255).astype(np.float32)
    return colour, alpha
