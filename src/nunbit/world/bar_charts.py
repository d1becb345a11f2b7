"""Bar charts as Scenes: bars with a label, a figure (printed, or read off the axis) and a colour, under a title, and
questions in the words of their topic. The topics are in `topics.tsv`."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from nunbit.scene import Scene, SceneObject, TextLine
from nunbit.world import lexicon
from nunbit.world.base import COLOURS, Language, pick
from nunbit.world.paper_words import items
from nunbit.world.papers import Asked, Paper, some, tongue
from nunbit.world.tables import LANGUAGES, Phrases
from nunbit.world.tsv import rows
from nunbit.world.values import DAYS
from nunbit.world.wordings import Word

BARS_MIN, BARS_MAX = 2, 9
_MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
_LABELS: dict[str, dict[Language, tuple[str, ...]]] = {
    "months": {"en": tuple(_MONTHS), "ko": tuple(f"{i}월" for i in range(1, 13))},
    "days": {"en": tuple(d[:3] for d in DAYS["en"]), "ko": tuple(d[0] for d in DAYS["ko"])},
    "people": {"en": tuple(lexicon.PEOPLE_EN), "ko": tuple(lexicon.PEOPLE_KO)},
    "goods": {"en": tuple(lexicon.GOODS_EN), "ko": tuple(lexicon.GOODS_KO)},
    "costs": {
        "en": ("Rent", "Food", "Travel", "Books", "Power", "Sport", "Phone", "Gifts"),
        "ko": ("월세", "식비", "교통", "책", "전기", "운동", "통신", "선물"),
    },
    "fruit": {
        "en": ("Apple", "Pear", "Grape", "Melon", "Peach", "Kiwi", "Plum", "Mango"),
        "ko": ("사과", "배", "포도", "수박", "복숭아", "감", "자두", "귤"),
    },
}


@lru_cache(maxsize=1)
def topics() -> list[dict[str, str]]:
    """The rows of `topics.tsv`."""
    return rows("topics")


def draw(rng: np.random.Generator, hangul: bool) -> Paper:
    """A chart of 2 to 9 bars; months and days in their order."""
    topic, language = pick(rng, topics()), tongue(hangul)
    known = items("places", language) if topic["labels"] == "places" else _LABELS[topic["labels"]][language]
    many = int(rng.integers(BARS_MIN, min(BARS_MAX, len(known)) + 1))
    labels = some(rng, known, many)
    if topic["labels"] in ("months", "days"):
        start = int(rng.integers(len(known) - many + 1))
        labels = list(known[start : start + many])
    values = rng.permutation(np.arange(int(topic["low"]), int(topic["high"])))[:many]
    paper = Paper("chart", hangul, facts={"title": pick(rng, topic[f"title_{language}"].split(";"))})
    paper.numbers = {k: float(v) for k, v in zip(labels, values, strict=True)}
    paper.pairs = {k: f"{v:.0f}" for k, v in paper.numbers.items()}
    one, paint = pick(rng, tuple(COLOURS)), rng.random() < 0.4
    paper.colours = [pick(rng, tuple(COLOURS)) if paint else one for _ in labels]
    paper.rows = [[paper.facts["title"]]]
    paper.asked = _questions(paper, topic, rng)
    return paper


def _questions(paper: Paper, topic: dict[str, str], rng: np.random.Generator) -> list[Asked]:
    """The value of some bars, the highest and lowest, the kind of chart, the number of bars, colours."""

    def of(column: str) -> Phrases:
        return {lang: tuple(topic[f"{column}_{lang}"].split(";")) for lang in LANGUAGES}

    labels = list(paper.numbers)
    out = [Asked("lookup", of("ask"), {x: {"k": Word(k)} for x in LANGUAGES}, dict.fromkeys(LANGUAGES, paper.pairs[k]))
           for k in some(rng, labels, 3)]  # fmt: skip
    nothing: dict[Language, dict[str, str]] = {"en": {}, "ko": {}}
    most, least = (f(labels, key=lambda k: paper.numbers[k]) for f in (max, min))
    out += [
        Asked("compare", of(c), nothing, dict.fromkeys(LANGUAGES, k)) for c, k in (("most", most), ("least", least))
    ]
    out.append(
        Asked(
            "naming",
            {
                "en": ("What kind of chart is this?", "What type of chart is it?", "Which sort of graph is this?"),
                "ko": ("이것은 어떤 그래프인가요?", "무슨 그래프예요?", "어떤 종류의 차트인가요?"),
            },
            nothing,
            {"en": "a bar chart", "ko": "막대그래프"},
        )
    )
    out.append(
        Asked(
            "count",
            {
                "en": ("How many bars are there?", "How many {n}s are shown?"),
                "ko": ("막대가 몇 개 있나요?", "막대는 모두 몇 개인가요?"),
            },
            {"en": {"n": topic["noun_en"]}, "ko": {}},
            {x: str(len(labels)) for x in LANGUAGES},
        )
    )
    return out


def scene_of(paper: Paper, rng: np.random.Generator) -> Scene:
    """The chart as perception finds it: bars with what belongs to them; figures read off an axis are ``about``."""
    width, height = pick(rng, ((640, 480), (640, 440), (800, 600), (480, 480)))
    scene = Scene(width, height, meta={"kind": "chart"})
    printed, top = rng.random() < 0.5, max(paper.numbers.values())
    step = 0.8 * width / len(paper.numbers)
    for i, ((label, value), colour) in enumerate(zip(paper.numbers.items(), paper.colours, strict=True)):
        x, y = 0.12 * width + i * step, height * (0.88 - 0.68 * value / top)
        near = value * float(rng.uniform(0.985, 1.015))
        figure = f"{value:.0f}" if printed else f"about {near:.0f}"
        scene.objects.append(
            SceneObject(
                "bar", (x, y, x + 0.65 * step, 0.88 * height), 0.9, {"colour": colour, "label": label, "value": figure}
            )
        )
        if not printed:
            paper.say(label, figure)
    title = paper.facts["title"]
    scene.text_lines.append(TextLine.from_box(title, (0.3 * width, 0.02 * height, 0.7 * width, 0.08 * height), 0.95))
    return scene
