"""Questions about pictures of the domain *things*, in English and Korean, with exact answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from nunbit.scene import Scene, SceneObject
from nunbit.world.base import COLOURS, QA, SIZE_PX, Language, Picture, box_text, pick
from nunbit.world.thing_names import names
from nunbit.world.wording import article, colour_word, josa, listing, yes_no

CELL_WORDS = {
    "en": (("top left", "top", "top right"), ("left", "center", "right"), ("bottom left", "bottom", "bottom right")),
    "ko": (("왼쪽 위", "위", "오른쪽 위"), ("왼쪽", "가운데", "오른쪽"), ("왼쪽 아래", "아래", "오른쪽 아래")),
}
"""Words for the nine parts of a picture, by row and column."""
PLACE_MARGIN_PX, SIDE_MARGIN_PX = 6, 20
"""An object is asked for its part of the picture, or its side of another, only if it is this clear of the border."""


def make_questions(picture: Picture, rng: np.random.Generator, language: Language) -> list[QA]:
    """6 to 10 questions over the Scene."""
    scene, q = picture.scene, _Questions(rng, language)
    counts = Counter(o.name for o in scene.objects)
    single = [o for o in scene.objects if counts[o.name] == 1]
    q.about_existence(scene, counts)
    q.about_counts(counts)
    for o in single[:3]:
        q.about_object(o)
    if len(single) > 1:
        q.about_pair(scene, single)
    if len(scene.objects) <= 4 and len(single) == len(scene.objects) >= 2:
        q.about_order(scene)
    q.about_everything(scene)
    return q.out


class _Questions:
    """Collects questions in one language; ``rng`` picks among phrasings and objects."""

    def __init__(self, rng: np.random.Generator, language: Language) -> None:
        self.rng, self.language = rng, language
        self.out: list[QA] = []

    def add(self, kind: str, en: Sequence[str], ko: Sequence[str], answer_en: str, answer_ko: str) -> None:
        """A question in one of its phrasings."""
        korean = self.language == "ko"
        phrasing = pick(self.rng, ko if korean else en)
        self.out.append(QA(phrasing, answer_ko if korean else answer_en, kind, self.language))

    def add_yes_no(self, kind: str, en: Sequence[str], ko: Sequence[str], truth: bool) -> None:
        """A question for yes or no."""
        self.add(kind, en, ko, yes_no(truth, "en"), yes_no(truth, "ko"))

    def name(self, name: str, particles: str = "") -> str:
        """A name in the language of the questions; in Korean with its particle."""
        own = names()[name][1] if self.language == "ko" else name
        return josa(own, particles) if particles else own

    def about_existence(self, scene: Scene, counts: Counter[str]) -> None:
        """Whether a thing is there, one that is and one that is not; whether a shape of a colour is there."""
        absent = [n for n in (pick(self.rng, tuple(names())) for _ in range(3)) if n not in counts][:1]
        for name, truth in ((pick(self.rng, tuple(counts)), True), *((n, False) for n in absent)):
            en = [f"Is there {article(name)}?", f"Is there {article(name)} in the picture?"]
            own = self.name(name, "이/가")
            self.add_yes_no("exists", en, [f"{own} 있나요?", f"그림에 {own} 있나요?"], truth)
        shapes = [o for o in scene.objects if "colour" in o.attributes]
        if shapes:
            o = pick(self.rng, shapes)
            hue = o.attributes["colour"] if self.rng.random() < 0.5 else pick(self.rng, tuple(COLOURS))
            truth = any(s.name == o.name and s.attributes.get("colour") == hue for s in scene.objects)
            ko = [f"{colour_word(hue, 'ko')} {self.name(o.name, '이/가')} 있나요?"]
            self.add_yes_no("exists", [f"Is there {article(hue)} {o.name}?"], ko, truth)

    def about_counts(self, counts: Counter[str]) -> None:
        """How many of a kind, now and then of one that is not there, and how many in all."""
        chosen = [pick(self.rng, tuple(counts)), counts.most_common(1)[0][0]]
        if self.rng.random() < 0.15:
            chosen.append(pick(self.rng, tuple(names())))
        for name in dict.fromkeys(chosen):
            ko = [f"{self.name(name, '이/가')} 몇 개 있나요?", f"{self.name(name, '은/는')} 모두 몇 개인가요?"]
            self.add("count", [f"How many {names()[name][0]} are there?"], ko, *[str(counts[name])] * 2)
        total = str(sum(counts.values()))
        self.add("count", ["How many things are there in all?"], ["물건은 모두 몇 개 있나요?"], total, total)

    def about_object(self, o: SceneObject) -> None:
        """Box, part of the picture and colour of the only object of its name."""
        topic, box = self.name(o.name, "은/는"), box_text(o.box)
        en = [f"Where is the {o.name}?", f"Give the box of the {o.name}."]
        self.add("locate", en, [f"{topic} 어디에 있나요?", f"{self.name(o.name)}의 위치를 알려 주세요."], box, box)
        cx, cy = (o.box[0] + o.box[2]) / 2, (o.box[1] + o.box[3]) / 2
        if min(abs(cx - 64), abs(cx - 128), abs(cy - 64), abs(cy - 128)) > PLACE_MARGIN_PX:
            part_en, part_ko = (CELL_WORDS[x][int(cy * 3 // SIZE_PX)][int(cx * 3 // SIZE_PX)] for x in ("en", "ko"))
            en = [f"In which part of the picture is the {o.name}?"]
            self.add("locate", en, [f"{topic} 그림의 어느 쪽에 있나요?"], part_en, part_ko)
        if hue := o.attributes.get("colour"):
            en = [f"What color is the {o.name}?", f"What colour is the {o.name}?"]
            self.add("attribute", en, [f"{topic} 무슨 색인가요?"], hue, COLOURS[hue][0])

    def about_pair(self, scene: Scene, single: Sequence[SceneObject]) -> None:
        """Side, what is to the left, and size of two objects that are the only ones of their names."""
        i, j = self.rng.permutation(len(single))[:2]
        a, b = single[int(i)], single[int(j)]
        self._about_sides(a, b)
        left = [
            scene.objects[r.subject]
            for r in scene.relations
            if r.predicate == "left of" and scene.objects[r.object] is a
        ]
        # Another object that is only partly left of it would be a second right answer.
        partly = [o for o in scene.objects if o is not a and o.box[0] + o.box[2] < a.box[0] + a.box[2] + 16]
        if len(left) == len(partly) == 1:
            self._add_name(
                "relation",
                f"What is to the left of the {a.name}?",
                f"{self.name(a.name)}의 왼쪽에는 무엇이 있나요?",
                left[0],
            )
        areas = [(o.box[2] - o.box[0]) * (o.box[3] - o.box[1]) for o in (a, b)]
        if max(areas) > 1.6 * min(areas):
            ko = f"{self.name(a.name, '과/와')} {self.name(b.name)} 중에 어느 것이 더 큰가요?"
            self._add_name(
                "compare", f"Which is larger, the {a.name} or the {b.name}?", ko, a if areas[0] > areas[1] else b
            )

    def _about_sides(self, a: SceneObject, b: SceneObject) -> None:
        """Whether a is to the left or right of b, and above or below it."""
        dx = (b.box[0] + b.box[2] - a.box[0] - a.box[2]) / 2
        dy = (b.box[1] + b.box[3] - a.box[1] - a.box[3]) / 2
        subject, other = self.name(a.name, "이/가"), self.name(b.name)
        if abs(dx) > SIDE_MARGIN_PX:
            left = self.rng.random() < 0.5
            en = [f"Is the {a.name} to the {'left' if left else 'right'} of the {b.name}?"]
            self.add_yes_no(
                "relation", en, [f"{subject} {other}의 {'왼쪽' if left else '오른쪽'}에 있나요?"], (dx > 0) == left
            )
        if abs(dy) > SIDE_MARGIN_PX:
            above = self.rng.random() < 0.5
            en = [f"Is the {a.name} {'above' if above else 'below'} the {b.name}?"]
            self.add_yes_no(
                "relation", en, [f"{subject} {other}보다 {'위' if above else '아래'}에 있나요?"], (dy > 0) == above
            )

    def _add_name(self, kind: str, en: str, ko: str, answer: SceneObject) -> None:
        """A question whose answer is the name of an object."""
        self.add(kind, [en], [ko], answer.name, names()[answer.name][1])

    def about_order(self, scene: Scene) -> None:
        """All objects from left to right, where their order is clear."""
        ordered = sorted(scene.objects, key=lambda o: o.box[0] + o.box[2])
        if all(b.box[0] + b.box[2] - a.box[0] - a.box[2] > 16 for a, b in zip(ordered, ordered[1:], strict=False)):
            en, ko = (", ".join(t) for t in ([o.name for o in ordered], [names()[o.name][1] for o in ordered]))
            self.add("order", ["List the things from left to right."], ["왼쪽부터 차례로 말해 주세요."], en, ko)

    def about_everything(self, scene: Scene) -> None:
        """A description."""
        en, ko = (
            ["What is in the picture?", "Describe the picture."],
            ["그림에 무엇이 있나요?", "그림을 설명해 주세요."],
        )
        self.add("describe", en, ko, describe(scene, "en"), describe(scene, "ko"))
        self.out[-1] = replace(self.out[-1], unordered=True)


def describe(scene: Scene, language: Language) -> str:
    """The objects of a Scene in groups of one name and colour, by the leftmost object of each group."""
    groups: dict[tuple[str, str], int] = {}
    for o in sorted(scene.objects, key=lambda o: o.box[0]):
        key = (o.name, o.attributes.get("colour", ""))
        groups[key] = groups.get(key, 0) + 1
    words = []
    for (name, hue), n in groups.items():
        if language == "ko":
            words.append(f"{COLOURS[hue][0] + ' ' if hue else ''}{names()[name][1]} {n}개")
        else:
            noun = f"{hue} {name}".strip() if n == 1 else f"{hue} {names()[name][0]}".strip()
            words.append(article(noun) if n == 1 else f"{n} {noun}")
    return listing(words, language)
