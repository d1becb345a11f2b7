"""Reasoning by the template teacher: questions that give nothing away, answers that follow from the Scene."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import numpy as np

from nunbit.data.teacher.reply_format import Turn
from nunbit.data.teacher.template_base import ABSENT_KINDS, TemplateBase
from nunbit.data.teacher.template_conversation import ALIVE
from nunbit.scene import SceneObject
from nunbit.scene_phrases import clean
from nunbit.world.names import broader, kind_of
from nunbit.world.question_base import x_of, y_of

FEW, LOTS = 3, 6
"""Things that can be kept in mind at once, and from how many on they cannot; Cowan 2001 finds about four."""
CLOSEST = 0.7
"""How much closer than the next pair two things are that are called the closest."""


class ReasoningTemplate(TemplateBase):
    """One question and its answer."""

    def text(self) -> str:
        """``Question:``, ``===``, ``Answer:``; "" where nothing is there."""
        if not self.objects:
            return ""
        makers: list[Callable[[], Turn | None]] = [
            self.first_seen, self.order, self.alive, self.crowded, self.purpose, self.purpose, self.near, self.reading
        ]  # fmt: skip
        for i in self.rng.permutation(len(makers)):
            made = makers[int(i)]()
            if made:
                break
        else:
            made = self.subject()
        return f"Question:\n{made[0]}\n===\nAnswer:\n{made[1]}\n==="

    def first_seen(self) -> Turn | None:
        """The largest thing draws the eye."""
        o = self.largest()
        return (self.say("q_largest"), self.say("a_largest", n=o.name)) if o else None

    def order(self) -> Turn | None:
        """The first and the last from left to right, where both are clear."""
        if len(self.objects) < 2:
            return None
        row = sorted(self.objects, key=x_of)
        clear = 0.06 * self.scene.width
        ends = row[0] in self.alone and row[-1] in self.alone
        if not ends or x_of(row[1]) - x_of(row[0]) < clear or x_of(row[-1]) - x_of(row[-2]) < clear:
            return None
        return self.say("q_order"), self.say("a_order", n=row[0].name, m=row[-1].name)

    def alive(self) -> Turn | None:
        """What lives, of all that is there; kinds that are not known leave the question out."""
        if any(kind_of(o.name) == "place" for o in self.objects) or not self.knows_absence:
            return None
        living = [o for o in self.objects if kind_of(o.name) in ALIVE]
        if any(kind_of(o.name) == "food" for o in self.objects):
            return None  # whether an apple is alive is a question of its own
        if not living:
            return self.say("q_alive"), self.say("a_none_alive", g=self.groups())
        return self.say("q_alive"), self.say("a_alive", g=self.groups(), h=self.groups(living))

    def crowded(self) -> Turn | None:
        """Whether all can be kept in mind."""
        n = len(self.objects)
        if not self.knows_absence or FEW < n < LOTS or len(self.counted) < len(self.counts):
            return None  # in between nothing follows
        key = "a_few_one" if n == 1 else "a_few" if n <= FEW else "a_lots"
        return self.say("q_crowded"), self.say(key, g=self.groups(), i=n)

    def purpose(self) -> Turn | None:
        """Whether something is there that serves a purpose."""
        kind = ABSENT_KINDS[int(self.rng.integers(len(ABSENT_KINDS)))]
        held = [o for o in self.objects if kind_of(o.name) == kind]
        if held:
            return self.say(f"q_{kind}"), self.say(f"a_{kind}", h=self.groups(held))
        unclear = any(kind_of(o.name) in ("place", "kind") or broader(o.name) for o in self.objects)
        if not self.knows_absence or unclear or (kind == "food" and self._some_of("animal", "plant")):
            return None
        if kind == "animal" and self._some_of("person"):
            return None
        return self.say(f"q_{kind}"), self.say(f"n_{kind}", g=self.groups())

    def near(self) -> Turn | None:
        """The two things that are clearly the closest."""
        if len(self.objects) < 3:
            return None
        pairs = sorted(combinations(self.objects, 2), key=lambda p: self._distance(*p))
        a, b = pairs[0]
        if a not in self.alone or b not in self.alone or self._distance(a, b) > CLOSEST * self._distance(*pairs[1]):
            return None
        return self.say("q_near"), self.say("a_near", n=a.name, m=b.name)

    def reading(self) -> Turn | None:
        """What the only line of writing says."""
        lines = [t for t in self.scene.text_lines if t.score >= 0.5 and t.text.strip()]
        return (self.say("q_text"), self.say("a_text", t=clean(lines[0].text))) if len(lines) == 1 else None

    def subject(self) -> Turn:
        """What one would call the picture: possible of every Scene with an object."""
        return self.say("q_subject"), self.say("a_subject", g=self.groups())

    def _some_of(self, *kinds: str) -> bool:
        return any(kind_of(o.name) in kinds for o in self.objects)

    def _distance(self, a: SceneObject, b: SceneObject) -> float:
        return float(np.hypot(x_of(a) - x_of(b), y_of(a) - y_of(b)))
