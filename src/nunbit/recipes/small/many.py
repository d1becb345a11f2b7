"""Questions about several pictures: which one has it, what is missing, how many in all, which way does it move."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from nunbit.recipes.small.rows import Turn
from nunbit.scene import Scene, SceneObject, TextLine
from nunbit.scene_prompt import picture_heading, scene_words
from nunbit.world import imagined
from nunbit.world.base import Language, pick
from nunbit.world.names import english_plural, korean, names_in
from nunbit.world.wordings import Word

DIRECTIONS = {"right": "오른쪽", "left": "왼쪽", "up": "위", "down": "아래"}


def joined(words: list[str], language: str) -> str:
    """The words about several pictures, each under its number."""
    return "\n".join(f"{picture_heading(i, language)}\n{w}" for i, w in enumerate(words, start=1))


def several(rng: np.random.Generator, language: Language) -> tuple[str, list[Scene], list[list[Turn]]]:
    """Words about 2 to 4 pictures, their Scenes, and conversations about them."""
    maker = pick(rng, (_which, _which, _missing, _prices, _moving))
    scenes, turns = maker(rng, language)
    words = [scene_words(s, language, names_in(language)) for s in scenes]
    return joined(words, language), scenes, [[t] for t in turns]


def _name(name: str, language: Language) -> Word:
    return Word(korean(name) if language == "ko" else name)


def _which(rng: np.random.Generator, language: Language) -> tuple[list[Scene], list[Turn]]:
    scenes = [imagined.photo(rng, language) for _ in range(int(rng.integers(2, 4)))]
    ko, turns = language == "ko", list[Turn]()
    names = sorted({o.name for s in scenes for o in s.objects})
    for name in (names[int(i)] for i in rng.permutation(len(names))[:5]):
        held = [i for i, s in enumerate(scenes, start=1) if s.count(name)]
        n = _name(name, language)
        if len(held) == 1:
            turns.append(
                (
                    f"{n:이/가} 있는 그림은 몇 번째인가요?"
                    if ko
                    else f"Which picture shows {'the ' if rng.random() < 0.5 else 'a '}{n}?",
                    f"{held[0]}" if ko else f"picture {held[0]}",
                )
            )
        total = sum(s.count(name) for s in scenes)
        many = english_plural(name)
        turns.append(
            (
                f"모든 그림에 {n:이/가} 몇 개 있나요?"
                if ko
                else f"How many {many} are there in all pictures together?",
                str(total),
            )
        )
        i = int(rng.integers(len(scenes)))
        turns.append(
            (
                f"{i + 1}번째 그림에 {n:이/가} 있나요?" if ko else f"Is there a {n} in picture {i + 1}?",
                ("네" if scenes[i].count(name) else "아니요") if ko else ("Yes" if scenes[i].count(name) else "No"),
            )
        )
    return scenes, turns


def _missing(rng: np.random.Generator, language: Language) -> tuple[list[Scene], list[Turn]]:
    """Two pictures that differ by one thing."""
    first = imagined.photo(rng, language)
    alone = [o for o in first.objects if first.count(o.name) == 1]
    if not alone:
        return _which(rng, language)
    gone = pick(rng, alone)
    second = replace(first, objects=[o for o in first.objects if o is not gone])
    second.meta = {k: v for k, v in first.meta.items() if k != "marks"}
    ko, n = language == "ko", _name(gone.name, language)
    if rng.random() < 0.4:
        asked = pick(
            rng,
            ("두 번째 그림에 새로 생긴 것은 무엇인가요?",)
            if ko
            else ("What is new in the second picture?", "What was added in the second picture?"),
        )
        return [second, first], [(asked, n)]
    asked = pick(
        rng,
        ("두 번째 그림에서 사라진 것은 무엇인가요?", "두 그림의 다른 점은 무엇인가요?")
        if ko
        else (
            "What is missing from the second picture?",
            "What is different in the second picture?",
            "What is gone in the second picture?",
        ),
    )
    return [first, second], [(asked, n)]


def _prices(rng: np.random.Generator, language: Language) -> tuple[list[Scene], list[Turn]]:
    """Price tags: the sum, the difference, the dearer one."""
    a, b = (int(v) for v in rng.integers(1, 10 if rng.random() < 0.7 else 50, 2))
    scenes = [Scene(192, 192, text_lines=[TextLine.from_box(str(v), (80, 80, 110, 110))]) for v in (a, b)]
    ko = language == "ko"
    turns = [
        (
            pick(
                rng,
                ("두 가격의 합은 얼마인가요?", "모두 얼마인가요?")
                if ko
                else ("What do both cost together?", "What is the sum of both prices?", "How much are both?"),
            ),
            str(a + b),
        )
    ]
    if a != b:
        turns.append(
            (
                "어느 것이 더 비싼가요?" if ko else "Which picture shows the higher price?",
                ("1" if a > b else "2") if ko else f"picture {1 if a > b else 2}",
            )
        )
    return scenes, turns


def _moving(rng: np.random.Generator, language: Language) -> tuple[list[Scene], list[Turn]]:
    """Three frames of one thing that moves one way."""
    way = pick(rng, tuple(DIRECTIONS))
    dx, dy = {"right": (1, 0), "left": (-1, 0), "up": (0, -1), "down": (0, 1)}[way]
    name, side, step = pick(rng, ("ball", "circle", "car", "bird", "sports ball")), 30.0, float(rng.uniform(20, 45))
    start = (96 - side / 2 - step * dx, 96 - side / 2 - step * dy)
    scenes = []
    for i in range(3):
        x, y = (
            start[0] + i * step * dx + float(rng.uniform(-2, 2)),
            start[1] + i * step * dy + float(rng.uniform(-2, 2)),
        )
        scenes.append(Scene(192, 192, [SceneObject(name, (x, y, x + side, y + side), 0.9)]))
    ko = language == "ko"
    listed = ", ".join(DIRECTIONS.values() if ko else DIRECTIONS)
    n = _name(name, language)
    asked = f"{n:은/는} 어느 쪽으로 움직이나요?" if ko else f"Which way does the {n} move?"
    return scenes, [(asked + (f" ({listed})" if rng.random() < 0.5 else ""), DIRECTIONS[way] if ko else way)]
