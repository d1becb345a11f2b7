"""What `nunbit-small` learns from: a mixture of makers, each a function of a number, so that a step's rows can always
be drawn again.

  world      pictures of the procedural world: their true Scenes, or what the embedded encoder finds in them
  photo      Scenes without pixels of things of any name, as perception finds them, right or with mistakes
  composite  cut-out photographs on backgrounds, as perception of photographs sees them
  paper      receipts, menus, tables, forms, screens, charts ... as read lines, right or misread
  page       such papers painted into pixels, as perception reads them
  pictures   several pictures in one question
  chat       the base model's own replies to prompts without a picture, so that the language stays
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from functools import lru_cache
from typing import Any

import numpy as np

from nunbit.evaluation.matching import parse_box
from nunbit.evidence.question_facts import QuestionFacts
from nunbit.perception.ink import ink_colour
from nunbit.recipes.small import page_questions
from nunbit.recipes.small.agreement import agreed, knowable_questions
from nunbit.recipes.small.pool import WORLD_SEED, PagePool, Pool, Pooled, WorldPool, world_picture
from nunbit.recipes.small.rows import Turn
from nunbit.scene import Scene, box_iou
from nunbit.scene_layout import arrange
from nunbit.scene_phrases import hundredths
from nunbit.scene_prompt import scene_words
from nunbit.scene_tables import Extremes, extremes, tables
from nunbit.world import imagined, paper_kinds, paper_questions
from nunbit.world.base import QA, Language, Picture, generator, pick
from nunbit.world.corrupt import corrupt
from nunbit.world.names import names_in
from nunbit.world.samples import Sample
from nunbit.world.scene_questions import SceneQuestions

QUESTIONS = 10
SHARES = {
    "world": 0.18, "photo": 0.16, "paper": 0.22, "page": 0.20, "composite": 0.16, "pictures": 0.04, "chat": 0.04,
}  # fmt: skip
NOISY = 0.5
"""Share of the Scenes that have perception's mistakes."""
ALIKE, CHOICES = 0.93, 1_000_003
"""From here on two Scenes in words count as the same."""
_BOX = re.compile(r"^\[\d+, \d+, \d+, \d+\]$")


@dataclass(slots=True)
class Example:
    """Words about one picture (or several) and conversations about it.

    ``source`` names the maker; ``pixels`` (H, W, 3) or ``pooled`` is the picture, where there is one; ``scenes`` are
    those of the words, none where the words are left out.
    """

    words: str
    conversations: list[list[Turn]]
    source: str = ""
    pixels: np.ndarray | None = None
    pooled: Pooled | None = None
    scenes: list[Scene] = field(default_factory=list)

    def with_facts(self, language: Language) -> None:
        """Put before each question what it names in the Scenes, as `SceneText` does for a user's."""
        if self.scenes:
            facts = QuestionFacts(self.scenes, language)
            self.conversations = [[(facts.words(q) + q, a) for q, a in turns] for turns in self.conversations]


