"""What the template teacher's three kinds of text share: sentences filled in, counters, places and sides in words."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np

from nunbit.english import article
from nunbit.evidence.english import NUMBER_WORDS
from nunbit.scene import Scene, SceneObject
from nunbit.scene_phrases import colour_of, groups_of, list_groups
from nunbit.world.base import COLOURS, Language, pick
from nunbit.world.names import KINDS_KO, broader, counter, kind_of, korean, korean_thing, table
from nunbit.world.question_base import QuestionBase, area_of, x_of, y_of
from nunbit.world.wordings import Word

ABSENT_KINDS = ("animal", "vehicle", "food", "instrument", "clothing")
"""Kinds of things whose absence can be seen at a glance; a leaf or a window may be anywhere."""
SIDE_GAP = 0.12
"""Share of a side by which the middles of two things differ where one is said to be on a side of the other."""
LARGER = 1.6
"""How much larger than the next a thing is that is called the largest."""
AT = {
    "top left": "in the top left corner", "top": "at the top of the picture", "top right": "in the top right corner",
    "left": "on the left side of the picture", "center": "in the middle of the picture",
    "right": "on the right side of the picture", "bottom left": "in the bottom left corner",
    "bottom": "at the bottom of the picture", "bottom right": "in the bottom right corner",
}  # fmt: skip
SIDES = {
    "en": {"left": "to the left of", "right": "to the right of", "above": "above", "below": "below"},
    "ko": {"left": "왼쪽", "right": "오른쪽", "above": "위쪽", "below": "아래쪽"},
}


@lru_cache(maxsize=1)
def sentences() -> dict[tuple[str, str], tuple[str, ...]]:
    """(key, language) -> wordings."""
    found: dict[tuple[str, str], tuple[str, ...]] = {}
    for line in (Path(__file__).parent / "sentences.tsv").read_text(encoding="utf-8").splitlines():
        key, language, text = line.split("\t")
        found[key, language] = (*found.get((key, language), ()), text)
    return found


class TemplateBase(QuestionBase):
    """Says things about one Scene in one language."""

    def __init__(self, scene: Scene, rng: np.random.Generator, language: Language) -> None:
        complete = scene.meta.get("complete")
        named = tuple(n for n in complete if n in table()) if isinstance(complete, list) else tuple(table())
        absent = tuple(n for n in named if kind_of(n) in ABSENT_KINDS) if complete else ()
        super().__init__(scene, rng, language, absent or tuple(table()))
        self.knows_absence = bool(absent)
        crowds = {*scene.meta.get("crowds", ())}
        wide = {b for n in self.counts for b in broader(n)}  # beside a pigeon, "one bird" is the wrong number
        self.counted = {n: c for n, c in self.counts.items() if n not in crowds | wide}
        self.alone = [o for o in self.alone if o.name not in crowds | wide]

    def say(self, key: str, **fields: object) -> str:
        """A sentence of the table with its fields filled in."""
        if "i" in fields and self.language == "en":
            fields["i"] = NUMBER_WORDS.get(int(str(fields["i"])), fields["i"])
        if "n" in fields:
            fields.setdefault("u", Word(counter(str(fields["n"]))))
        return self._fill(sentences()[key, self.language], **fields)

    def word(self, name: str) -> Word:
        """What a thing is called in the language: the fruit, where "orange" is a colour, too."""
        return Word((korean_thing(name) or korean(name)) if self.language == "ko" else name)

    def hue(self, o: SceneObject) -> Word:
        """An object's colour in the language."""
        return Word(korean(colour_of(o)) if self.language == "ko" else colour_of(o))

    def groups(self, things: list[SceneObject] | None = None) -> Word:
        """``2 dogs and a red circle``, in Korean with the counters that fit."""
        held = self.objects if things is None else things
        if self.language == "en":
            return Word(list_groups(groups_of(held), "en", self.names))
        total: dict[tuple[str, str], int] = {}
        for (name, colour), n in groups_of(held).items():  # a cap and a hat are both 모자
            key = (" ".join(p for p in (korean(colour), self.word(name)) if p), counter(name))
            total[key] = total.get(key, 0) + n
        return Word(", ".join(f"{name} {n}{unit}" for (name, unit), n in total.items()))

    def place(self, o: SceneObject) -> dict[str, object]:
        """The fields ``p`` and ``at`` of an object's part of the picture."""
        part = self._part(o)
        if self.language == "ko":
            return {"p": Word(part), "at": part}
        return {"p": part, "at": AT[part]}

    def side(self, a: SceneObject, b: SceneObject) -> str:
        """On which side of b the object a clearly is; "" if on none."""
        dx, dy = (x_of(b) - x_of(a)) / self.scene.width, (y_of(b) - y_of(a)) / self.scene.height
        if max(abs(dx), abs(dy)) < SIDE_GAP:
            return ""
        if abs(dx) >= abs(dy):
            return "left" if dx > 0 else "right"
        return "above" if dy > 0 else "below"

    def pair(self) -> tuple[SceneObject, SceneObject, str] | None:
        """Two things that are the only ones of their names, and on which side of the second the first is."""
        found = self._two(lambda a, b: bool(self.side(a, b)))
        return (*found, self.side(*found)) if found else None

    def largest(self) -> SceneObject | None:
        """The thing that is clearly larger than all others, where its name says which one is meant."""
        by_area = sorted(self.objects, key=area_of, reverse=True)
        if len(by_area) < 2 or by_area[0] not in self.alone or area_of(by_area[0]) < LARGER * area_of(by_area[1]):
            return None
        return by_area[0]

    def coloured(self) -> list[SceneObject]:
        """Things of one of a kind whose colour is known and not a part of their name."""
        return [o for o in self.alone if colour_of(o) in COLOURS]

    def text(self) -> str:
        """The whole text; "" where the Scene gives none."""
        raise NotImplementedError

    def kind_word(self, name: str) -> tuple[Word, str]:
        """The kind of a thing, with its article in English."""
        kind = kind_of(name)
        many = "something to wear" if kind == "clothing" else f"{article(kind)} {kind}"
        return Word(KINDS_KO[kind] if self.language == "ko" else kind), many

    def some(self, things: list[SceneObject]) -> SceneObject:
        """One of several things."""
        return pick(self.rng, things)
