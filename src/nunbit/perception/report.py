"""What perception found, in lines for people: kind of picture, objects with confidence, source and attributes, text."""

from __future__ import annotations

from collections.abc import Iterable

from nunbit.scene import Box, Scene, SceneObject, TextLine

UNSURE = 0.5
"""Below this score what was found is said with "maybe"."""
MAX_LINES = 40
_APART = ("colour", "colours", "source")
"""Attributes that have a place of their own in a line."""


def report(scene: Scene) -> list[str]:
    """The lines; at most 40 of objects and 40 of text."""
    objects = [f"{i:3} {_object(o)}" for i, o in enumerate(scene.objects, 1)]
    texts = [f"    {_text(line)}" for line in scene.text_lines]
    lines = [picture_line(scene)] if scene.meta.get("picture") else []
    return [*lines, *_capped(objects, "objects"), *_capped(texts, "lines of text")] or ["Nothing was found."]


def picture_line(scene: Scene) -> str:
    """The picture as a whole: "photograph, medium, colour; gray, brown; beach"."""
    facts = scene.meta.get("picture", {})
    kind = str(facts.get("kind", ""))
    chance = facts.get("kinds", {}).get(kind, 1.0)
    first = [maybe(kind, chance), facts.get("brightness", ""), facts.get("colour", "")]
    place = scene.meta.get("place")
    parts = [", ".join(v for v in first if v), facts.get("main colours", ""), maybe(*place) if place else ""]
    return "; ".join(p for p in parts if p)


def maybe(name: str, score: float) -> str:
    """The name, with "maybe" before it where perception is unsure."""
    return f"maybe {name}" if score < UNSURE else name


def described(o: SceneObject) -> str:
    """An object's name with its colour, and "maybe" where perception is unsure: "maybe red car"."""
    colour = o.attributes.get("colour", "")
    return maybe(o.name if not colour or colour in o.name.split() else f"{colour} {o.name}", o.score)


def _object(o: SceneObject) -> str:
    others = [f"{k} {v}" for k, v in o.attributes.items() if k not in _APART]
    colours = o.attributes.get("colours", "")
    notes = ", ".join([*([colours] if colours else []), *others])
    source = o.attributes.get("source", "")
    return "  ".join(
        part
        for part in (f"{described(o):28}", f"{o.score:4.0%}", _box(o.box), source, f"({notes})" if notes else "")
        if part
    )


def _text(line: TextLine) -> str:
    return "  ".join((maybe(f'"{" ".join(line.text.split())}"', line.score), f"{line.score:.0%}", _box(line.box)))


def _box(box: Box) -> str:
    return "[" + ", ".join(f"{v:.0f}" for v in box) + "]"


def _capped(lines: list[str], what: str) -> Iterable[str]:
    rest = len(lines) - MAX_LINES
    return lines[:MAX_LINES] + ([f"    and {rest} more {what}"] if rest > 0 else [])
