"""What questions about a Scene share: wordings filled in, names in the language, what the Scene says of its objects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from nunbit.english import article
from nunbit.scene import Scene, SceneObject
from nunbit.scene_phrases import groups_of, list_groups, part_of
from nunbit.world.base import Language, pick
from nunbit.world.names import KINDS_KO, broader, english_plural, korean, names_in, table
from nunbit.world.wordings import Word, wordings

Turn = tuple[str, str]


@dataclass(slots=True)
class Conversation:
    """A conversation about a picture: (question, answer) turns, and the kind of the first question."""

    turns: list[Turn]
    kind: str


class QuestionBase:
    """Says things about one Scene in one language.

    Args:
        scene: the truth. Objects whose score is below 0.5 are not asked about.
        absent: names to ask for in vain; those of the table by default.
    """

    def __init__(self, scene: Scene, rng: np.random.Generator, language: Language, absent: Sequence[str] = ()) -> None:
        self.scene, self.rng, self.language, self.names = scene, rng, language, names_in(language)
        self.objects = [o for o in scene.objects if o.score >= 0.5]
        self.counts = Counter(o.name for o in self.objects)
        self.alone = [o for o in self.objects if self.counts[o.name] == 1]
        self.absent = absent or tuple(table())

    def word(self, name: str) -> Word:
        """A name or colour in the language."""
        return Word(korean(name) if self.language == "ko" else name)

    def wording(self, kind: str, **fields: object) -> str:
        """A wording of the kind with its fields filled in."""
        return self._fill(wordings()["ask"][kind][self.language], **fields)

    def _fill(self, wordings: Sequence[str], **fields: object) -> str:
        chosen = pick(self.rng, wordings)
        for key in ("n", "m"):
            if key in fields:
                name = str(fields[key])
                fields[key] = self.word(name)
                fields[key + "s"] = english_plural(name)
                fields["a" + key] = f"{article(name)} {name}"
        text = chosen.format(**fields)
        return text[:1].upper() + text[1:]

    def fixed(self, kind: str, **fields: object) -> str:
        """A fixed sentence."""
        return self._fill(wordings()["fixed"][kind][self.language], **fields)

    def yes_no(self, value: bool) -> str:
        """Yes or no."""
        return ("Yes" if value else "No") if self.language == "en" else ("네" if value else "아니요")

    def missing(self) -> str:
        """A name that is not in the Scene; often one of the kind of something that is."""
        near = {w for n in self.counts for w in (n, *broader(n))}
        for _ in range(20):
            name = pick(self.rng, self.absent)
            if near & {name, *broader(name)}:
                continue  # with a pigeon there is a bird, and with a bird there may be a pigeon
            if korean(name) not in {korean(n) for n in near}:
                return name
        return "volcano"

    def _some(self) -> SceneObject | None:
        return pick(self.rng, self.alone) if self.alone else None

    def _two(self, apart: Callable[[SceneObject, SceneObject], bool]) -> tuple[SceneObject, SceneObject] | None:
        for _ in range(6):
            if len(self.alone) < 2:
                return None
            a, b = (self.alone[int(i)] for i in self.rng.permutation(len(self.alone))[:2])
            if apart(a, b):
                return a, b
        return None

    def _kind(self, kind: str) -> Word:
        return Word(KINDS_KO[kind] if self.language == "ko" else kind)

    def _part(self, o: SceneObject) -> str:
        return part_of(o.box, self.scene, self.language)

    def _clear(self, o: SceneObject) -> bool:
        """Whether the middle lies well inside its part of the picture."""
        shares = (x_of(o) / self.scene.width, y_of(o) / self.scene.height)
        return min(abs(s - edge) for s in shares for edge in (1 / 3, 2 / 3)) > 0.03

    def _left_to_right(self) -> list[str]:
        return list(dict.fromkeys(o.name for o in sorted(self.objects, key=x_of)))

    def _groups(self) -> str:
        return list_groups(groups_of(self.objects), self.language, self.names)


def x_of(o: SceneObject) -> float:
    """Where the middle lies from the left, in pixels."""
    return (o.box[0] + o.box[2]) / 2


def y_of(o: SceneObject) -> float:
    """Where the middle lies from the top, in pixels."""
    return (o.box[1] + o.box[3]) / 2


def area_of(o: SceneObject) -> float:
    """The box's area in square pixels."""
    return (o.box[2] - o.box[0]) * (o.box[3] - o.box[1])
