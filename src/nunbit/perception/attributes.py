"""Measured attributes: dominant colours of a box or mask, brightness, black and white or colour, and what kind of
picture it is.

Nothing here is learnt from pictures of others but the weights of `picture_kind`, fitted by tools/fit_picture_kind.py.

Legend: H and W sides in pixels, n pixels, k colour groups.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from nunbit.media.images import as_rgb
from nunbit.scene import Box, Scene

if TYPE_CHECKING:
    from PIL.Image import Image

SAMPLE_SIDE_PX = 48
GROUPS, ROUNDS = 5, 6
SHARE = 0.22
"""A second colour is named from this share of the object on."""
GRAY_CHROMA = 7.0
"""Mean Lab chroma below which a picture counts as black and white."""
DARK, BRIGHT = 32.0, 72.0
"""Mean Lab lightness (0 to 100) of a dark and of a bright picture."""
PURE_GRAY_CHROMA = 9.0
NEAR, COMMON = 13.0, 0.3
"""A colour group is background where this share of what surrounds the box is this near to it in Lab."""
CALLED_BY = 45.0
"""Chroma at which a colour counts twice: people call a gray and red machine red."""


def lab(rgb: np.ndarray) -> np.ndarray:
    """sRGB ``(..., 3)`` in 0 to 255 -> CIE Lab under D65, ``(..., 3)`` float32."""
    x = np.asarray(rgb, np.float32) / 255
    linear = np.where(x > 0.04045, ((x + 0.055) / 1.055) ** 2.4, x / 12.92)
    matrix = np.array(
        [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]],
        np.float32,
    )
    xyz = linear @ matrix.T / np.array([0.95047, 1.0, 1.08883], np.float32)
    f = np.where(xyz > 0.008856, np.cbrt(np.maximum(xyz, 1e-9)), 7.787 * xyz + 16 / 116)
    return np.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], -1).astype(
        np.float32
    )


def colour_name(value: Sequence[float]) -> str:
    """The everyday name of a Lab colour: by lightness where there is little chroma, else by hue, with brown and pink
    by lightness."""
    light, a, b = (float(v) for v in value)
    chroma = (a * a + b * b) ** 0.5
    if light < 17 or (light < 24 and chroma < 14):
        return "black"
    if chroma < PURE_GRAY_CHROMA + (3 if light < 45 else 0):
        return "white" if light > 78 else "gray" if light > 26 else "black"
    if (light > 88 and chroma < 13) or (light > 74 and chroma < 11):
        return "white"
    hue = np.degrees(np.arctan2(b, a)) % 360
    if hue < 14 or hue >= 340:
        return "pink" if light > 62 else "red" if chroma > 28 else "brown"
    if hue < 48:
        return (
            "pink"
            if light > 66 and chroma < 42 and hue < 36
            else "red"
            if chroma > 50 and hue < 43
            else "orange"
            if light > 58 and chroma > 38
            else "brown"
        )
    if hue < 78:
        return (
            "orange"
            if (light > 55 and chroma > 44) or (light > 66 and chroma > 28)
            else "yellow"
            if light > 80 and chroma > 30
            else "brown"
        )
    if hue < 107:
        return (
            "yellow"
            if light > 60 and chroma > 34
            else "brown"
            if light < 68 and hue < 92
            else "green"
            if hue > 98
            else "yellow"
            if light > 70
            else "brown"
        )
    if hue < 190:
        return "green"
    if hue < 292:
        return "blue"
    if hue < 322:
        return "blue" if chroma > 60 and hue < 308 else "purple"
    return "pink" if light > 60 else "purple"


def dominant_colours(image: Image, box: Box | None = None, mask: np.ndarray | None = None) -> list[tuple[str, float]]:
    """Named colours of what is in a box, with their shares, the largest first.

    With a mask ``(H, W)`` only its pixels count. With a box alone, colour groups that also fill the rim just outside
    the box are taken for
    background and left out, unless nothing would remain.
    """
    from PIL import Image as images

    frame = (0.0, 0.0, float(image.width), float(image.height)) if box is None else box
    crop = _whole_pixels(frame, image)
    shape = (SAMPLE_SIDE_PX, SAMPLE_SIDE_PX)
    inner = lab(np.asarray(as_rgb(image).crop(crop).resize(shape, images.Resampling.BOX))).reshape(-1, 3)
    weights = _ellipse(SAMPLE_SIDE_PX).ravel() if box is not None else np.ones(len(inner), np.float32)
    if mask is not None:
        small = (
            images.fromarray(np.ascontiguousarray(mask).astype(np.uint8) * 255)
            .crop(crop)
            .resize(shape, images.Resampling.BOX)
        )
        weights = (np.asarray(small) > 127).ravel().astype(np.float32)
    if weights.sum() < 1:
        return []
    centres, label = k_means(inner, GROUPS, ROUNDS)
    shares = np.bincount(label, weights, len(centres)) / weights.sum()
    if box is not None and mask is None:
        shares = _without_background(shares, centres, _rim(image, crop))
    shares = (
        shares * (1 + np.clip(np.hypot(centres[:, 1], centres[:, 2]) / CALLED_BY, 0, 1)) if box is not None else shares
    )
    shares = shares / shares.sum()
    named: dict[str, float] = defaultdict(float)
    for centre, share in zip(centres, shares.tolist(), strict=True):
        named[colour_name(centre)] += share
    return sorted(((n, s) for n, s in named.items() if s > 0.02), key=lambda item: -item[1])


def k_means(values: np.ndarray, k: int, rounds: int) -> tuple[np.ndarray, np.ndarray]:
    """Lloyd's algorithm from the spread of the values (each start is the value farthest from those before): centres
    ``(k', 3)``, labels ``(n,)``."""
    centres = values[np.abs(values - np.median(values, 0)).sum(1).argmin()][None]
    while len(centres) < k:
        far = ((values[:, None] - centres[None]) ** 2).sum(2).min(1)
        if far.max() < 25:
            break
        centres = np.concatenate([centres, values[far.argmax()][None]])
    label = np.zeros(len(values), np.int64)
    for _ in range(rounds):
        label = ((values[:, None] - centres[None]) ** 2).sum(2).argmin(1)
        centres = np.stack(
            [values[label == i].mean(0) if (label == i).any() else centres[i] for i in range(len(centres))]
        )
    return centres, label


def _without_background(shares: np.ndarray, centres: np.ndarray, rim: np.ndarray) -> np.ndarray:
    """Shares of the colour groups, less for those that are common around the box. Lightness counts half: grass in the
    shade is still grass."""
    if not len(rim):
        return shares
    scale = np.array([0.5, 1, 1], np.float32)
    near = (((rim[:, None] - centres[None]) * scale) ** 2).sum(2) < NEAR**2
    front = shares * (1 - 0.95 * np.clip(near.mean(0) / COMMON, 0, 1))
    return front / front.sum() if front.sum() >= 0.12 else shares


def _rim(image: Image, crop: tuple[int, int, int, int]) -> np.ndarray:
    """Lab colours of a strip around a box, ``(n, 3)``; empty where the box fills the picture."""
    from PIL import Image as images

    x1, y1, x2, y2 = crop
    dx, dy = max(2, (x2 - x1) // 8), max(2, (y2 - y1) // 8)
    outer = (max(0, x1 - dx), max(0, y1 - dy), min(image.width, x2 + dx), min(image.height, y2 + dy))
    side = SAMPLE_SIDE_PX
    pixels = lab(np.asarray(as_rgb(image).crop(outer).resize((side, side), images.Resampling.BOX)))
    xs = outer[0] + (np.arange(side) + 0.5) * (outer[2] - outer[0]) / side
    ys = outer[1] + (np.arange(side) + 0.5) * (outer[3] - outer[1]) / side
    outside = ~(((ys >= y1) & (ys < y2))[:, None] & ((xs >= x1) & (xs < x2))[None])
    return pixels[outside]


def _ellipse(side: int) -> np.ndarray:
    """Weights ``(side, side)``: 1 in the ellipse that fills the square, a little in the corners, where a thing rarely
    is."""
    at = (np.arange(side) + 0.5) / side * 2 - 1
    return np.where(at[:, None] ** 2 + at[None] ** 2 <= 1, 1.0, 0.15).astype(np.float32)


def _whole_pixels(box: Box, image: Image) -> tuple[int, int, int, int]:
    x1, y1 = min(int(box[0]), image.width - 1), min(int(box[1]), image.height - 1)
    return x1, y1, max(x1 + 1, min(image.width, round(box[2]))), max(y1 + 1, min(image.height, round(box[3])))


def picture_facts(image: Image) -> dict[str, str]:
    """Brightness (dark, medium, bright), colour (colour, black and white) and the commonest colours of the whole
    picture."""
    from PIL import Image as images

    values = lab(np.asarray(as_rgb(image).resize((64, 64), images.Resampling.BOX)))
    light, chroma = float(values[..., 0].mean()), float(np.hypot(values[..., 1], values[..., 2]).mean())
    # A tinted old photograph has chroma but one hue; a small colourful thing on gray has little mean chroma but some
    # strong pixels.
    strong = float(np.percentile(np.hypot(values[..., 1], values[..., 2]), 98))
    return {
        "brightness": "dark" if light < DARK else "bright" if light > BRIGHT else "medium",
        "colour": "black and white" if chroma < GRAY_CHROMA and strong < 2 * GRAY_CHROMA else "colour",
        "main colours": ", ".join(n for n, s in dominant_colours(image)[:3] if s >= 0.12),
    }


class ColourAttributes:
    """Adds ``colour`` (and ``colours``, where there is a second one) to the objects of a Scene that have none."""

    name = "colours-1"

    def annotate(self, image: Image, scene: Scene) -> None:
        """In place. A segment's mask is used where an object has one."""
        for o in scene.objects:
            if "colour" in o.attributes:
                continue
            mask = None if o.segment is None or scene.segment_map is None else scene.segment_map == o.segment
            found = dominant_colours(image, o.box, mask)
            if found:
                o.attributes["colour"] = found[0][0]
            if len(found) > 1 and found[1][1] >= SHARE:
                o.attributes["colours"] = f"{found[0][0]}, {found[1][0]}"
