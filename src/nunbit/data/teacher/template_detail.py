"""Descriptions by the template teacher: one paragraph, from the whole to the parts."""

from __future__ import annotations

from nunbit.data.teacher.template_base import SIDES, TemplateBase
from nunbit.scene_phrases import clean, colour_of
from nunbit.world.base import COLOURS

MOST_PLACED, MOST_RELATIONS = 5, 2


class DetailTemplate(TemplateBase):
    """Everything, then places and colours, relations, the largest thing, writing, and what is not there."""

    def text(self) -> str:
        """Four to ten sentences; "" where nothing is there."""
        if not self.objects:
            return ""
        out = [self.say("open", g=self.groups())]
        out += self._places() + self._several() + self._relations()
        largest = self.largest()
        if largest is not None and self.rng.random() < 0.7:
            out.append(self.say("d_largest", n=largest.name))
        for line in self.scene.text_lines[:3]:
            if line.score >= 0.5 and line.text.strip():
                out.append(self.say("d_text", t=clean(line.text)))
        if self.knows_absence and (len(out) < 4 or self.rng.random() < 0.3):
            out.append(self.say("d_absent", n=self.missing()))
        return " ".join(out)

    def _places(self) -> list[str]:
        out = []
        held = [o for o in self.alone if self._clear(o)]
        for i in self.rng.permutation(len(held))[:MOST_PLACED]:
            o = held[int(i)]
            if colour_of(o) in COLOURS:
                out.append(self.say("d_place_colour", n=o.name, c=self.hue(o), **self.place(o)))
            else:
                out.append(self.say("d_place", n=o.name, **self.place(o)))
        return out

    def _several(self) -> list[str]:
        """Where two things of one name are."""
        out = []
        for name, n in self.counted.items():
            both = [o for o in self.objects if o.name == name]
            if n == 2 and all(map(self._clear, both)) and self._part(both[0]) != self._part(both[1]):
                second = {f"{k}2": v for k, v in self.place(both[1]).items()}
                out.append(self.say("d_many", n=name, **self.place(both[0]), **second))
        return out

    def _relations(self) -> list[str]:
        out: list[str] = []
        for _ in range(MOST_RELATIONS):
            found = self.pair()
            if found is None:
                break
            a, b, side = found
            wordings = {"n": a.name, "m": b.name, "r": SIDES[self.language][side], "r1": side}
            sideways = side in ("left", "right") or self.language == "ko"
            text = self.say("d_relation", **wordings) if sideways else f"The {a.name} is {side} the {b.name}."
            out.append(text)
        return [*dict.fromkeys(out)]
