"""What of the Scenes a question is about, in a few lines that stand beside the question.

    > Wolves | Points: 18
    > 2 dogs: brown dog 6% left [3,10,20,31], white dog 4% right [70,12,88,30]

A small language model finds what stands near; in forty lines about a picture it often takes the wrong one. Which line
is meant is mostly said by the words of the question, so rules look it up. The whole of the Scene's words stays in the
prompt: these lines only repeat it.
"""

from __future__ import annotations

from collections.abc import Sequence

from nunbit.evidence.question_rows import QuestionRows
from nunbit.evidence.question_things import QuestionThings
from nunbit.scene import Scene
from nunbit.scene_layout import arrange
from nunbit.world.base import Language
from nunbit.world.names import names_in

QUESTION_CHARS_MAX, LINES_MAX, PICTURES_MAX = 1_000, 8, 8
MARK = "> "
"""Begins each line."""


class QuestionFacts:
    """Looks up in Scenes what questions name.

    Args:
        scenes: of the pictures that were shown so far, in order.
        language: of the questions.
    """

    def __init__(self, scenes: Sequence[Scene], language: Language) -> None:
        names = names_in(language)
        self.language = language
        laid = [(scene, arrange(scene)) for scene in scenes[:PICTURES_MAX]]
        self._things = [QuestionThings(*one, language, names) for one in laid]
        self._rows = [QuestionRows(*one, language, names) for one in laid]

    def lines(self, question: str) -> list[str]:
        """The lines about one question, without `MARK`; none where it names nothing that was found."""
        asked = question[:QUESTION_CHARS_MAX]
        many = len(self._things) > 1
        word = "그림" if self.language == "ko" else "picture"
        rows = [r.lines(asked) for r in self._rows]
        out = [
            f"{word} {number}: {line}" if many else line
            for number, (things, read) in enumerate(zip(self._things, rows, strict=True), start=1)
            for line in (*things.lines(asked, written=any(rows)), *read)
        ]
        return list(dict.fromkeys(out))[:LINES_MAX]

    def words(self, question: str) -> str:
        """The lines as they stand before the question, each ended; "" if there are none."""
        return "".join(f"{MARK}{line}\n" for line in self.lines(question))
