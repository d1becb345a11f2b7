"""A Scene in short words for a small language model: what it is conditioned on, before the question.

    drawing
    4 objects: 2 dogs, a red circle and a cat
    dog 6% top left [3,10,20,31]; maybe dog 9% center [40,41,62,66]; ...
    text:
    1: COFFEE | $3.25

What a question can ask is found in one place and in whole tokens: groups with their number, each object with its
share of the picture, part of the picture and box in hundredths, from left to right; writing in rows of cells. "maybe"
stands before what was recognised with little confidence. Colours, names and parts are in the question's language.

Source: MoAI, arXiv 2403.07508, sec. 3 (what other vision models find, in words); wording ours.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nunbit.english import article, plural
from nunbit.errors import unknown_name
from nunbit.scene import Box, Scene, SceneObject, TextLine
from nunbit.scene_layout import MARKS, Labelled, Layout, arrange, centre, marked

UNSURE = 0.5
"""Below this score an object or a line is marked "maybe"."""
NAME_MIN, NAMES_MAX = 0.08, 3
"""Names of the whole picture that are listed: from this probability on, so many at most, and only the first if it is
sure."""
OBJECTS_MAX, ROWS_MAX, TEXT_CHARS_MAX, BOXED_LINES_MAX = 20, 24, 60, 8

PARTS = {
    "en": ("top left", "top", "top right", "left", "center", "right", "bottom left", "bottom", "bottom right"),
    "ko": ("왼쪽 위", "위", "오른쪽 위", "왼쪽", "가운데", "오른쪽", "왼쪽 아래", "아래", "오른쪽 아래"),
}
WORDS = {
    "en": {
        "objects": "objects",
        "object": "object",
        "text": "rows of text",
        "maybe": "maybe",
        "nothing": "nothing recognised",
        "row": "row",
        "more": "more",
        "chart": "chart",
        "about": "about",
        "step": "step",
        "mainly": "mainly",
        "wearing": "wearing",
    },
    "ko": {
        "objects": "물체",
        "object": "물체",
        "text": "줄 글자",
        "maybe": "아마",
        "nothing": "알아본 것 없음",
        "row": "행",
        "more": "더",
        "chart": "차트",
        "about": "약",
        "step": "단계",
        "mainly": "주로",
        "wearing": "입은 것",
    },
}
SHAPES = frozenset(("circle", "square", "triangle", "star", "diamond", "cross", "heart", "hexagon", "rectangle"))
LOOKS = ("dark", "bright", "black and white")
"""Measured looks that are written; medium brightness and colour go without saying."""
MARK_KINDS = {"circle": "동그라미", "box": "네모", "point": "점", "arrow": "화살표"}
KINDS = {
    "photograph": "사진",
    "drawing": "그림",
    "document": "문서",
    "chart": "차트",
    "screenshot": "화면",
    "sign": "표지판",
}


@dataclass(frozen=True, slots=True)
class Names:
    """How things are called in a language: ``word`` translates a name or colour, ``plural`` makes an English plural."""

    word: Callable[[str], str] = str
    plural: Callable[[str], str] = lambda name: plural(name)


def scene_words(scene: Scene, language: str = "en", names: Names | Mapping[str, str] | None = None) -> str:
    """The Scene in words, a few short lines.

    Args:
        language: of the words around the names: en or ko.
        names: how things and colours are called in it; a mapping leaves unknown words as they are.
    """
    if language not in WORDS:
        raise unknown_name("language", language, WORDS)
    called = names if isinstance(names, Names) else Names(lambda w: (names or {}).get(w, w))
    writer = _SceneWriter(scene, language, called)
    layout = arrange(scene)
    lines = [
        *writer.kind(),
        *writer.things(layout),
        *writer.marks(),
        *writer.board(layout),
        *writer.rows(layout),
    ]
    return "\n".join(lines or [writer.words["nothing"]])


def picture_heading(number: int, language: str) -> str:
    """What stands over the words about one of several pictures, from 1."""
    return f"{'그림' if language == 'ko' else 'picture'} {number}"


class _SceneWriter:
    """The parts of the words about one Scene."""

    def __init__(self, scene: Scene, language: str, names: Names) -> None:
        self.scene, self.language, self.names, self.words = scene, language, names, WORDS[language]

    def kind(self) -> list[str]:
        """What sort of picture it is, how it looks, and what it shows as a whole.

        ``photograph (dark; mainly green, black): maybe church, palace``.
        """
        facts = facts_of(self.scene)
        picture = dict(facts.get("picture") or {})
        kind = str(picture.get("kind") or facts.get("kind") or "")
        first = KINDS.get(kind, kind) if self.language == "ko" else kind
        looks = [self.names.word(picture[k]) for k in ("brightness", "colour") if picture.get(k) in LOOKS]
        colours = [self.names.word(c) for c in str(picture.get("main colours") or "").split(", ") if c]
        looks += [f"{self.words['mainly']} {', '.join(colours)}"] if colours else []
        if first and looks:
            first += f" ({'; '.join(looks)})"
        names = [(str(n), float(p)) for n, p in facts.get("names") or () if p >= NAME_MIN][:NAMES_MAX]
        if names and names[0][1] >= UNSURE:
            names = names[:1]
        listed = ", ".join(self.names.word(n) for n, _ in names)
        whole = f"{self.words['maybe']} {listed}" if names and names[0][1] < UNSURE else listed
        return [": ".join(w for w in (first, whole) if w)] if first or whole else []

    def things(self, layout: Layout) -> list[str]:
        """Groups with their number, then each object, from left to right."""
        marks = [t for t in layout.things if t.thing.name in MARKS]
        if marks:
            return [
                f"{self.words['chart']} {len(marks)}: " + "; ".join(self._mark(m) for m in sorted(marks, key=_leftmost))
            ]
        found = sorted((t for t in layout.things if t.thing.name != "board" or not layout.board), key=_leftmost)
        if not found:
            return []
        if any(" hand at " in t.thing.name or " step " in t.thing.name for t in found):
            steps = sorted(found, key=lambda t: (t.labels or ["~"])[0])
            return ["; ".join(self._short(t) for t in steps)]
        listed = "; ".join(self._thing(t) for t in found[:OBJECTS_MAX])
        more = f"; +{len(found) - OBJECTS_MAX} {self.words['more']}" if len(found) > OBJECTS_MAX else ""
        return [self._groups([t.thing for t in found]), listed + more]

    def marks(self) -> list[str]:
        """``red circle: wolf`` for each mark that somebody drew on the picture."""
        out = []
        for mark in facts_of(self.scene).get("marks") or ():
            shown = marked(self.scene, mark)
            kind = MARK_KINDS.get(mark["kind"], mark["kind"]) if self.language == "ko" else mark["kind"]
            name = self.names.word(shown.name) if shown else self.words["nothing"]
            out.append(f"{self.names.word(mark['colour'])} {kind}: {name}")
        return out

    def rows(self, layout: Layout) -> list[str]:
        """Writing in rows of cells; with boxes where there is little of it."""
        if not layout.rows:
            return []
        ink = str(facts_of(self.scene).get("ink") or "")
        head = f"{len(layout.rows)} {self.words['text']}{' (' + self.names.word(ink) + ')' if ink else ''}:"
        boxed = sum(len(r) for r in layout.rows) <= BOXED_LINES_MAX
        out = [head]
        for i, row in enumerate(layout.rows[:ROWS_MAX], start=1):
            out.append(f"{i}: " + " | ".join(self._line(t, boxed) for t in row))
        if len(layout.rows) > ROWS_MAX:
            out.append(f"+{len(layout.rows) - ROWS_MAX} {self.words['more']}")
        return out

    def board(self, layout: Layout) -> list[str]:
        """Rows of a board's digits."""
        return [f"{self.words['row']} {i}: {' '.join(row)}" for i, row in enumerate(layout.board, start=1)]

    def _groups(self, things: Sequence[SceneObject]) -> str:
        """``4 objects: 2 dogs, a red circle and a cat``: the answer to what is in the picture."""
        sure = [o for o in things if o.score >= UNSURE]
        counted = f"{len(sure)} {self.words['object' if len(sure) == 1 else 'objects']}"
        listed = list_groups(groups_of(sure), self.language, self.names)
        unsure = list_groups(groups_of([o for o in things if o.score < UNSURE]), self.language, self.names)
        return (f"{counted}: {listed}" if listed else counted) + (f"; {self.words['maybe']} {unsure}" if unsure else "")

    def _thing(self, one: Labelled) -> str:
        o = one.thing
        area = 100 * (o.box[2] - o.box[0]) * (o.box[3] - o.box[1]) / (self.scene.width * self.scene.height)
        words = [
            self._named(one),
            *self._other(o),
            f"{max(1, round(area))}%",
            part_of(o.box, self.scene, self.language),
            hundredths(o.box, self.scene),
        ]
        return " ".join(w for w in words if w)

    def _named(self, one: Labelled) -> str:
        o = one.thing
        maybe = self.words["maybe"] if o.score < UNSURE else ""
        quoted = [f'"{_clean(t)}"' for t in one.labels]
        return " ".join(w for w in (maybe, self.names.word(colour_of(o)), self.names.word(o.name), *quoted) if w)

    def _other(self, o: SceneObject) -> list[str]:
        """A finer name (``Egyptian cat``) and a mood, in brackets."""
        fine = o.attributes.get("fine_name", "") if self.language == "en" else ""
        worn = o.attributes.get("wearing", "")
        known = [
            fine if fine.casefold() != o.name.casefold() else "",
            self.names.word(o.attributes.get("mood", "")),
            f"{self.words['wearing']} {self.names.word(worn)}" if worn else "",
        ]
        return [f"({w})" for w in known if w]

    def _short(self, one: Labelled) -> str:
        label = f"{one.labels[0]}: " if one.labels else ""
        return label + (f"{self.words['maybe']} " if one.thing.score < UNSURE else "") + self._step(one.thing.name)

    def _step(self, name: str) -> str:
        """``kimbap step 3`` with the story's name in the language."""
        story, found, number = name.partition(" step ")
        return f"{self.names.word(story)} {self.words['step']} {number}" if found else name

    def _mark(self, one: Labelled) -> str:
        label = f'"{_clean(one.labels[0])}"' if one.labels else ""
        value = one.value.replace("about", self.words["about"])
        if not value and one.thing.name == "sector":
            value = f"{round(100 * (one.thing.box[2] - one.thing.box[0]) / self.scene.width)}%"
        return " ".join(w for w in (one.thing.name, label, value, self.names.word(colour_of(one.thing))) if w)

    def _line(self, line: TextLine, boxed: bool) -> str:
        maybe = f"({self.words['maybe']}) " if line.score < UNSURE else ""
        return maybe + _clean(line.text) + (f" {hundredths(line.box, self.scene)}" if boxed else "")


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


def _clean(text: str) -> str:
    flat = " ".join(text.split()).replace('"', "'")
    return flat if len(flat) <= TEXT_CHARS_MAX else flat[: TEXT_CHARS_MAX - 1] + "…"


def _leftmost(one: Labelled) -> float:
    return centre(one.thing.box)[0]
