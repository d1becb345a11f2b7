"""Domain *things*: artwork objects in several styles and drawn shapes on backgrounds from flat to textured."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from functools import lru_cache

import numpy as np

from nunbit.scene import Relation, Scene, SceneObject, Segment
from nunbit.world.artwork import ART, MORE_STYLES, STYLES, UNSEEN_STYLE, artwork_tile, varied
from nunbit.world.base import COLOURS, DOMAINS, QA, SIZE_PX, Domain, Language, Picture, Split, box_text, pick
from nunbit.world.canvas import polygon_mask, speckle
from nunbit.world.text import blend
from nunbit.world.wording import article, colour_word, josa, listing, yes_no

SHAPES = {"circle": ("circles", "원"), "square": ("squares", "정사각형"), "triangle": ("triangles", "삼각형"), "star": ("stars", "별"),
          "diamond": ("diamonds", "마름모"), "cross": ("crosses", "십자가"), "heart": ("hearts", "하트"), "hexagon": ("hexagons", "육각형")}  # fmt: skip
SIZES_PX = (24, 32, 40, 48, 56, 64, 76)
CELL_WORDS = {"en": (("top left", "top", "top right"), ("left", "center", "right"), ("bottom left", "bottom", "bottom right")),
              "ko": (("왼쪽 위", "위", "오른쪽 위"), ("왼쪽", "가운데", "오른쪽"), ("왼쪽 아래", "아래", "오른쪽 아래"))}  # fmt: skip


@lru_cache(maxsize=1)
def names() -> dict[str, tuple[str, str]]:
    """English name -> (plural, Korean) of every artwork thing and shape."""
    art = {row["en"]: (row["plural"], row["ko"]) for row in json.loads((ART / "things.json").read_text())}
    return art | SHAPES


@lru_cache(maxsize=1)
def artwork_names() -> tuple[str, ...]:
    return tuple(n for n in names() if n not in SHAPES)


@lru_cache(maxsize=600)
def shape_mask(name: str, size_px: int) -> np.ndarray:
    """Alpha (h, w, 1) of a shape."""
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
        "cross": [
            (-0.33, -1),
            (0.33, -1),
            (0.33, -0.33),
            (1, -0.33),
            (1, 0.33),
            (0.33, 0.33),
            (0.33, 1),
            (-0.33, 1),
            (-0.33, 0.33),
            (-1, 0.33),
            (-1, -0.33),
            (-0.33, -0.33),
        ],
        "heart": [
            (np.sin(a) ** 3, -(13 * np.cos(a) - 5 * np.cos(2 * a) - 2 * np.cos(3 * a) - np.cos(4 * a)) / 16)
            for a in turn
        ],
    }
    half = size_px / 2
    return polygon_mask([(half + half * x, half + half * y) for x, y in unit[name]])[2][..., None]


def background(rng: np.random.Generator) -> np.ndarray:
    """Flat, gradient, two-tone or textured; light to mid tones."""
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
    """1 to 7 objects, most of one picture in one or two styles; partial overlap stays under a quarter of an object."""
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
        _place(rng, pixels, owner, scene, areas, name, hue, styles, vary=split == "train")
    scene.segment_map = owner
    counts: Counter[str] = Counter()
    for i, o in enumerate(scene.objects, start=1):
        counts[o.name] += 1
        scene.segments.append(Segment(i, o.name, counts[o.name]))
    scene.relations = _relations(scene)
    scene.captions = [_described(scene, "en")]
    scene.meta["style"] = styles
    if rng.random() < 0.3:
        pixels = speckle(rng, pixels, 8)
    return Picture(pixels, scene, "things", [])


def imagine(rng: np.random.Generator) -> Picture:
    """A Scene of 2 to 5 things of any name in any colour, without pixels: a blue elephant teaches what "blue" and "elephant" mean apart."""
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


def _place(rng: np.random.Generator, pixels: np.ndarray, owner: np.ndarray, scene: Scene, areas: list[list[int]], name: str, hue: str,
           styles: list[str], vary: bool = False) -> None:  # fmt: skip
    size = pick(rng, SIZES_PX)
    colour: np.ndarray
    attributes = {}
    if name in SHAPES:
        alpha = shape_mask(name, size)
        colour = np.clip(np.asarray(COLOURS[hue][1], np.float32) + rng.integers(-14, 15, 3), 0, 255).astype(np.float32)
        attributes["colour"] = hue
    else:
        colour, alpha = artwork_tile(pick(rng, styles), artwork_names().index(name), size, bool(rng.random() < 0.5))
        if vary:
            colour, alpha = varied(rng, colour, alpha)
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
    """Clear pairs only: boxes that do not meet along the axis."""
    out = []
    for i, a in enumerate(scene.objects):
        for j, b in enumerate(scene.objects):
            if i != j and a.box[2] <= b.box[0]:
                out.append(Relation(i, "left of", j))
            if i != j and a.box[3] <= b.box[1]:
                out.append(Relation(i, "above", j))
    return out


def ask(picture: Picture, rng: np.random.Generator, language: Language) -> list[QA]:
    """6 to 10 questions over the scene."""
    scene, say = picture.scene, _Say(language)
    counts = Counter(o.name for o in scene.objects)
    alone = [o for o in scene.objects if counts[o.name] == 1]
    out = [*_exists(scene, counts, rng, say), *_counts(counts, rng, say)]
    for o in alone[:3]:
        cx, cy = (o.box[0] + o.box[2]) / 2, (o.box[1] + o.box[3]) / 2
        out.append(say(rng, "locate", [f"Where is the {o.name}?", f"Give the box of the {o.name}."],
                       [f"{josa(say.name(o.name), '은/는')} 어디에 있나요?", f"{say.name(o.name)}의 위치를 알려 주세요."], box_text(o.box), box_text(o.box)))  # fmt: skip
        thirds = int(cx * 3 // SIZE_PX), int(cy * 3 // SIZE_PX)
        if min(abs(cx - 64), abs(cx - 128), abs(cy - 64), abs(cy - 128)) > 6:
            out.append(say(rng, "locate", [f"In which part of the picture is the {o.name}?"], [f"{josa(say.name(o.name), '은/는')} 그림의 어느 쪽에 있나요?"],
                           CELL_WORDS["en"][thirds[1]][thirds[0]], CELL_WORDS["ko"][thirds[1]][thirds[0]]))  # fmt: skip
        if hue := o.attributes.get("colour"):
            out.append(say(rng, "attribute", [f"What color is the {o.name}?", f"What colour is the {o.name}?"], [f"{josa(say.name(o.name), '은/는')} 무슨 색인가요?"],
                           hue, COLOURS[hue][0]))  # fmt: skip
    out += _pairs(scene, alone, rng, say)
    if len(scene.objects) <= 4 and len(alone) == len(scene.objects) >= 2:
        ordered = sorted(scene.objects, key=lambda o: o.box[0] + o.box[2])
        if all(b.box[0] + b.box[2] - a.box[0] - a.box[2] > 16 for a, b in zip(ordered, ordered[1:], strict=False)):
            out.append(say(rng, "order", ["List the things from left to right."], ["왼쪽부터 차례로 말해 주세요."],
                           ", ".join(o.name for o in ordered), ", ".join(names()[o.name][1] for o in ordered)))  # fmt: skip
    description = say(rng, "describe", ["What is in the picture?", "Describe the picture."], ["그림에 무엇이 있나요?", "그림을 설명해 주세요."],
                      *(_described(scene, lang) for lang in ("en", "ko")))  # fmt: skip
    out.append(replace(description, unordered=True))
    return out


class _Say:
    """Picks a phrasing in the asked language."""

    def __init__(self, language: Language) -> None:
        self.language = language

    def name(self, name: str) -> str:
        return names()[name][1] if self.language == "ko" else name

    def __call__(
        self, rng: np.random.Generator, kind: str, en: list[str], ko: list[str], answer_en: str, answer_ko: str
    ) -> QA:
        korean = self.language == "ko"
        return QA(pick(rng, ko if korean else en), answer_ko if korean else answer_en, kind, self.language)

    def yes_no(self, rng: np.random.Generator, kind: str, en: list[str], ko: list[str], truth: bool) -> QA:
        return self(rng, kind, en, ko, yes_no(truth, "en"), yes_no(truth, "ko"))


def _exists(scene: Scene, counts: Counter[str], rng: np.random.Generator, say: _Say) -> list[QA]:
    absent = [n for n in (pick(rng, tuple(names())) for _ in range(3)) if n not in counts][:1]
    out = []
    for name, truth in ((pick(rng, tuple(counts)), True), *((n, False) for n in absent)):
        out.append(say.yes_no(rng, "exists", [f"Is there {article(name)}?", f"Is there {article(name)} in the picture?"],
                              [f"{josa(say.name(name), '이/가')} 있나요?", f"그림에 {josa(say.name(name), '이/가')} 있나요?"], truth))  # fmt: skip
    shapes = [o for o in scene.objects if "colour" in o.attributes]
    if shapes:
        o = pick(rng, shapes)
        hue = o.attributes["colour"] if rng.random() < 0.5 else pick(rng, tuple(COLOURS))
        truth = any(s.name == o.name and s.attributes.get("colour") == hue for s in scene.objects)
        out.append(
            say.yes_no(
                rng,
                "exists",
                [f"Is there {article(hue)} {o.name}?"],
                [f"{colour_word(hue, 'ko')} {josa(say.name(o.name), '이/가')} 있나요?"],
                truth,
            )
        )
    return out


def _counts(counts: Counter[str], rng: np.random.Generator, say: _Say) -> list[QA]:
    chosen = [pick(rng, tuple(counts)), counts.most_common(1)[0][0]]
    if rng.random() < 0.15:
        chosen.append(pick(rng, tuple(names())))
    out = []
    for name in dict.fromkeys(chosen):
        out.append(say(rng, "count", [f"How many {names()[name][0]} are there?"], [f"{josa(say.name(name), '이/가')} 몇 개 있나요?", f"{josa(say.name(name), '은/는')} 모두 몇 개인가요?"],
                       str(counts[name]), str(counts[name])))  # fmt: skip
    total = sum(counts.values())
    out.append(
        say(rng, "count", ["How many things are there in all?"], ["물건은 모두 몇 개 있나요?"], str(total), str(total))
    )
    return out


def _pairs(scene: Scene, alone: list[SceneObject], rng: np.random.Generator, say: _Say) -> list[QA]:
    if len(alone) < 2:
        return []
    out = []
    i, j = rng.permutation(len(alone))[:2]
    a, b = alone[int(i)], alone[int(j)]
    an, bn = say.name(a.name), say.name(b.name)
    dx, dy = (b.box[0] + b.box[2] - a.box[0] - a.box[2]) / 2, (b.box[1] + b.box[3] - a.box[1] - a.box[3]) / 2
    if abs(dx) > 20:
        side = rng.random() < 0.5
        out.append(say.yes_no(rng, "relation", [f"Is the {a.name} to the {'left' if side else 'right'} of the {b.name}?"],
                              [f"{josa(an, '이/가')} {bn}의 {'왼쪽' if side else '오른쪽'}에 있나요?"], (dx > 0) == side))  # fmt: skip
    if abs(dy) > 20:
        side = rng.random() < 0.5
        out.append(say.yes_no(rng, "relation", [f"Is the {a.name} {'above' if side else 'below'} the {b.name}?"],
                              [f"{josa(an, '이/가')} {bn}보다 {'위' if side else '아래'}에 있나요?"], (dy > 0) == side))  # fmt: skip
    left = [
        scene.objects[r.subject] for r in scene.relations if r.predicate == "left of" and scene.objects[r.object] is a
    ]
    # Something else that is only partly left of it would be a second right answer, so nobody asks then.
    partly = [o for o in scene.objects if o is not a and o.box[0] + o.box[2] < a.box[0] + a.box[2] + 16]
    if len(left) == len(partly) == 1:
        out.append(
            say(
                rng,
                "relation",
                [f"What is to the left of the {a.name}?"],
                [f"{an}의 왼쪽에는 무엇이 있나요?"],
                left[0].name,
                names()[left[0].name][1],
            )
        )
    areas = [(o.box[2] - o.box[0]) * (o.box[3] - o.box[1]) for o in (a, b)]
    if max(areas) > 1.6 * min(areas):
        larger = a if areas[0] > areas[1] else b
        out.append(
            say(
                rng,
                "compare",
                [f"Which is larger, the {a.name} or the {b.name}?"],
                [f"{josa(an, '과/와')} {bn} 중에 어느 것이 더 큰가요?"],
                larger.name,
                names()[larger.name][1],
            )
        )
    return out


def _described(scene: Scene, language: str) -> str:
    """Groups of one name and colour, by the leftmost of each."""
    groups: dict[tuple[str, str], int] = {}
    for o in sorted(scene.objects, key=lambda o: o.box[0]):
        key = (o.name, o.attributes.get("colour", ""))
        groups[key] = groups.get(key, 0) + 1
    words = []
    for (name, hue), n in groups.items():
        if language == "ko":
            words.append(f"{COLOURS[hue][0] + ' ' if hue else ''}{names()[name][1]} {n}개")
        else:
            noun = f"{hue} {name}".strip() if n == 1 else f"{hue} {names()[name][0]}".strip()
            words.append(article(noun) if n == 1 else f"{n} {noun}")
    return listing(words, "ko" if language == "ko" else "en")


DOMAINS.register("things")(Domain(draw, ask))
