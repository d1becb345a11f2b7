"""What kind of picture it is (photograph, drawing, screenshot, document, chart), from measured statistics and a small
network.

Parts are good at different kinds: the COCO detector at photographs, the world's encoder at drawn artwork. The
estimate says whom to trust.
The weights come from tools/fit_picture_kind.py.

Legend: H and W sides in pixels, F statistics, D hidden units, K = 5 kinds.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nunbit.media.images import as_rgb
from nunbit.perception.text_regions import Region, find_regions

if TYPE_CHECKING:
    from PIL.Image import Image

KINDS = ("photograph", "drawing", "screenshot", "document", "chart")
WEIGHTS = Path(__file__).parent / "weights" / "picture-kind.json"
SIDE_PX = 640
"""Larger pictures are subsampled without smoothing, which would make noise look flat."""
GLANCE_PX = 256
"""Side of the part in the middle that `kind_at_a_glance` looks at."""
FLAT, NEAR, STRONG = 1, 5, 60
"""Differences of neighbouring pixels (of 255): flat, nearly flat, and a strong edge."""


def statistics(image: Image, regions: Sequence[Region]) -> np.ndarray:
    """Statistics of the picture ``(F,)``: flatness, edges, number and share of colours, saturation, straight lines,
    writing."""
    return _statistics(_pixels(image), float(image.width * image.height), regions)


def _pixels(image: Image) -> np.ndarray:
    """The picture ``(H, W, 3)`` int16, each side from 2 to 640 pixels: neighbours are compared."""
    step = max(1, -(-max(image.size) // SIDE_PX))
    rgb = np.asarray(as_rgb(image))[::step, ::step].astype(np.int16)
    missing = [(0, max(0, 2 - side)) for side in rgb.shape[:2]]
    return np.pad(rgb, [*missing, (0, 0)], mode="edge") if min(rgb.shape[:2]) < 2 else rgb


def _statistics(rgb: np.ndarray, area: float, regions: Sequence[Region]) -> np.ndarray:
    """`statistics` of pixels ``(H, W, 3)``, with the area in pixels that the regions are a share of: ``(F,)``."""
    red, green, blue = (np.ascontiguousarray(rgb[..., i]) for i in range(3))  # plane by plane is five times faster
    right = _largest(*(np.abs(np.diff(p, axis=1)) for p in (red, green, blue)))[:-1]
    down = _largest(*(np.abs(np.diff(p, axis=0)) for p in (red, green, blue)))[:, :-1]
    change = np.maximum(right, down)
    codes = (red >> 3) * 1024 + (green >> 3) * 32 + (blue >> 3)
    counts = np.bincount(codes.ravel())
    shares = np.sort(counts[counts > 0])[::-1] / codes.size
    lowest = np.minimum(np.minimum(red, green), blue)
    spread = _largest(red, green, blue) - lowest
    flat = change <= FLAT
    lines = [r for r in regions if r.regular >= 0.4 and r.letters >= 2]
    written = sum((r.box[2] - r.box[0]) * (r.box[3] - r.box[1]) for r in lines) / area
    entropy = float(-(shares * np.log2(shares)).sum())
    return np.array([
        (change == 0).mean(), ((change > FLAT) & (change <= NEAR)).mean(), flat.mean(), (change <= NEAR).mean(),
        (change > STRONG).mean(), ((change > NEAR) & (change <= 30)).mean(),
        np.log1p(len(shares)), entropy, shares[0], shares[:4].sum(), shares[:16].sum(),
        (spread > 40).mean(), (flat & (spread[:-1, :-1] > 40)).mean(), (flat & (lowest[:-1, :-1] > 235)).mean(),
        _straight(right > 20, 0), _straight(down > 20, 1),
        min(written, 1.0), np.log1p(len(lines)), float(np.mean([r.regular for r in lines])) if lines else 0.0,
    ], np.float32)  # fmt: skip


def _largest(*planes: np.ndarray) -> np.ndarray:
    """The largest of the values ``(H, W)`` at each place."""
    return np.maximum(np.maximum(planes[0], planes[1]), planes[2])


def _straight(edge: np.ndarray, axis: int) -> float:
    """Share of edge pixels in unbroken straight runs of 24 pixels along an axis, ``(H, W)`` -> number."""
    work = edge.T if axis == 0 else edge
    sums = np.cumsum(np.pad(work, ((0, 0), (1, 0))).astype(np.int32), axis=1)
    full = sums[:, 24:] - sums[:, :-24] == 24
    return float(full.sum() / max(1, work.sum()))


@lru_cache(maxsize=1)
def _model() -> dict[str, np.ndarray]:
    """Mean and scale of the statistics ``(F,)``, weights and biases of a hidden layer of D units and of the output:
    ``(D, F)``, ``(D,)``, ``(K, D)``, ``(K,)``."""
    held = json.loads(WEIGHTS.read_text(encoding="utf-8"))
    return {k: np.array(held[k], np.float32) for k in ("mean", "scale", "weight_1", "bias_1", "weight_2", "bias_2")}


def kind_probabilities(image: Image, regions: Sequence[Region] | None = None) -> dict[str, float]:
    """How likely each kind is. ``regions`` are the picture's text regions, where they are known already."""
    regions = find_regions(image)[0] if regions is None else regions
    return _probabilities(statistics(image, regions))


def kind_at_a_glance(image: Image) -> dict[str, float]:
    """The same from the middle of the picture alone and without its writing, in a few milliseconds.

    Good enough to tell a photograph from the rest.
    """
    rgb = _pixels(image)
    top, left = (max(0, (side - GLANCE_PX) // 2) for side in rgb.shape[:2])
    middle = rgb[top : top + GLANCE_PX, left : left + GLANCE_PX]
    return _probabilities(_statistics(middle, float(middle.shape[0] * middle.shape[1]), ()))


def _probabilities(values: np.ndarray) -> dict[str, float]:
    """Statistics ``(F,)`` -> how likely each kind is."""
    m = _model()
    x = np.clip((values - m["mean"]) / m["scale"], -4, 4)
    logits = m["weight_2"] @ np.maximum(m["weight_1"] @ x + m["bias_1"], 0) + m["bias_2"]
    chance = np.exp(logits - logits.max())
    return {k: round(float(p), 3) for k, p in zip(KINDS, chance / chance.sum(), strict=True)}


def picture_kind(image: Image, regions: Sequence[Region] | None = None) -> str:
    """The likeliest kind."""
    found = kind_probabilities(image, regions)
    return max(found, key=lambda k: found[k])
