"""Answers from a Scene by rules alone, without a language model: what perception by itself is worth.

Patterns of the commonest questions, English and Korean, and look-ups in the Scene. A question that no pattern fits gets
no answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from nunbit.english import article
from nunbit.scene import Scene, SceneObject
from nunbit.scene_phrases import UNSURE, groups_of, hundredths, list_groups, part_of
from nunbit.scene_prompt import KINDS
from nunbit.world.base import Language
from nunbit.world.names import KINDS_KO, english_plural, kind_of, korean, names_in, table
from nunbit.world.wordings import Word, fixed_sentence

COUNT = re.compile(r"how many|number of|^count |몇 (개|마리|명)|모두 몇|몇이나|세어", re.I)
COLOUR = re.compile(r"colou?r|무슨 색|어떤 색|색깔|색은", re.I)
WHERE = re.compile(r"which part|which side|what part|roughly|어느 쪽|어느 부분|어디쯤", re.I)
BOX = re.compile(r"^where|box|locate|coordinates|^find|어디에|위치|좌표|찾아", re.I)
EXISTS = re.compile(
    r"^(is|are) (there|any)|do you see|can you see|does .* (show|contain)|visible|있나요|있어|보이나요|보여요|나오나요",
    re.I,
)
READ = re.compile(r"\bsay\b|\bread\b|written|text|title|heading|쓰여|읽어|적힌|제목|써 있", re.I)
PARTICLES = r"은|는|이|가|을|를|의|과|와|에|보다|\s|$"
WHAT = re.compile(r"^what|^name|^which|^identify|무엇|무슨|뭐", re.I)
DESCRIBE = re.compile(r"describe|list what|what things|which objects|설명|어떤 것들|무엇무엇", re.I)
SORT = re.compile(r"photograph or|sort of picture|type of image|사진인가요|종류", re.I)


@dataclass(slots=True)
class RuleAnswerer:
    """Answers questions about Scenes.

    Args:
        look: picture -> Scene; any perception.
    """

    look: Callable[[object], Scene]

    def answer(self, scene: Scene, question: str) -> str:
        """The answer that the rules give; "" where none fits."""
        return _Rules(scene, question).answer()


class _Rules:
    def __init__(self, scene: Scene, question: str) -> None:
        self.scene, self.question = scene, question
        self.language: Language = "ko" if re.search(r"[가-힣]", question) else "en"
        self.objects = [o for o in scene.objects if o.score >= UNSURE]
        self.named = self._named()

    def answer(self) -> str:
        q = self.question
        if SORT.search(q):
            return self._sort()
        if READ.search(q):
            return " ".join(t.text for t in self.scene.text_lines) or fixed_sentence("no_text", self.language)
        if COUNT.search(q):
            return str(len([o for o in self.objects if self._is(o, self.named)]) if self.named else len(self.objects))
        if COLOUR.search(q):
            return self._of(lambda o: self._word(o.attributes.get("colour", "")))
        if EXISTS.search(q) and not WHAT.search(q):
            return self._truth(any(self._is(o, self.named) for o in self.objects))
        if WHERE.search(q):
            return self._of(lambda o: part_of(o.box, self.scene, self.language))
        if BOX.search(q):
            return self._of(lambda o: hundredths(o.box, self.scene))
        if DESCRIBE.search(q):
            return list_groups(groups_of(self.objects), self.language, names_in(self.language))
        return self._what() if WHAT.search(q) else ""

    def _named(self) -> str:
        """The name in the question: the longest that stands in it."""
        text = self.question.casefold()
        known = {*table(), *(o.name for o in self.scene.objects)} - {"picture", "photo", "place"}
        if self.language == "ko":
            fits = [n for n in known if re.search(rf"(^|\s){korean(n)}({PARTICLES})", text)]
            return max(fits, key=lambda n: len(korean(n)), default="")
        fits = [n for n in known if re.search(rf"\b({re.escape(n)}|{re.escape(english_plural(n))})\b", text)]
        return max(fits, key=len, default="")

    def _is(self, o: SceneObject, name: str) -> bool:
        return name in (o.name, o.attributes.get("kind"))

    def _word(self, name: str) -> str:
        return korean(name) if self.language == "ko" else name

    def _truth(self, value: bool) -> str:
        return ("네" if value else "아니요") if self.language == "ko" else ("Yes" if value else "No")

    def _of(self, fact: Callable[[SceneObject], str]) -> str:
        """A fact about the named object; where it is missing, a sentence that says so."""
        found = [o for o in self.objects if self._is(o, self.named)]
        if not found:
            return fixed_sentence("absent", self.language).format(
                n=Word(self._word(self.named) if self.named else "thing")
            )
        return fact(max(found, key=lambda o: o.score)) or fixed_sentence("unknown", self.language)

    def _sort(self) -> str:
        kind = str(self.scene.meta.get("kind") or "photograph")
        return f"{article(kind)} {kind}" if self.language == "en" else KINDS.get(kind, kind)

    def _what(self) -> str:
        """A thing of the kind that is asked for, else the largest, else what the whole picture shows."""
        kinds = {k: (KINDS_KO[k] if self.language == "ko" else k) for k in KINDS_KO if k != "thing"}
        asked = next((k for k, word in kinds.items() if word in self.question.casefold()), "")
        fitting = [o for o in self.objects if not asked or kind_of(o.name) == asked]
        if fitting:
            return self._word(max(fitting, key=lambda o: (o.box[2] - o.box[0]) * (o.box[3] - o.box[1])).name)
        names = self.scene.meta.get("names") or []
        return self._word(names[0][0]) if names else fixed_sentence("unknown", self.language)
