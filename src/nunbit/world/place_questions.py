"""Questions about where things are, how large they are, what stands on them and what a mark shows."""

from __future__ import annotations

from collections import Counter

from nunbit.scene_phrases import PARTS, hundredths
from nunbit.world.base import pick
from nunbit.world.question_base import Conversation, QuestionBase, area_of, x_of, y_of
from nunbit.world.wordings import Word

MARK_KINDS_KO = {"circle": "동그라미", "box": "네모", "point": "점", "arrow": "화살표"}
MARK_COLOURS_KO = {"red": "빨간", "lime": "연두색", "blue": "파란", "yellow": "노란", "green": "초록"}


class PlaceQuestions(QuestionBase):
    """Each method makes one question, or None where the Scene gives none."""

    def where(self) -> Conversation | None:
        """The box of an object in hundredths of the picture."""
        o = self._some()
        return Conversation([(self.wording("where", n=o.name), hundredths(o.box, self.scene))], "place") if o else None

    def part(self) -> Conversation | None:
        """The part of the picture (top left, centre) where an object is."""
        o = self._some()
        return (
            Conversation([(self.wording("part", n=o.name), self._part(o))], "place") if o and self._clear(o) else None
        )

    def at_part(self) -> Conversation | None:
        """The object in a part of the picture, or that nothing is there."""
        parts = Counter(self._part(o) for o in self.objects)
        there = [o for o in self.objects if parts[self._part(o)] == 1 and self._clear(o)]
        if not there or self.rng.random() < 0.2:
            free = [p for p in PARTS[self.language] if p not in parts]
            return (
                Conversation(
                    [(self.wording("at_part", p=Word(pick(self.rng, free))), self.fixed("nothing_there"))], "place"
                )
                if free
                else None
            )
        o = pick(self.rng, there)
        return Conversation([(self.wording("at_part", p=Word(self._part(o))), self.word(o.name))], "naming")

    def beside(self) -> Conversation | None:
        """Whether one object is left or right of another."""
        pair = self._two(lambda a, b: abs(x_of(a) - x_of(b)) > 0.08 * self.scene.width)
        if not pair:
            return None
        side = pick(self.rng, ("left_of", "right_of"))
        return Conversation(
            [
                (
                    self.wording(side, n=pair[0].name, m=pair[1].name),
                    self.yes_no((x_of(pair[0]) < x_of(pair[1])) == (side == "left_of")),
                )
            ],
            "relation",
        )

    def over(self) -> Conversation | None:
        """Whether one object is above or below another."""
        pair = self._two(lambda a, b: abs(y_of(a) - y_of(b)) > 0.12 * self.scene.height)
        if not pair:
            return None
        side = pick(self.rng, ("above", "below"))
        return Conversation(
            [
                (
                    self.wording(side, n=pair[0].name, m=pair[1].name),
                    self.yes_no((y_of(pair[0]) < y_of(pair[1])) == (side == "above")),
                )
            ],
            "relation",
        )

    def next_to(self) -> Conversation | None:
        """The one thing that is left (right) of another; asked where there is exactly one."""
        for _ in range(4):
            o = self._some()
            if o is None or len(self.objects) < 2:
                return None
            side = pick(self.rng, ("what_left", "what_right"))
            sign = 1 if side == "what_left" else -1
            far = [p for p in self.objects if p is not o and sign * (x_of(o) - x_of(p)) > 0]
            if len(far) == 1 and abs(x_of(far[0]) - x_of(o)) > 0.08 * self.scene.width:
                return Conversation([(self.wording(side, n=o.name), self.word(far[0].name))], "relation")
        return None

    def larger(self) -> Conversation | None:
        """The larger or the smaller of two objects."""
        pair = self._two(lambda a, b: max(area_of(a), area_of(b)) > 1.5 * min(area_of(a), area_of(b)))
        if not pair:
            return None
        kind = pick(self.rng, ("larger", "larger", "smaller"))
        chosen = (max if kind == "larger" else min)(pair, key=area_of)
        return Conversation([(self.wording(kind, n=pair[0].name, m=pair[1].name), self.word(chosen.name))], "compare")

    def largest(self) -> Conversation | None:
        """The largest object, where it is clearly the largest."""
        ordered = sorted(self.objects, key=area_of)
        if len(ordered) < 2 or area_of(ordered[-1]) < 1.3 * area_of(ordered[-2]):
            return None
        return Conversation([(self.wording("largest"), self.word(ordered[-1].name))], "compare")

    def in_order(self) -> Conversation | None:
        """All objects from left to right."""
        if not 2 <= len(self.objects) <= 5 or len(self.alone) != len(self.objects):
            return None
        return Conversation(
            [(self.wording("in_order"), ", ".join(self.word(n) for n in self._left_to_right()))], "order"
        )

    def at_box(self) -> Conversation | None:
        """The object in a given box."""
        o = pick(self.rng, self.objects) if self.objects else None
        return (
            Conversation([(self.wording("at_box", b=hundredths(o.box, self.scene)), self.word(o.name))], "pointing")
            if o
            else None
        )

    def label(self) -> Conversation | None:
        """The text on an object, or the object with a given text."""
        held = [o for o in self.alone if o.attributes.get("label")]
        if not held:
            return None
        o = pick(self.rng, held)
        if self.rng.random() < 0.5:
            return Conversation([(self.wording("which_has", t=o.attributes["label"]), self.word(o.name))], "marks")
        return Conversation([(self.wording("read_on", n=o.name), o.attributes["label"])], "marks")

    def mark(self) -> Conversation | None:
        """What a drawn mark shows: ``scene.meta["marks"]`` rows of colour, kind and name."""
        marks = self.scene.meta.get("marks") or []
        if not marks:
            return None
        m = pick(self.rng, marks)
        ko = self.language == "ko"
        fields = {
            "c": MARK_COLOURS_KO[m["colour"]] if ko else m["colour"],
            "s": Word(MARK_KINDS_KO[m["kind"]] if ko else m["kind"]),
        }
        return Conversation([(self.wording("mark", **fields), self.word(m["name"]))], "pointing")
