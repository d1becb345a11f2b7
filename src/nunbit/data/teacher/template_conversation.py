"""Conversations of several turns by the template teacher."""

from __future__ import annotations

from collections.abc import Callable

from nunbit.data.teacher.reply_format import Turn
from nunbit.data.teacher.template_base import SIDES, TemplateBase
from nunbit.scene_phrases import clean, colour_of
from nunbit.world.base import pick
from nunbit.world.names import kind_of
from nunbit.world.wordings import Word, wordings

LEAST_TURNS, MOST_TURNS = 3, 6
ALIVE = ("animal", "plant", "person")
LIFELESS = ("vehicle", "clothing", "instrument", "shape")
FOLLOW_SHARE = 0.4


class ConversationTemplate(TemplateBase):
    """Questions of different kinds in a random order, each answered in a sentence."""

    def text(self) -> str:
        """``Question:`` and ``Answer:`` between lines of ``===``; "" where nothing is there to ask about."""
        turns = self.turns()
        parts = [f"Question:\n{q}\n===\nAnswer:\n{a}\n===" for q, a in turns]
        return "\n".join(parts) if turns else ""

    def turns(self) -> list[Turn]:
        """Three to six turns, as far as the Scene gives them."""
        if not self.objects:
            return []
        makers: list[Callable[[], list[Turn]]] = [
            self.count, self.colour, self.part, self.relation, self.yes, self.no, self.big, self.writing,
            self.general, self.no_relation,
        ]  # fmt: skip
        wanted = int(self.rng.integers(LEAST_TURNS, MOST_TURNS + 1))
        out: list[Turn] = self.everything() if self.rng.random() < 0.5 else []
        for i in self.rng.permutation(len(makers)):
            if len(out) >= wanted:
                break
            out += makers[int(i)]()
        return out[:MOST_TURNS]

    def everything(self) -> list[Turn]:
        """What there is."""
        return [(self.say("ask_all"), self.say("all", g=self.groups()))]

    def count(self) -> list[Turn]:
        """How many of a name."""
        if not self.counted:
            return []
        name = pick(self.rng, [*self.counted])
        n = self.counted[name]
        return [(self.wording("count", n=name), self.say("count" if n > 1 else "count_one", n=name, i=n))]

    def colour(self) -> list[Turn]:
        """The colour of a thing, and perhaps a second question about "it"."""
        held = self.coloured()
        if not held:
            return []
        o = self.some(held)
        turns = [(self.wording("colour", n=o.name), self.say("colour", n=o.name, c=self.hue(o)))]
        if self._clear(o) and self.rng.random() < FOLLOW_SHARE:
            turns.append((self._follow("part"), self.say("part", n=o.name, **self.place(o))))
        return turns

    def part(self) -> list[Turn]:
        """In which part of the picture a thing is."""
        held = [o for o in self.alone if self._clear(o)]
        if not held:
            return []
        o = self.some(held)
        turns = [(self.wording("part", n=o.name), self.say("part", n=o.name, **self.place(o)))]
        if colour_of(o) and self.rng.random() < FOLLOW_SHARE:
            turns.append((self._follow("colour"), self.say("colour", n=o.name, c=self.hue(o))))
        return turns

    def relation(self) -> list[Turn]:
        """On which side of another thing one is."""
        found = self.pair()
        if not found:
            return []
        a, b, side = found
        names = {"n": a.name, "m": b.name, "r": SIDES[self.language][side]}
        if self.rng.random() < 0.5:
            asked = {"left": "left_of", "right": "right_of"}.get(side, side)
            return [(self.wording(asked, n=a.name, m=b.name), self.say("yes_relation", **names))]
        return [(self.say("ask_relation", n=a.name, m=b.name), self.say("relation", **names))]

    def no_relation(self) -> list[Turn]:
        """A side that is not the right one: no, it is on the other."""
        found = self.pair()
        if not found:
            return []
        a, b, side = found
        wrong = {"left": "right_of", "right": "left_of", "above": "below", "below": "above"}[side]
        names = {"n": a.name, "m": b.name, "r": SIDES[self.language][side]}
        return [(self.wording(wrong, n=a.name, m=b.name), self.say("no_relation", **names))]

    def yes(self) -> list[Turn]:
        """Something that is there."""
        if not self.counted:
            return []
        name = pick(self.rng, [*self.counted])
        n = self.counted[name]
        return [(self.wording("exists", n=name), self.say("present" if n > 1 else "present_one", n=name, i=n))]

    def no(self) -> list[Turn]:
        """Something that is confidently absent."""
        if not self.knows_absence:
            return []
        name = self.missing()
        return [(self.wording("exists", n=name), self.say("absent", n=name))]

    def big(self) -> list[Turn]:
        """The largest thing."""
        o = self.largest()
        return [(self.wording("largest"), self.say("largest", n=o.name))] if o else []

    def writing(self) -> list[Turn]:
        """What is written, or that nothing is."""
        lines = [t for t in self.scene.text_lines if t.score >= 0.5 and t.text.strip()]
        if len(lines) == 1:
            return [(self.wording("read"), self.say("read", t=clean(lines[0].text)))]
        if not lines and self.scene.meta.get("complete") == "all":
            return [(self.wording("read"), self.say("no_text"))]
        return []

    def general(self) -> list[Turn]:
        """Something that everybody knows about a thing that is there."""
        held = [n for n in self.counts if kind_of(n) in (*ALIVE, *LIFELESS)]
        if not held:
            return []
        name = pick(self.rng, held)
        kind, article_kind = self.kind_word(name)
        key = "alive" if kind_of(name) in ALIVE else "not_alive"
        return [(self.say("ask_alive", n=name), self.say(key, n=name, k=kind, ak=article_kind))]

    def _follow(self, kind: str) -> str:
        return str(Word(pick(self.rng, wordings()["follow"][kind][self.language])))
