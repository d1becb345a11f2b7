"""Scenes without pixels: things of any name in any colour anywhere, as perception might find them in photographs.
They teach a language model to look up in the words about a picture, whatever the names are."""

from __future__ import annotations

import numpy as np

from nunbit.scene import Box, Scene, SceneObject, TextLine
from nunbit.world import lexicon
from nunbit.world.base import COLOURS, Language, pick
from nunbit.world.names import kind_of, table

SIZES_PX = ((640, 480), (480, 640), (512, 512), (800, 600), (1024, 683), (192, 192), (384, 384))
MARK_COLOURS = ("red", "lime", "blue", "yellow")


def photo(rng: np.random.Generator, language: Language, names: tuple[str, ...] = ()) -> Scene:
    """1 to 8 things; some of one name, some with a label on them, some with writing beside them, some under a drawn
    mark."""
    names = names or tuple(n for n in table() if kind_of(n) != "place" and n not in ("bar", "point", "sector", "board"))
    width, height = pick(rng, SIZES_PX)
    scene = Scene(width, height)
    scene.meta["kind"] = (
        "drawing" if width == 192 else pick(rng, ("photograph", "photograph", "photograph", "drawing", ""))
    )
    kinds = int(rng.choice(6, p=[0.05, 0.30, 0.28, 0.20, 0.11, 0.06]))
    for name in _chosen(rng, names, kinds):
        for _ in range(int(rng.integers(2, 5)) if rng.random() < 0.2 else 1):
            colour = {"colour": pick(rng, tuple(COLOURS))} if rng.random() < 0.6 else {}
            scene.objects.append(
                SceneObject(name, _box(rng, width, height), round(float(rng.uniform(0.55, 1)), 2), colour)
            )
    if rng.random() < 0.5:
        _name_whole(rng, scene)
    if rng.random() < 0.5:
        _measure(rng, scene)
    if rng.random() < 0.12 and scene.objects:
        _number(rng, scene)
    elif rng.random() < 0.12 and scene.objects:
        o = pick(rng, scene.objects)
        word = _word(rng, language)
        scene.text_lines.append(TextLine.from_box(word, _inner(o.box)))
        o.attributes["label"] = word
    if rng.random() < 0.12:
        for i in range(int(rng.integers(1, 3))):
            y = height * (0.86 + 0.06 * i)
            scene.text_lines.append(
                TextLine.from_box(_word(rng, language), (0.1 * width, y, 0.6 * width, y + 0.045 * height))
            )
    if rng.random() < 0.15 and scene.objects:
        o = pick(rng, scene.objects)
        if sum(p.name == o.name for p in scene.objects) == 1:
            mark = {
                "colour": pick(rng, MARK_COLOURS),
                "kind": pick(rng, ("circle", "box", "point", "arrow")),
                "box": _inner(o.box, 0.45),
                "name": o.name,
            }
            scene.meta["marks"] = [mark]
    return scene


def _name_whole(rng: np.random.Generator, scene: Scene) -> None:
    """What a classifier says of the whole picture: its main thing or a place, with others that it might be."""
    places = [n for n in table() if kind_of(n) == "place"]
    main = max(scene.objects, key=lambda o: (o.box[2] - o.box[0]) * (o.box[3] - o.box[1]), default=None)
    first = pick(rng, places) if main is None or rng.random() < 0.5 else main.name
    p = float(rng.uniform(0.15, 0.95))
    others = [pick(rng, places if kind_of(first) == "place" else tuple(table())) for _ in range(3)]
    rest = sorted((float(v) for v in rng.dirichlet((1.0, 1.0, 1.0)) * (1 - p) * 0.6), reverse=True)
    scene.meta["names"] = [[first, p], *([n, min(q, 0.9 * p)] for n, q in zip(others, rest, strict=True) if n != first)]


def _measure(rng: np.random.Generator, scene: Scene) -> None:
    """Brightness, black and white or colour, and the main colours of the whole picture."""
    plain = rng.random() < 0.15
    colours = ("black", "white", "gray") if plain else tuple(COLOURS)
    chosen = [colours[int(i)] for i in rng.permutation(len(colours))[: int(rng.integers(1, 4))]]
    scene.meta["picture"] = {
        "kind": scene.meta.get("kind", ""),
        "brightness": pick(rng, ("dark", "medium", "medium", "bright")),
        "colour": "black and white" if plain else "colour",
        "main colours": ", ".join(chosen),
    }


def _chosen(rng: np.random.Generator, names: tuple[str, ...], n: int) -> list[str]:
    """Names, half of the time of one kind (three animals, four foods)."""
    if n > 1 and rng.random() < 0.4:
        kind = kind_of(pick(rng, names))
        names = tuple(x for x in names if kind_of(x) == kind)
    return [names[int(i)] for i in rng.permutation(len(names))[:n]]


def _box(rng: np.random.Generator, width: int, height: int) -> Box:
    w, h = width * float(np.exp(rng.uniform(-2.8, -0.25))), height * float(np.exp(rng.uniform(-2.8, -0.25)))
    x, y = float(rng.uniform(0, width - w)), float(rng.uniform(0, height - h))
    return (round(x), round(y), round(x + w) + 1.0, round(y + h) + 1.0)


def _inner(box: Box, share: float = 0.25) -> Box:
    """A box around the middle."""
    cx, cy, w, h = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2, box[2] - box[0], box[3] - box[1]
    return (cx - share * w, cy - share * h, cx + share * w, cy + share * h)


def _number(rng: np.random.Generator, scene: Scene) -> None:
    """A number on every thing, as set-of-mark prompting draws them."""
    for o, number in zip(scene.objects, rng.permutation(len(scene.objects)) + 1, strict=True):
        o.attributes["label"] = str(number)
    # Boxes may lie on each other, and a number then labels the smaller thing: apart they cannot.
    n = len(scene.objects)
    for i, o in enumerate(scene.objects):
        x = scene.width * i / n
        y = float(rng.uniform(0, 0.5)) * scene.height
        o.box = (
            round(x) + 1.0,
            round(y),
            round(x + scene.width / n * float(rng.uniform(0.5, 0.95))) + 2.0,
            round(y + scene.height * float(rng.uniform(0.15, 0.5))),
        )
        scene.text_lines.append(TextLine.from_box(o.attributes["label"], _inner(o.box, 0.15)))


def _word(rng: np.random.Generator, language: Language) -> str:
    hangul = rng.random() < (0.7 if language == "ko" else 0.15)
    if rng.random() < 0.4:
        return pick(rng, lexicon.KOREAN_SIGNS if hangul else lexicon.SIGNS)
    return " ".join(lexicon.word(rng, hangul) for _ in range(int(rng.integers(1, 4))))
