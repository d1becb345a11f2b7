"""Only what was read on a page is asked about it."""

import numpy as np

from nunbit.recipes.small import page_questions
from nunbit.recipes.small.data import ExampleMaker
from nunbit.recipes.small.pool import Pooled
from nunbit.scene import Scene, SceneObject, TextLine
from nunbit.world.bar_charts import draw as draw_chart
from nunbit.world.base import generator
from nunbit.world.papers import Paper


def menu():
    pairs = {"pie": "$3.00", "tea": "$1.50", "cake": "$4.25"}
    rows = [["MENU"], *([k, v] for k, v in pairs.items())]
    numbers = {"pie": 3.0, "tea": 1.5, "cake": 4.25}
    return Paper("menu", False, rows, pairs, numbers, {"title": "MENU"})


def page(rows):
    lines = [
        TextLine.from_box(text, (10 + 100 * j, 20 * i, 90 + 100 * j, 20 * i + 12))
        for i, row in enumerate(rows)
        for j, text in enumerate(row)
    ]
    return Scene(300, 200, text_lines=lines)


def turns(read, many=60):
    rng = generator(1, 1, "train")
    return [t for c in page_questions.ask(menu(), read, rng, "en", many) for t in c]


def test_of_a_whole_page_everything_is_asked():
    answers = {a for _, a in turns(page(menu().rows))}
    assert {"$3.00", "cake", "tea", "3"} <= answers


def test_of_a_page_read_in_part_only_what_was_read():
    asked = turns(page([["MENU"], ["pie", "$3.00"], ["tea", "$1.50"]]))
    assert asked and not any("4.25" in a or a == "cake" for _, a in asked)
    assert not any("most" in q.casefold() for q, _ in asked)  # the dearest was not read


def bars(paper, change):
    scene = Scene(400, 300, meta={"kind": "chart"})
    for i, (label, value) in enumerate(paper.numbers.items()):
        facts = {"label": label, "value": change(f"{value:.0f}")}
        scene.objects.append(SceneObject("bar", (40 * i, 100, 40 * i + 30, 250), 0.9, facts))
    return scene


def test_a_charts_figures_are_those_that_were_found():
    rng = generator(2, 3, "train")
    paper = draw_chart(rng, False)
    near = bars(paper, lambda v: f"about {int(v) + 1 if int(v) > 30 else v}")
    asked = [t for c in page_questions.ask(paper, near, rng, "en", 60) for t in c]
    assert any(a.startswith("about ") for _, a in asked)
    far = bars(draw_chart(generator(2, 3, "train"), False), lambda v: str(2 * int(v) + 9))
    assert page_questions.ask(draw_chart(generator(2, 3, "train"), False), far, rng, "en", 60) == []


class Pages:
    """A pool of one page."""

    def __init__(self, read):
        self.read = read

    def __len__(self):
        return 1

    def __getitem__(self, number):
        return menu(), "en", Pooled(self.read, self.read, np.zeros((4, 3), np.float16), (2, 2))


def test_a_page_is_a_row_with_its_pixels_features():
    maker = ExampleMaker(page_pool=Pages(page(menu().rows)))
    example = maker.page(generator(0, 0, "train"), 0, 0, "en")
    assert example.pooled is not None and "$4.25" in example.words and example.conversations
    unread = ExampleMaker(page_pool=Pages(Scene(300, 200)))
    assert unread.page(generator(0, 0, "train"), 0, 0, "en").conversations


def test_a_button_that_was_not_read_is_not_asked_for():
    paper = Paper("screenshot", False, [["Save"], ["Open"]], facts={"button": "Save"})
    rng = generator(4, 4, "train")
    whole = page_questions.ask(paper, page([["Save"], ["Open"]]), rng, "en", 60)
    part = page_questions.ask(paper, page([["Open"]]), rng, "en", 60)
    assert any(a.startswith("[") for c in whole for _, a in c)
    assert not any(a.startswith("[") for c in part for _, a in c)
