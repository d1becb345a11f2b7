"""Short phrases that words about a Scene are made of: how things are called, parts of a picture, boxes, groups."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nunbit.english import article, plural
from nunbit.scene import Box, Scene, SceneObject
from nunbit.scene_layout import centre

UNSURE = 0.5
"""Below this score an object or a line is marked "maybe"."""
TEXT_CHARS_MAX = 60
PARTS = {
    "en": ("top left", "top", "top right", "left", "center", "right", "bottom left", "bottom", "bottom right"),
    "ko": ("왼쪽 위", "위", "오른쪽 위", "왼쪽", "가운데", "오른쪽", "왼쪽 아래", "아래", "오른쪽 아래"),
}
WORDS = {
    "en": {
        "objects": "objects",
        "object": "object",
        "maybe": "maybe",
        "nothing": "nothing recognised",
        "absent": "no {}",
        "opens": "opens",
        "closes": "closes",
        "row": "row",
        "column": "column",
        "more": "more",
        "chart": "chart",
        "about": "about",
        "step": "step",
        "mainly": "mainly",
        "wearing": "wearing",
        "most": "highest",
        "least": "lowest",
        "dearest": "most expensive",
        "cheapest": "cheapest",
        "largest": "largest",
        "smallest": "smallest",
        "latest": "latest",
        "earliest": "earliest",
        "text": "rows of text",
    },
    "ko": {
        "objects": "물체",
        "object": "물체",
        "maybe": "아마",
        "nothing": "알아본 것 없음",
        "absent": "{} 없음",
        "opens": "여는 시각",
        "closes": "닫는 시각",
        "row": "행",
        "column": "열",
        "more": "더",
        "chart": "차트",
        "about": "약",
        "step": "단계",
        "mainly": "주로",
        "wearing": "입은 것",
        "most": "가장 큼",
        "least": "가장 작음",
        "dearest": "가장 비싼 것",
        "cheapest": "가장 싼 것",
        "largest": "가장 큰 것",
        "smallest": "가장 작은 것",
        "latest": "가장 늦음",
        "earliest": "가장 이름",
        "text": "줄 글자",
    },
}
"""The words around names, by language."""
SHAPES = frozenset(("circle", "square", "triangle", "star", "diamond", "cross", "heart", "hexagon", "rectangle"))


@dataclass(frozen=True, slots=True)
class Names:
    """How things are called in a language: ``word`` translates a name or colour, ``plural`` makes an English plural,
    ``gloss`` says what a cell of writing means in it ("" where that is not known, or needs no saying)."""

    word: Callable[[str], str] = str
    plural: Callable[[str], str] = lambda name: plural(name)
    gloss: Callable[[str], str] = lambda text: ""


def groups_of(things: Sequence[SceneObject]) -> dict[tuple[str, str], int]:
    """(name, colour) -> number, by the leftmost of each. Only shapes are grouped by colour: 2 dogs, but a
    red and a blue circle."""
    groups: dict[tuple[str, str], int] = {}
    for o in sorted(things, key=lambda o: o.box[0]):
        key = (o.name, colour_of(o) if o.name in SHAPES else "")
        groups[key] = groups.get(key, 0) + 1
    return groups


def facts_of(scene: Scene) -> dict[str, Any]:
    """What perception measured of the whole picture: ``meta``, and ``meta["facts"]`` where a part put it there."""
    return {**scene.meta, **(scene.meta.get("facts") or {})}


def list_groups(groups: Mapping[tuple[str, str], int], language: str, names: Names) -> str:
    """``2 dogs, a red circle and a cat`` / ``개 2개, 빨간색 원 1개`` from (name, colour) -> number."""
    out = []
    for (name, colour), n in groups.items():
        if language == "ko":
            out.append(" ".join(w for w in (names.word(colour), names.word(name), f"{n}개") if w))
            continue
        noun = " ".join(
            w for w in (names.word(colour), names.word(name) if n == 1 else names.plural(names.word(name))) if w
        )
        out.append(f"{article(noun)} {noun}" if n == 1 else f"{n} {noun}")
    if language == "ko" or len(out) < 2:
        return ", ".join(out)
    return ", ".join(out[:-1]) + " and " + out[-1]


def colour_of(o: SceneObject) -> str:
    """The object's colour unless its name says it already; "" if unknown."""
    colour = o.attributes.get("colour") or o.attributes.get("color") or ""
    return "" if colour in o.name.split() else colour


def part_of(box: Box, scene: Scene, language: str) -> str:
    """In which of three by three parts of the picture the middle of a box lies."""
    x, y = centre(box)
    column, row = (min(2, max(0, int(3 * v / side))) for v, side in ((x, scene.width), (y, scene.height)))
    return PARTS[language][3 * row + column]


def hundredths(box: Box, scene: Scene) -> str:
    """``[x1,y1,x2,y2]`` in hundredths of the picture's sides."""
    sides = (scene.width, scene.height, scene.width, scene.height)
    return "[" + ",".join(str(min(100, max(0, round(100 * v / s)))) for v, s in zip(box, sides, strict=True)) + "]"


def clean(text: str) -> str:
    """Writing on one line, without double quotes, cut at `TEXT_CHARS_MAX`."""
    flat = " ".join(text.split()).replace('"', "'")
    return flat if len(flat) <= TEXT_CHARS_MAX else flat[: TEXT_CHARS_MAX - 1] + "…"
