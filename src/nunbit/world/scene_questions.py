"""Questions about a Scene of named objects, in many wordings, each with the answer that the Scene gives. English and
Korean."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from nunbit.english import article
from nunbit.scene import SceneObject
from nunbit.scene_phrases import colour_of, hundredths
from nunbit.scene_prompt import KINDS
from nunbit.world.base import COLOURS, pick
from nunbit.world.names import broader, english_plural, kind_of
from nunbit.world.place_questions import PlaceQuestions
from nunbit.world.question_base import Conversation, Turn, x_of
from nunbit.world.wordings import Word, fixed_sentence, wordings

__all__ = ["SceneQuestions", "Conversation", "Turn"]


KINDS_OF_QUESTION = tuple(
    "exists exists_not coloured count total colour false_colour where part at_part what which_kind list_kind beside"
    " over looks next_to larger largest more_of in_order describe describe_long at_box unknown label mark sort followed"
    " followed_count place no_text exists_broader about_broader inside".split()
)
"""The methods that make a question."""


class SceneQuestions(PlaceQuestions):
    """Makes questions about one Scene. Each method makes one, or None where the Scene gives none."""

    def draw(self, many: int, only: Sequence[str] = ()) -> list[Conversation]:
        """Up to ``many`` conversations, of as many kinds as the Scene gives; of the named methods only, if some are."""
        known = only or KINDS_OF_QUESTION
        makers: list[Callable[[], Conversation | None]] = [getattr(self, name) for name in known]
        out: list[Conversation] = []
        for i in self.rng.permutation(len(makers)):
            made = makers[int(i)]()
            if made is not None:
                out.append(made)
            if len(out) >= many:
                break
        return out

    def exists(self) -> Conversation | None:
        """Whether an object is there that is."""
        return (
            Conversation([(self.wording("exists", n=pick(self.rng, [*self.counts])), self.yes_no(True))], "exists")
            if self.counts
            else None
        )

    def exists_not(self) -> Conversation:
        """Whether an object is there that is not."""
        return Conversation([(self.wording("exists", n=self.missing()), self.yes_no(False))], "exists")

    def coloured(self) -> Conversation | None:
        """Whether an object is there in a given colour."""
        held = [o for o in self.objects if o.attributes.get("colour") in COLOURS and self.counts[o.name] == 1]
        if not held:
            return None
        o = pick(self.rng, held)
        colour = o.attributes["colour"] if self.rng.random() < 0.5 else pick(self.rng, tuple(COLOURS))
        return Conversation(
            [
                (
                    self.wording("exists_colour", n=o.name, c=self.word(colour)),
                    self.yes_no(colour == o.attributes["colour"]),
                )
            ],
            "exists",
        )

    def count(self) -> Conversation | None:
        """The number of objects of one name; zero is possible."""
        name = pick(self.rng, [*self.counts]) if self.counts and self.rng.random() < 0.85 else self.missing()
        return Conversation([(self.wording("count", n=name), str(self.counts[name]))], "count")

    def total(self) -> Conversation:
        """The number of all objects."""
        return Conversation([(self.wording("total"), str(len(self.objects)))], "count")

    def colour(self) -> Conversation | None:
        """The colour of an object, in a word or a sentence."""
        held = [o for o in self.alone if o.attributes.get("colour")]
        if not held:
            return None
        o = pick(self.rng, held)
        answer = self.word(o.attributes["colour"])
        question = self.wording("colour", n=o.name)
        if self.rng.random() < 0.15:
            sentence = self._fill(wordings()["sentence"]["colour"][self.language], n=o.name, c=answer)
            return Conversation(
                [(question + pick(self.rng, wordings()["follow"]["sentence"][self.language]), sentence)], "colour"
            )
        return Conversation([(question, str(answer))], "colour")

    def false_colour(self) -> Conversation:
        """A question that takes for granted what is not there."""
        name = self.missing()
        kind = pick(self.rng, ("colour", "where", "part", "read_on", "colour"))
        return Conversation([(self.wording(kind, n=name), self.fixed("absent", n=name))], "false premise")

    def what(self) -> Conversation | None:
        """The name of the only object, or of the whole picture."""
        names = self.scene.meta.get("names") or []
        if len(self.objects) > 1 or not (self.objects or names):
            return None
        name = self.objects[0].name if self.objects else names[0][0]
        return Conversation(
            [(self.wording("what"), self.word(name) if self.language == "ko" else f"{article(name)} {name}")], "naming"
        )

    def place(self) -> Conversation | None:
        """The kind of place that the picture shows."""
        names = self.scene.meta.get("names") or []
        if not names or kind_of(names[0][0]) != "place":
            return None
        name = names[0][0]
        return Conversation(
            [(self.wording("place"), self.word(name) if self.language == "ko" else f"{article(name)} {name}")], "naming"
        )

    def looks(self) -> Conversation | None:
        """Black and white or colour, dark or bright, the main colour: where that was measured."""
        picture = self.scene.meta.get("picture")
        if not picture:
            return None
        ko = self.language == "ko"
        kind = pick(self.rng, ("tone", "main_colour", "light"))
        if kind == "tone":
            plain = picture["colour"] == "black and white"
            answer = ("흑백" if plain else "컬러") if ko else ("black and white" if plain else "in colour")
        elif kind == "main_colour":
            answer = str(self.word(picture["main colours"].split(", ")[0]))
        elif picture["brightness"] == "medium":
            return None
        else:
            answer = (
                {"dark": "어둡습니다.", "bright": "밝습니다."}[picture["brightness"]] if ko else picture["brightness"]
            )
        return Conversation([(self.wording(kind), answer)], "looks")

    def which_kind(self) -> Conversation | None:
        """The object of a kind (animal, vehicle), or that none is there."""
        kinds = Counter(kind_of(n) for n in self.counts)
        fitting = [n for n in self.counts if kinds[kind_of(n)] == 1 and kind_of(n) not in ("thing", "place", "person")]
        if fitting and self.rng.random() < 0.85:
            name = pick(self.rng, fitting)
            return Conversation([(self.wording("which_kind", k=self._kind(kind_of(name))), self.word(name))], "naming")
        gone = [k for k in ("animal", "vehicle", "food", "instrument") if k not in kinds and "thing" not in kinds]
        if not gone:
            return None
        kind = self._kind(pick(self.rng, gone))
        return Conversation(
            [(self.wording("which_kind", k=kind), fixed_sentence("absent", self.language).format(n=kind))],
            "false premise",
        )

    def list_kind(self) -> Conversation | None:
        """All objects of a kind."""
        for kind in ("animal", "food", "vehicle", "clothing", "plant", "shape"):
            held = [n for n in self._left_to_right() if kind_of(n) == kind]
            if len(held) >= 2:
                ks = Word(kind + "s") if kind not in ("food", "clothing") else Word("pieces of " + kind)
                return Conversation(
                    [(self.wording("list_kind", k=self._kind(kind), ks=ks), ", ".join(self.word(n) for n in held))],
                    "naming",
                )
        return None

    def more_of(self) -> Conversation | None:
        """The more frequent of two names."""
        if len(self.counts) < 2:
            return None
        a, b = (list(self.counts)[int(i)] for i in self.rng.permutation(len(self.counts))[:2])
        if self.counts[a] == self.counts[b]:
            return None
        most = a if self.counts[a] > self.counts[b] else b
        return Conversation(
            [(self.wording("more_of", n=a, m=b), self.word(most) if self.language == "ko" else english_plural(most))],
            "compare",
        )

    def no_text(self) -> Conversation | None:
        """What is written, where nothing is."""
        if self.scene.text_lines:
            return None
        return Conversation([(self.wording("read"), self.fixed("no_text"))], "reading")

    def _by_broader(self) -> dict[str, list[SceneObject]]:
        """Broader names that no object has as its own, and the objects that each covers."""
        out: dict[str, list[SceneObject]] = {}
        for o in self.objects:
            for wide in broader(o.name):
                if wide not in self.counts:
                    out.setdefault(wide, []).append(o)
        return out

    def exists_broader(self) -> Conversation | None:
        """Whether there is a flower, where there is a daisy; or how many."""
        held = self._by_broader()
        if not held:
            return None
        wide = pick(self.rng, [*held])
        if self.rng.random() < 0.4:
            return Conversation([(self.wording("count", n=wide), str(len(held[wide])))], "count")
        return Conversation([(self.wording("exists", n=wide), self.yes_no(True))], "exists")

    def about_broader(self) -> Conversation | None:
        """The colour or the place of the only flower, which is a daisy."""
        held = {w: o[0] for w, o in self._by_broader().items() if len(o) == 1}
        if not held:
            return None
        wide = pick(self.rng, [*held])
        o = held[wide]
        if o.attributes.get("colour") and self.rng.random() < 0.6:
            return Conversation([(self.wording("colour", n=wide), str(self.word(o.attributes["colour"])))], "colour")
        return Conversation([(self.wording("where", n=wide), hundredths(o.box, self.scene))], "place")

    def inside(self) -> Conversation | None:
        """What is in the cup, where there is a cup of coffee."""
        held = [o for o in self.alone if o.name.startswith(("cup of ", "glass of ", "plate of "))]
        if not held:
            return None
        vessel, _, content = pick(self.rng, held).name.partition(" of ")
        return Conversation([(self.wording("inside", n=vessel), str(self.word(content)))], "naming")

    def describe(self) -> Conversation | None:
        """A short description: the objects with their numbers."""
        return Conversation([(self.wording("describe"), self._groups())], "describe") if self.objects else None

    def describe_long(self) -> Conversation | None:
        """A description in sentences: objects, places, colours, text."""
        if not 1 <= len(self.objects) <= 5:
            return None
        begin = wordings()["sentence"]["begin"][self.language]
        sentences = [self._fill(begin[:1], g=Word(self._groups()), i=len(self.objects))]
        for o in sorted(self.alone, key=x_of)[:4]:
            sentences.append(
                self._fill(wordings()["sentence"]["place"][self.language][:1], n=o.name, p=Word(self._part(o)))
            )
            if colour_of(o) and self.language == "en":
                sentences[-1] = sentences[-1][:-1] + f", and it is {colour_of(o)}."
        if self.scene.text_lines:
            sentences.append(
                self._fill(
                    wordings()["sentence"]["text"][self.language],
                    t=" / ".join(t.text for t in self.scene.text_lines[:4]),
                )
            )
        return Conversation([(self.wording("describe_long"), " ".join(sentences))], "describe")

    def unknown(self) -> Conversation | None:
        """A question that the Scene cannot answer."""
        return (
            Conversation(
                [(self.wording("unknown", n=pick(self.rng, [*self.counts])), self.fixed("unknown"))], "unanswerable"
            )
            if self.counts
            else None
        )

    def sort(self) -> Conversation | None:
        """The kind of picture: a photograph, a drawing, a document."""
        kind = self.scene.meta.get("kind")
        if kind not in KINDS:
            return None
        return Conversation(
            [(self.wording("sort_of_picture"), f"{article(kind)} {kind}" if self.language == "en" else KINDS[kind])],
            "naming",
        )

    def followed(self) -> Conversation | None:
        """A thing, then something about it without its name; then perhaps the same about another."""
        o = self._some()
        if o is None:
            return None
        turns = [(self.wording("exists", n=o.name), self.yes_no(True))]
        about = self.about(o)
        if not about:
            return None
        turns.append(about)
        if self.rng.random() < 0.3:
            turns.append((pick(self.rng, wordings()["follow"]["where"][self.language]), hundredths(o.box, self.scene)))
        return Conversation(turns, "follow-up")

    def followed_count(self) -> Conversation | None:
        """Two counts, the second asked without repeating the question."""
        if not self.counts:
            return None
        a = pick(self.rng, [*self.counts])
        b = (
            self.missing()
            if len(self.counts) < 2 or self.rng.random() < 0.3
            else pick(self.rng, [n for n in self.counts if n != a])
        )
        return Conversation(
            [
                (self.wording("count", n=a), str(self.counts[a])),
                (self._fill(wordings()["follow"]["and_many"][self.language], n=b), str(self.counts[b])),
            ],
            "follow-up",
        )

    def about(self, o: SceneObject) -> Turn | None:
        """A question about "it"."""
        kinds = ["where", *(["part"] if self._clear(o) else []), *(["colour"] if o.attributes.get("colour") else [])]
        kind = pick(self.rng, kinds)
        answers = {
            "where": hundredths(o.box, self.scene),
            "part": self._part(o),
            "colour": str(self.word(o.attributes.get("colour", ""))),
        }
        return pick(self.rng, wordings()["follow"][kind][self.language]), answers[kind]
