"""The suites: what each ability asks, with the exact answer. A trial is a function of (suite, seed, number)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nunbit.evaluation.abilities import drawings
from nunbit.messages import Message, Part
from nunbit.registry import Registry
from nunbit.world import DOMAINS, things
from nunbit.world.base import COLOURS, QA, Language, Picture, generator, pick
from nunbit.world.canvas import disc, frame, rect
from nunbit.world.text import paint
from nunbit.world.wording import josa, yes_no


@dataclass(frozen=True, slots=True)
class Trial:
    """One question.

    Attributes:
        content: pictures (H, W, 3) and words, in the order they are shown.
        options: wrong and right answers, where there are a few; other harnesses make a multiple choice of them.
        measure: how an answer is scored, see `nunbit.evaluation.abilities.score`.
    """

    suite: str
    number: int
    content: tuple[np.ndarray | str, ...]
    answer: str
    language: Language
    accept: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    measure: str = "exact"

    @property
    def pictures(self) -> list[np.ndarray]:
        """The pictures, each ``(H, W, 3)`` uint8, in the order they are shown."""
        return [c for c in self.content if not isinstance(c, str)]

    @property
    def words(self) -> str:
        """The question without its pictures."""
        return " ".join(c for c in self.content if isinstance(c, str))

    def messages(self, *, blank: bool = False) -> list[Message]:
        """One user turn; ``blank`` shows grey pictures of the same size instead."""
        parts = [
            Part.text(c) if isinstance(c, str) else Part.image(np.full_like(c, 127) if blank else c)
            for c in self.content
        ]
        return [Message("user", tuple(parts))]


Draw = Callable[[np.random.Generator, Language], dict[str, Any]]
"""-> ``content`` and ``answer``, and ``options`` and ``accept`` where there are some."""


@dataclass(frozen=True, slots=True)
class Suite:
    """One ability.

    Attributes:
        draw: makes a trial's content and answer.
        about: what is tested, for lists.
        measure: how an answer is scored, see `nunbit.evaluation.abilities.score`.
    """

    draw: Draw
    about: str
    measure: str = "exact"


SUITES: Registry[Suite] = Registry("ability")


def suite(name: str, about: str, measure: str = "exact") -> Callable[[Draw], Draw]:
    """Register the decorated function as the suite ``name``."""

    def keep(draw: Draw) -> Draw:
        SUITES.register(name)(Suite(draw, about, measure))
        return draw

    return keep


def trials(name: str, count: int, seed: int = 0) -> Iterator[Trial]:
    """The first ``count`` trials of a suite, English and Korean in turn (a suite for one language keeps to it)."""
    found = SUITES[name]
    for number in range(count):
        language: Language = "ko" if (number % 2 and not name.endswith("_en")) or name.endswith("_ko") else "en"
        rng = generator(seed * 1_000_003 + sum(map(ord, name)), number, "test")
        given = found.draw(rng, language)
        yield Trial(
            name,
            number,
            tuple(given["content"]),
            given["answer"],
            language,
            tuple(given.get("accept", ())),
            tuple(given.get("options", ())),
            found.measure,
        )


def _from_world(
    domain: str, kinds: Sequence[str], wanted: Callable[[QA, Picture], bool] = lambda q, p: True
) -> Callable:
    """A question of these kinds about a world picture of the test split."""

    def draw(rng: np.random.Generator, language: Language) -> dict[str, Any]:
        for _ in range(200):
            picture = DOMAINS[domain].draw(rng, "test")
            found = [
                q
                for q in DOMAINS[domain].make_questions(picture, rng, language)
                if q.kind in kinds and wanted(q, picture)
            ]
            if found:
                qa = pick(rng, found)
                options = (
                    [yes_no(True, language), yes_no(False, language)]
                    if qa.answer in ("yes", "no", "네", "아니요")
                    else []
                )
                return {
                    "content": [picture.pixels, qa.question],
                    "answer": qa.answer,
                    "accept": qa.accept,
                    "options": options,
                }
        raise RuntimeError(f"no question of kinds {kinds} in 200 pictures of {domain}")

    return draw


def _hangul(text: str) -> bool:
    return any("가" <= c <= "힣" for c in text)


suite("ocr_en", "read printed Latin words and notes", "characters")(
    _from_world("writing", ("read",), lambda q, p: not _hangul(q.answer) and len(p.scene.text_lines) == 1)
)
suite("ocr_ko", "read printed Hangul", "characters")(
    _from_world("writing", ("read",), lambda q, p: _hangul(q.answer) and len(p.scene.text_lines) == 1)
)
suite("charts", "look up and compare in bar, line and pie charts")(_from_world("charts", ("lookup", "compare")))
suite("documents", "look up in receipts, tables and forms")(_from_world("documents", ("lookup", "compare", "count")))
suite("counting", "how many of a thing")(_from_world("things", ("count",)))
suite("spatial", "left, right, above, below")(_from_world("things", ("relation",)))
suite("boxes", "the box of a named thing", "box")(
    _from_world("things", ("locate",), lambda q, p: q.answer.startswith("["))
)
suite("describe", "name all things of a picture", "names")(_from_world("things", ("describe",)))
suite("sequencing", "put shuffled steps in order (kimbap and others)", "order")(_from_world("panels", ("order",)))
suite("sudoku_clock", "sudoku cells, sequences, clocks")(_from_world("puzzles", ("lookup", "order", "read", "compare")))


def _alone(rng: np.random.Generator) -> tuple[Picture, list]:
    """A things picture with at least two kinds of things that occur once."""
    while True:
        picture = things.draw(rng, "test")
        names = [o.name for o in picture.scene.objects]
        alone = [o for o in picture.scene.objects if names.count(o.name) == 1]
        if len(alone) >= 2:
            return picture, alone


def _called(name: str, language: Language) -> str:
    return things.names()[name][1] if language == "ko" else name


@suite("false_premise", "a thing that is not there: does the answer say so?")
def _false_premise(rng: np.random.Generator, language: Language) -> dict[str, Any]:
    picture, _ = _alone(rng)
    there = {o.name for o in picture.scene.objects}
    name = pick(rng, [n for n in things.names() if n not in there]) if rng.random() < 0.7 else pick(rng, sorted(there))
    word = _called(name, language)
    text = f"{josa(word, '이/가')} 있나요?" if language == "ko" else f"Is there a {word}?"
    return {
        "content": [picture.pixels, text],
        "answer": yes_no(name in there, language),
        "options": [yes_no(True, language), yes_no(False, language)],
    }


@suite("pointing", "what is inside the drawn ring?")
def _pointing(rng: np.random.Generator, language: Language) -> dict[str, Any]:
    picture, alone = _alone(rng)
    target, others = alone[0], alone[1:]
    x1, y1, x2, y2 = target.box
    r = max(x2 - x1, y2 - y1) / 2 + 8
    disc(picture.pixels, (x1 + x2) / 2, (y1 + y2) / 2, r + 2, COLOURS["red"][1], hole=r - 2)
    text = "빨간 동그라미 안에 무엇이 있나요?" if language == "ko" else "What is inside the red circle?"
    names = [_called(o.name, language) for o in (target, *others)]
    return {"content": [picture.pixels, text], "answer": names[0], "options": names[:4]}


@suite("set_of_mark", "which number stands on a thing?")
def _set_of_mark(rng: np.random.Generator, language: Language) -> dict[str, Any]:
    picture, alone = _alone(rng)
    numbers = rng.permutation(len(alone)) + 1
    for o, n in zip(alone, numbers, strict=True):
        cx, cy = (o.box[0] + o.box[2]) / 2, (o.box[1] + o.box[3]) / 2
        rect(picture.pixels, (cx - 8, cy - 9, cx + 8, cy + 9), (0, 0, 0))
        paint(picture.pixels, cx - 4, cy - 9, str(n), font="sans-bold", size_px=14, colour=(255, 255, 255))
    which = int(rng.integers(len(alone)))
    word = _called(alone[which].name, language)
    text = f"{josa(word, '은/는')} 몇 번인가요?" if language == "ko" else f"Which number is on the {word}?"
    return {
        "content": [picture.pixels, text],
        "answer": str(numbers[which]),
        "options": sorted(str(n) for n in numbers),
    }


@suite("interleaved_sum", "price tags between words: the total")
def _interleaved(rng: np.random.Generator, language: Language) -> dict[str, Any]:
    tags = [drawings.price_tag(rng) for _ in range(2)]
    ko = language == "ko"
    text = "두 가격의 합은 얼마인가요?" if ko else "What do both cost together?"
    first, then = ("첫 번째:", "두 번째:") if ko else ("The first:", "The second:")
    return {"content": [first, tags[0][0], then, tags[1][0], text], "answer": str(tags[0][1] + tags[1][1])}


@suite("in_context", "a gauge without numbers, after two that are read aloud", "number")
def _in_context(rng: np.random.Generator, language: Language) -> dict[str, Any]:
    step, ko = int(pick(rng, (1, 2, 5, 10))), language == "ko"
    shown = [drawings.gauge(rng, step) for _ in range(3)]
    content: list[np.ndarray | str] = []
    for pixels, value in shown[:2]:
        content += [pixels, f"이 계기는 {value}입니다." if ko else f"This gauge reads {value}."]
    content += [shown[2][0], "이 계기는 얼마인가요?" if ko else "What does this gauge read?"]
    return {"content": content, "answer": str(shown[2][1])}


@suite("spot_the_difference", "two pictures: what is missing from the second?")
def _difference(rng: np.random.Generator, language: Language) -> dict[str, Any]:
    while True:
        picture, alone = _alone(rng)
        gone = pick(rng, alone)
        owner = picture.scene.segment_map
        assert owner is not None
        x1, y1, x2, y2 = (int(v) for v in gone.box)
        clear = (np.isin(owner[y1:y2, x1:x2], (0, gone.segment or 0))).all()
        if clear:
            break
    second = picture.pixels.copy()
    second[max(0, y1 - 1) : y2 + 1, max(0, x1 - 1) : x2 + 1] = np.median(picture.pixels[owner == 0], axis=0)
    text = (
        "두 번째 그림에서 사라진 것은 무엇인가요?" if language == "ko" else "What is missing from the second picture?"
    )
    names = [_called(o.name, language) for o in (gone, *[o for o in alone if o is not gone])]
    return {"content": [picture.pixels, second, text], "answer": names[0], "options": names[:4]}


@suite("radiograph", "a drawn bone: broken or not (a drawing, not medical advice)")
def _radiograph(rng: np.random.Generator, language: Language) -> dict[str, Any]:
    pixels, broken = drawings.bone(rng)
    text = "뼈가 부러졌나요?" if language == "ko" else "Is the bone broken?"
    return {
        "content": [pixels, text],
        "answer": yes_no(broken, language),
        "options": [yes_no(True, language), yes_no(False, language)],
    }


@suite("emotion", "the feeling of a drawn face")
def _emotion(rng: np.random.Generator, language: Language) -> dict[str, Any]:
    pixels, feeling = drawings.face(rng)
    said = list(drawings.EMOTIONS.values()) if language == "ko" else list(drawings.EMOTIONS)
    listed = ", ".join(said)
    text = f"어떤 표정인가요? ({listed})" if language == "ko" else f"Which feeling does the face show? ({listed})"
    return {
        "content": [pixels, text],
        "answer": drawings.EMOTIONS[feeling] if language == "ko" else feeling,
        "options": said,
    }


@suite("video", "three frames: which way does the ball move?")
def _video(rng: np.random.Generator, language: Language) -> dict[str, Any]:
    frames, way = drawings.moving_ball(rng)
    said = list(drawings.DIRECTIONS.values()) if language == "ko" else list(drawings.DIRECTIONS)
    listed = ", ".join(said)
    text = (
        f"공은 어느 쪽으로 움직이나요? ({listed})" if language == "ko" else f"Which way does the ball move? ({listed})"
    )
    return {
        "content": [*frames, text],
        "answer": drawings.DIRECTIONS[way] if language == "ko" else way,
        "options": said,
    }


@suite("matrix", "three by three figures by a rule: the missing one")
def _matrix(rng: np.random.Generator, language: Language) -> dict[str, Any]:
    pixels, answer = drawings.matrix(rng)
    said = {f: things.names()[f][1] if f in things.names() else f for f in drawings.FIGURES}
    text = "물음표 자리에 올 도형은 무엇인가요?" if language == "ko" else "Which figure belongs at the question mark?"
    options = list(said.values()) if language == "ko" else list(said)
    return {"content": [pixels, text], "answer": said[answer] if language == "ko" else answer, "options": options}


@suite("ocr_other", "read a printed word in Greek, Cyrillic, kana or Han", "characters")
def _other_scripts(rng: np.random.Generator, language: Language) -> dict[str, Any]:
    pixels, word = drawings.foreign(rng)
    return {"content": [pixels, "뭐라고 쓰여 있나요?" if language == "ko" else "What does it say?"], "answer": word}


@suite("handwriting", "read one bent, slanted word", "characters")
def _handwriting(rng: np.random.Generator, language: Language) -> dict[str, Any]:
    pixels, text = drawings.handwriting(rng, language == "ko")
    return {"content": [pixels, "뭐라고 쓰여 있나요?" if language == "ko" else "What does it say?"], "answer": text}


@suite("screen", "the box of the button to press", "box")
def _screen(rng: np.random.Generator, language: Language) -> dict[str, Any]:
    labels = ["저장", "취소", "열기", "인쇄"] if language == "ko" else ["Save", "Cancel", "Open", "Print"]
    pixels = drawings.paper(rng, 235)
    places = rng.permutation(6)[: len(labels)]
    boxes = {}
    for label, place in zip(labels, places, strict=True):
        x, y = 14 + 88 * (int(place) % 2), 18 + 58 * (int(place) // 2)
        rect(pixels, (x, y, x + 76, y + 34), (205, 214, 230))
        frame(pixels, (x, y, x + 76, y + 34), (70, 80, 100))
        drawings.centred(pixels, x + 38, y + 7, label, 16)
        boxes[label] = (x, y, x + 76, y + 34)
    label = pick(rng, labels)
    side = pixels.shape[0]
    box = "[" + ", ".join(str(round(100 * v / side)) for v in boxes[label]) + "]"
    text = f"'{label}' 버튼은 어디에 있나요?" if language == "ko" else f"Where is the {label} button?"
    return {"content": [pixels, text], "answer": box}