@dataclass(slots=True)
class ExampleMaker:
    """Draws the rows of the mixture.

    Args:
        perceive: pictures -> estimated Scenes, for the noisy half of the world's; without it all are true.
        chats: text-only conversations.
        pool: composites with what perception of photographs finds in them.
        world_pool: what all of perception finds in world pictures.
        page_pool: painted pages as perception reads them.
    """

    perceive: Callable[[list[Any]], list[Scene]] | None = None
    chats: list[list[Turn]] = field(default_factory=list)
    pool: Pool | None = None
    world_pool: WorldPool | None = None
    page_pool: PagePool | None = None

    def example(self, number: int, seed: int) -> Example:
        """Row ``number`` of the mixture."""
        # Not the stream of the world's pictures: with that, the first number would choose both maker and domain.
        rng = generator(seed + CHOICES, number, "train")
        held = {"chat": self.chats, "composite": self.pool, "page": self.page_pool}
        names = [n for n in SHARES if held.get(n, True)]
        edges = np.cumsum([SHARES[n] for n in names])
        source = names[int(np.searchsorted(edges, rng.random() * edges[-1], side="right").clip(0, len(names) - 1))]
        language: Language = "ko" if rng.random() < 0.45 else "en"
        done: Example = getattr(self, source)(rng, number, seed, language)
        done.source = source
        done.with_facts(language)
        return done

    def world(self, rng: np.random.Generator, number: int, seed: int, language: Language) -> Example:
        """A world picture with the world's own questions and, of things, ours."""
        drawn, found = self._drawn(rng, number, seed, float(language == "ko"))
        scene = drawn.picture.scene
        estimated = scene if found is None else found
        words = scene_words(estimated, language, names_in(language))
        true_words = words if estimated is scene else scene_words(scene, language, names_in(language))
        answerable = AnswerFilter(scene, estimated, words, true_words)
        conversations = [[turn] for qa in drawn.questions if (turn := answerable.turn(qa))]
        if not conversations:
            estimated, words = scene, true_words
            conversations = [[(qa.question, styled(qa.answer))] for qa in drawn.questions]
        if drawn.picture.domain == "things":
            conversations = conversations[: QUESTIONS // 2]
            more = SceneQuestions(estimated, rng, language).draw(QUESTIONS - len(conversations))
            conversations += [t.turns for t in more]
        return Example(words, conversations, pixels=drawn.picture.pixels, scenes=[estimated])

    def _drawn(self, rng: np.random.Generator, number: int, seed: int, korean: float) -> tuple[Sample, Scene | None]:
        """A world picture with questions, and half of the time what perception finds in it."""
        noisy = rng.random() < NOISY
        if noisy and self.world_pool and rng.random() < 0.7:
            kept = int(rng.integers(len(self.world_pool)))
            drawn = world_picture(kept, seed=WORLD_SEED, korean=korean, questions=QUESTIONS)
            return drawn, with_ink(self.world_pool[kept], drawn.picture)
        drawn = world_picture(number, seed=seed, korean=korean, questions=QUESTIONS)
        return drawn, self.estimated(drawn.picture) if noisy and self.perceive else None

    def estimated(self, picture: Picture) -> Scene:
        """What the embedded encoder finds in a world picture."""
        from PIL import Image

        assert self.perceive is not None
        return with_ink(self.perceive([Image.fromarray(picture.pixels)])[0], picture)

    def photo(self, rng: np.random.Generator, number: int, seed: int, language: Language) -> Example:
        """The Scene of an imagined photograph, often with the errors of perception, and questions about it."""
        scene = imagined.photo(rng, language)
        estimated = corrupt(scene, rng) if rng.random() < NOISY else scene
        conversations = SceneQuestions(scene, rng, language).draw(QUESTIONS)
        words = scene_words(estimated, language, names_in(language))
        return Example(words, [t.turns for t in conversations], scenes=[estimated])

    def paper(self, rng: np.random.Generator, number: int, seed: int, language: Language) -> Example:
        """The Scene of an imagined document, often with the errors of perception, and questions about it."""
        paper = paper_kinds.draw(rng, language)
        scene = paper_kinds.scene_of(paper, rng)
        conversations = paper_questions.ask(paper, scene, rng, language, QUESTIONS)
        estimated = corrupt(scene, rng, 0.5) if rng.random() < NOISY else scene
        estimated.objects = [o for o in estimated.objects if rng.random() < 0.3]
        words = scene_words(estimated, language, names_in(language))
        if estimated is not scene and extremes_of(estimated) != extremes_of(scene):
            conversations = [c for c in conversations if c.kind not in ("compare", "order")]
        return Example(words, [t.turns for t in conversations], scenes=[estimated])

    def page(self, rng: np.random.Generator, number: int, seed: int, language: Language) -> Example:
        """A painted page as perception read it; where too little was read, an imagined paper."""
        assert self.page_pool is not None
        kept, _, page = self.page_pool[int(rng.integers(len(self.page_pool)))]
        conversations = page_questions.ask(kept, page.estimated, rng, language, QUESTIONS)
        if not conversations:
            return self.paper(rng, number, seed, language)
        words = scene_words(page.estimated, language, names_in(language))
        return Example(words, conversations, pooled=page, scenes=[page.estimated])

    def composite(self, rng: np.random.Generator, number: int, seed: int, language: Language) -> Example:
        """A composite as perception of photographs saw it, asked what can be known from that."""
        assert self.pool is not None
        for _ in range(6):  # what perception missed altogether teaches little
            one = self.pool[int(rng.integers(len(self.pool)))]
            if agreed(one.true, one.estimated)[0]:
                break
        conversations = knowable_questions(one.true, one.estimated, rng, language, QUESTIONS)
        words = scene_words(one.estimated, language, names_in(language))
        return Example(words, conversations, pooled=one, scenes=[one.estimated])

    def pictures(self, rng: np.random.Generator, number: int, seed: int, language: Language) -> Example:
        """Several pictures in one conversation."""
        from nunbit.recipes.small.many import several

        words, scenes, conversations = several(rng, language)
        return Example(words, conversations, scenes=scenes)

    def chat(self, rng: np.random.Generator, number: int, seed: int, language: Language) -> Example:
        """Two conversations without a picture."""
        return Example("", [pick(rng, self.chats) for _ in range(2)])


def extremes_of(scene: Scene) -> list[Extremes]:
    """What the words about a Scene say of the largest and the smallest figures."""
    rows = arrange(scene).rows
    return extremes(rows, tables(rows))


def with_ink(found: Scene, picture: Picture) -> Scene:
    """An estimated Scene with the measured colour of its writing."""
    from PIL import Image

    if found.text_lines and "ink" not in found.meta:
        found.meta["ink"] = ink_colour(Image.fromarray(picture.pixels), found.text_lines)
    return found


def styled(answer: str) -> str:
    """``yes`` -> ``Yes``, ``[1, 2, 3, 4]`` -> ``[1,2,3,4]``."""
    if answer in ("yes", "no"):
        return answer.capitalize()
    return answer.replace(" ", "") if _BOX.match(answer) else answer


class AnswerFilter:
    """Which of a picture's questions the estimated Scene can answer. What cannot be known from it must not be taught:
    that teaches to guess.

    Args:
        true, estimated: the Scenes; true_words, words: their words.
    """

    def __init__(self, true: Scene, estimated: Scene, words: str, true_words: str) -> None:
        self.true, self.estimated, self.words = true, estimated, words.casefold()
        self.true_words = true_words.casefold()
        self.alike = (
            SequenceMatcher(None, _plain(words), _plain(true_words), autojunk=False).ratio()
            if estimated is not true
            else 1.0
        )

    def turn(self, qa: QA) -> Turn | None:
        """The question with its answer as it is taught; None where it cannot be known."""
        if self.estimated is self.true:
            return qa.question, styled(qa.answer)
        if _BOX.match(qa.answer):
            return self._box_turn(qa)
        answer = qa.answer.casefold()
        # A number of one digit is in any words, somewhere.
        if len(answer) > 2 and qa.kind not in ("count", "exists", "compare") and answer in self.true_words:
            if answer in self.words or (qa.kind == "read" and self._misread(answer)):
                return qa.question, styled(qa.answer)
            return None
        return (qa.question, styled(qa.answer)) if self.alike > ALIKE else None

    def _box_turn(self, qa: QA) -> Turn | None:
        """A box can only be copied: the estimated one, if it is right."""
        wanted = parse_box(qa.answer)
        assert wanted is not None
        boxes = [*(o.box for o in self.estimated.objects), *(t.box for t in self.estimated.text_lines)]
        for box in boxes:
            copied = hundredths(box, self.estimated)
            if (given := parse_box(copied)) and box_iou(given, wanted) > 0.5:
                return qa.question, copied
        return None

    def _misread(self, answer: str) -> bool:
        """Whether a line was read with a mistake or two."""
        return any(SequenceMatcher(None, answer, t.text.casefold()).ratio() > 0.7 for t in self.estimated.text_lines)


def _plain(words: str) -> str:
    """The words without the boxes, which never agree to the last digit."""
    return re.sub(r"\[[\d,]+\]|\d+%", "", words)


@lru_cache(maxsize=1)
def embedded_perception() -> Callable[[list[Any]], list[Scene]]:
    """The encoder of `nunbit-tiny`, which knows the world's artwork."""
    from nunbit.files import EMBEDDED
    from nunbit.perception.cells import CellPerception

    return CellPerception.from_pretrained(EMBEDDED)
