"""Domain *things*: artwork objects in several styles and drawn shapes on backgrounds from flat to textured."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache

import numpy as np

from nunbit.scene import Relation, Scene, SceneObject, Segment
from nunbit.world.artwork import MORE_STYLES, STYLES, UNSEEN_STYLE, artwork_tile, vary
from nunbit.world.base import COLOURS, DOMAINS, SIZE_PX, Domain, Picture, Split, pick
from nunbit.world.canvas import polygon_mask, speckle
from nunbit.world.text import blend
from nunbit.world.thing_names import SHAPES, artwork_names, names
from nunbit.world.thing_questions import describe, make_questions

SIZES_PX = (24, 32, 40, 48, 56, 64, 76)
_ARM = 0.33
_CROSS = [(-_ARM, -1), (_ARM, -1), (_ARM, -_ARM), (1, -_ARM), (1, _ARM), (_ARM, _ARM)]
_CROSS += [(-x, -y) for x, y in _CROSS]


@lru_cache(maxsize=600)
def shape_mask(name: str, size_px: int) -> np.ndarray:
    """Alpha ``(h, w, 1)`` of a shape, 0 to 1."""
    turn = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    unit: dict[str, list[tuple[float, float]]] = {
        "circle": [(np.sin(a), -np.cos(a)) for a in turn],
        "square": [(-1, -1), (1, -1), (1, 1), (-1, 1)],
        "triangle": [(0, -1), (1, 1), (-1, 1)],
        "diamond": [(0, -1), (0.75, 0), (0, 1), (-0.75, 0)],
        "hexagon": [(np.sin(a), -np.cos(a)) for a in turn[::10]],
        "star": [
            ((1 if i % 2 == 0 else 0.42) * np.sin(i * np.pi / 5), -(1 if i % 2 == 0 else 0.42) * np.cos(i * np.pi / 5))
            for i in range(10)
        ],
        "cross": _CROSS,
        "heart": [
            (np.sin(a) ** 3, -(13 * np.cos(a) - 5 * np.cos(2 * a) - 2 * np.cos(3 * a) - np.cos(4 * a)) / 16)
            for a in turn
        ],
    }
    half = size_px / 2
    return polygon_mask([(half + half * x, half + half * y) for x, y in unit[name]])[2][..., None]


def background(rng: np.random.Generator) -> np.ndarray:
    """Pixels ``(SIZE_PX, SIZE_PX, 3)`` uint8: flat, gradient, two-tone or textured, in light to mid tones."""
    base = rng.integers(90, 256, 3).astype(np.float32)
    kind = rng.random()
    if kind < 0.35:
        canvas = np.broadcast_to(base, (SIZE_PX, SIZE_PX, 3))
    elif kind < 0.6:
        other = rng.integers(90, 256, 3).astype(np.float32)
        t = np.linspace(0, 1, SIZE_PX, dtype=np.float32)
        ramp = t[:, None, None] if rng.random() < 0.5 else t[None, :, None]
        canvas = np.broadcast_to(base + (other - base) * ramp, (SIZE_PX, SIZE_PX, 3))
    else:
        canvas = np.broadcast_to(base, (SIZE_PX, SIZE_PX, 3)).copy()
        if kind < 0.8:
            canvas[int(rng.integers(70, 150)) :] = rng.integers(90, 256, 3)
        if kind > 0.7:
            block = rng.normal(0, rng.uniform(4, 14), (24, 24, 1)).astype(np.float32)
            canvas = canvas + block.repeat(8, 0).repeat(8, 1)
    return np.clip(canvas, 0, 255).astype(np.uint8)


def draw(rng: np.random.Generator, split: Split, style: str | None = None) -> Picture:
    """1 to 7 objects in one or two styles; an object covers less than a quarter of another."""
    pixels = background(rng)
    known = STYLES + MORE_STYLES if split == "train" else STYLES
    styles = [style or (UNSEEN_STYLE if split == "unseen" else pick(rng, known))]
    if style is None and split != "unseen" and rng.random() < 0.3:
        styles.append(pick(rng, known))
    art = artwork_names()
    shape_share = 0.0 if split == "unseen" else 0.35
    wanted = []
    for _ in range(int(rng.integers(1, 6))):
        name = pick(rng, tuple(SHAPES)) if rng.random() < shape_share else pick(rng, art)
        again = int(rng.integers(2, 5)) if rng.random() < 0.2 else 1
        wanted += [(name, pick(rng, tuple(COLOURS))) for _ in range(again)]
    scene = Scene(SIZE_PX, SIZE_PX)
    owner = np.zeros((SIZE_PX, SIZE_PX), np.int32)
    areas: list[list[int]] = []  # per object: pixels in all, pixels still visible
    for name, hue in wanted[:7]:
        _place(rng, pixels, owner, scene, areas, name, hue, styles, varied=split == "train")
    scene.segment_map = owner
    counts: Counter[str] = Counter()
    for i, o in enumerate(scene.objects, start=1):
        counts[o.name] += 1
        scene.segments.append(Segment(i, o.name, counts[o.name]))
    scene.relations = _relations(scene)
    scene.captions = [describe(scene, "en")]
    scene.meta["style"] = styles
    if rng.random() < 0.3:
        pixels = speckle(rng, pixels, 8)
    return Picture(pixels, scene, "things", [])


def imagine(rng: np.random.Generator) -> Picture:
    """A Scene of 2 to 5 things of any name in any colour, with black pixels.

    A blue elephant teaches "blue" and "elephant" as separate words; no artwork has that colour.
    """
    scene = Scene(SIZE_PX, SIZE_PX)
    for name in rng.choice(list(names()), int(rng.integers(2, 6)), replace=False):
        for _ in range(int(rng.integers(2, 4)) if rng.random() < 0.1 else 1):
            size = int(pick(rng, SIZES_PX))
            x, y = rng.integers(0, SIZE_PX - size, 2)
            word = "small" if size < 36 else "large" if size > 52 else "medium"
            box = (float(x), float(y), float(x + size), float(y + size))
            scene.objects.append(
                SceneObject(str(name), box, attributes={"colour": pick(rng, tuple(COLOURS)), "size": word})
            )
    scene.relations = _relations(scene)
    return Picture(np.zeros((SIZE_PX, SIZE_PX, 3), np.uint8), scene, "things", [])


def _place(
    rng: np.random.Generator,
    pixels: np.ndarray,
    owner: np.ndarray,
    scene: Scene,
    areas: list[list[int]],
    name: str,
    hue: str,
    styles: list[str],
    varied: bool = False,
) -> None:
    """Draw one object where it covers no other too much; leave it out after 12 tries."""
    size = pick(rng, SIZES_PX)
    colour: np.ndarray
    attributes = {}
    if name in SHAPES:
        alpha = shape_mask(name, size)
        colour = np.clip(np.asarray(COLOURS[hue][1], np.float32) + rng.integers(-14, 15, 3), 0, 255).astype(np.float32)
        attributes["colour"] = hue
    else:
        colour, alpha = artwork_tile(pick(rng, styles), artwork_names().index(name), size, bool(rng.random() < 0.5))
        if varied:
            colour, alpha = vary(rng, colour, alpha)
    h, w = alpha.shape[:2]
    solid = alpha[..., 0] > 0.5
    for _ in range(12):
        x, y = int(rng.integers(0, SIZE_PX - w + 1)), int(rng.integers(0, SIZE_PX - h + 1))
        under = owner[y : y + h, x : x + w]
        hidden = np.bincount(under[solid], minlength=len(areas) + 1)[1:]
        if all(areas[k][1] - hidden[k] >= 0.75 * areas[k][0] for k in range(len(areas))):
            break
    else:
        return
    rows, columns = np.flatnonzero(solid.any(1)), np.flatnonzero(solid.any(0))
    box = (float(x + columns[0]), float(y + rows[0]), float(x + columns[-1] + 1), float(y + rows[-1] + 1))
    blend(pixels, x, y, alpha, colour)
    under[solid] = len(areas) + 1
    for k, loss in enumerate(hidden):
        areas[k][1] -= int(loss)
    areas.append([int(solid.sum())] * 2)
    attributes["size"] = "small" if size < 36 else "large" if size > 52 else "medium"
    scene.objects.append(SceneObject(name, box, attributes=attributes, segment=len(areas)))


def _relations(scene: Scene) -> list[Relation]:
    """Left of and above, of pairs whose boxes do not overlap along the axis."""
    out = []
    for i, a in enumerate(scene.objects):
        for j, b in enumerate(scene.objects):
            if i != j and a.box[2] <= b.box[0]:
                out.append(Relation(i, "left of", j))
            if i != j and a.box[3] <= b.box[1]:
                out.append(Relation(i, "above", j))
    return out


DOMAINS.register("things")(Domain(draw, make_questions))
