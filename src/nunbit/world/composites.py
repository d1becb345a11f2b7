"""Pictures composed of cut-out photographs on photographed, drawn and plain backgrounds, with exact Scenes.

Backgrounds are files of wallpaper packages where they are installed; without them drawn and plain ones are used.
Source: pasting cut-outs for detection, arXiv 1708.01642 (Cut, Paste and Learn); 2012.07177.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from nunbit.scene import Scene, SceneObject, Segment, TextLine
from nunbit.world import lexicon
from nunbit.world.base import Split, pick
from nunbit.world.colours import main_colour
from nunbit.world.cutouts import Cutout, cutouts, pixels_of
from nunbit.world.text import LATIN_FONTS, font_for, line_height, paint, width

SIZES_PX = ((480, 360), (360, 480), (400, 400), (512, 384), (384, 288))
_NATURE, _WALLPAPERS = Path("/usr/share/backgrounds/mate/nature"), Path("/usr/share/wallpapers")
BACKGROUNDS = {
    "train": (
        _NATURE / "Dune.jpg",
        _NATURE / "GreenMeadow.jpg",
        _NATURE / "Aqua.jpg",
        _NATURE / "RainDrops.jpg",
        _NATURE / "Blinds.jpg",
        _NATURE / "Wood.jpg",
        *(
            _WALLPAPERS / n / "contents/images/2560x1600.jpg"
            for n in ("BytheWater", "OneStandsOut", "DarkestHour", "PastelHills", "Autumn")
        ),
        _WALLPAPERS / "Altai/contents/images/5120x2880.png",
        _WALLPAPERS / "Honeywave/contents/images/5120x2880.jpg",
    ),
    "test": (
        _WALLPAPERS / "summer_1am/contents/images/2560x1600.jpg",
        _WALLPAPERS / "Volna/contents/images/5120x2880.jpg",
        _WALLPAPERS / "IceCold/contents/images/5120x2880.png",
        _WALLPAPERS / "Grey/contents/images/2560x1600.jpg",
    ),
}
MAX_OBJECTS = 6


@dataclass(slots=True)
class Composite:
    """Pixels ``(H, W, 3)`` uint8 with their exact Scene; ``background`` says what lies under the things: photograph,
    plain or drawing."""

    pixels: np.ndarray
    scene: Scene
    background: str


@lru_cache(maxsize=2)
def _cutouts(split: str) -> tuple[Cutout, ...]:
    return tuple(c for c in cutouts() if c.held_out == (split == "test"))


@lru_cache(maxsize=24)
def _photograph(file: Path) -> np.ndarray | None:
    """A background at a quarter of a megapixel; None where the package is not installed."""
    from PIL import Image

    if not file.is_file():
        return None
    opened = Image.open(file)
    opened.draft("RGB", (1024, 768))
    image = opened.convert("RGB")
    image.thumbnail((900, 700))
    return np.asarray(image)


def draw(rng: np.random.Generator, split: Split = "train", *, most: int = MAX_OBJECTS) -> Composite:
    """1 to ``most`` things; in the test split only things that no training picture shows, on backgrounds that none has.

    A thing hides at most a fifth of another one.
    """
    side = "train" if split == "train" else "test"
    w, h = pick(rng, SIZES_PX)
    pixels, kind = _background(rng, side, w, h)
    scene = Scene(w, h, meta={"kind": "photograph" if kind == "photograph" else ""})
    owner = np.zeros((h, w), np.int32)
    areas: list[list[int]] = []
    chosen = _cutouts(side)
    count = int(min(most, 1 + rng.poisson(1.3)))
    for _ in range(count):
        one = pick(rng, chosen)
        again = int(rng.integers(2, 4)) if rng.random() < 0.15 and count < 4 else 1
        for _ in range(again):
            _paste(rng, pixels, owner, scene, areas, one, large=count == 1)
    scene.segment_map = owner
    numbers: dict[str, int] = {}
    for i, o in enumerate(scene.objects, start=1):
        numbers[o.name] = numbers.get(o.name, 0) + 1
        scene.segments.append(Segment(i, o.name, numbers[o.name]))
    if rng.random() < 0.12:
        _write(rng, pixels, scene)
    return Composite(pixels, scene, kind)


def _background(rng: np.random.Generator, side: str, w: int, h: int) -> tuple[np.ndarray, str]:
    draws = rng.random()
    if draws < 0.6:
        whole = _photograph(pick(rng, BACKGROUNDS[side]))
        if whole is not None:
            return _crop(rng, whole, w, h), "photograph"
    if draws < 0.8:
        from PIL import Image

        from nunbit.world.things import background

        return np.array(Image.fromarray(background(rng)).resize((w, h))), "drawing"
    pixels = np.empty((h, w, 3), np.uint8)
    pixels[:] = 255 if rng.random() < 0.4 else rng.integers(60, 256, 3)
    return pixels, "plain"


def background(rng: np.random.Generator, side: int) -> np.ndarray:
    """A square background ``(side, side, 3)`` uint8 of held-out pictures: of a photograph, drawn or plain."""
    return _background(rng, "test", side, side)[0]


def _crop(rng: np.random.Generator, whole: np.ndarray, w: int, h: int) -> np.ndarray:
    """A random part of a photograph, at the size that is wanted."""
    from PIL import Image

    share = float(rng.uniform(0.6, 1.0))
    height, wide = whole.shape[:2]
    cut_h = int(min(height, wide * h / w) * share)
    cut_w = int(cut_h * w / h)
    x, y = int(rng.integers(0, wide - cut_w + 1)), int(rng.integers(0, height - cut_h + 1))
    image = Image.fromarray(whole[y : y + cut_h, x : x + cut_w]).resize((w, h), Image.Resampling.BILINEAR)
    if rng.random() < 0.5:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return np.array(image)


def _paste(
    rng: np.random.Generator,
    pixels: np.ndarray,
    owner: np.ndarray,
    scene: Scene,
    areas: list[list[int]],
    one: Cutout,
    large: bool,
) -> None:
    from PIL import Image

    rgba = Image.fromarray(pixels_of(one))
    target = min(scene.width, scene.height) * float(rng.uniform(0.45, 0.9) if large else rng.uniform(0.2, 0.5))
    scale = target / max(rgba.size)
    rgba = rgba.resize(
        (max(8, round(rgba.width * scale)), max(8, round(rgba.height * scale))), Image.Resampling.LANCZOS
    )
    if rng.random() < 0.5:
        rgba = rgba.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    ink = np.asarray(rgba, np.float32)
    colour, alpha = ink[..., :3] * float(rng.uniform(0.85, 1.1)), ink[..., 3:] / 255
    h, w = alpha.shape[:2]
    solid = alpha[..., 0] > 0.5
    if h > scene.height or w > scene.width or solid.sum() < 40:
        return
    for _ in range(14):
        x, y = int(rng.integers(0, scene.width - w + 1)), int(rng.integers(0, scene.height - h + 1))
        under = owner[y : y + h, x : x + w]
        hidden = np.bincount(under[solid], minlength=len(areas) + 1)[1:]
        if all(areas[k][1] - hidden[k] >= 0.8 * areas[k][0] for k in range(len(areas))):
            break
    else:
        return
    part = pixels[y : y + h, x : x + w]
    part[...] = np.clip(part + alpha * (colour - part) + 0.5, 0, 255).astype(np.uint8)
    under[solid] = len(areas) + 1
    for k, loss in enumerate(hidden):
        areas[k][1] -= int(loss)
    areas.append([int(solid.sum())] * 2)
    rows, columns = np.flatnonzero(solid.any(1)), np.flatnonzero(solid.any(0))
    box = (float(x + columns[0]), float(y + rows[0]), float(x + columns[-1] + 1), float(y + rows[-1] + 1))
    main = main_colour(np.clip(colour[solid], 0, 255))
    scene.objects.append(SceneObject(one.name, box, attributes={"colour": main} if main else {}, segment=len(areas)))


def _write(rng: np.random.Generator, pixels: np.ndarray, scene: Scene) -> None:
    """One line on a plate along the lower edge."""
    text = pick(rng, lexicon.SIGNS) if rng.random() < 0.6 else pick(rng, lexicon.KOREAN_SIGNS)
    font, size = font_for(text, pick(rng, LATIN_FONTS)), int(rng.integers(22, 36))
    wide, tall = width(text, font, size), line_height(size)
    if wide > scene.width - 20:
        return
    x, y = int(rng.integers(8, scene.width - wide - 8)), scene.height - tall - int(rng.integers(6, 16))
    dark = rng.random() < 0.5
    pixels[y - 4 : y + tall + 4, x - 6 : x + wide + 6] = 20 if dark else 245
    ink = (250, 250, 250) if dark else (20, 20, 20)
    glyphs = paint(pixels, x, y, text, font=font, size_px=size, colour=ink)
    b = np.array([g.box for g in glyphs])
    scene.text_lines.append(
        TextLine.from_box(
            text, (float(b[:, 0].min()), float(b[:, 1].min()), float(b[:, 2].max()), float(b[:, 3].max()))
        )
    )
