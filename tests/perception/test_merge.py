"""All shipped parts as one provider: who looks at what, and how findings become one Scene."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.perception.rendered import pil_table

from nunbit.perception.merge import PictureParts, _is_border, build_parts, combine, real_parts
from nunbit.perception.pipeline import Perception
from nunbit.perception.short_lines import Reading
from nunbit.scene import Relation, Scene, SceneObject, TextLine
from nunbit.world import DOMAINS

PHOTOS = Path(__file__).parent / "photos"


class Drawings:
    """Counts its pictures and reports one sure and one unsure thing."""

    name = "drawings"

    def __init__(self) -> None:
        self.seen = 0

    def __call__(self, images: Sequence[Image.Image]) -> list[Scene]:
        self.seen += len(images)
        return [
            Scene(
                i.width,
                i.height,
                [SceneObject("star", (10, 10, 60, 60), 0.9), SceneObject("moon", (80, 80, 120, 120), 0.1)],
            )
            for i in images
        ]


class Numbers:
    """Reads every line as its position."""

    name = "numbers"

    def __call__(self, lines: Sequence[np.ndarray]) -> list[Reading]:
        return [Reading(f"line {i}", 0.9) for i in range(len(lines))]


@pytest.fixture(scope="module")
def drawings() -> Drawings:
    return Drawings()


@pytest.fixture(scope="module")
def parts(drawings: Drawings) -> PictureParts:
    return build_parts(recognise=Numbers(), drawings=lambda: drawings)


def test_a_photograph_is_not_shown_to_the_world_encoder(parts: PictureParts, drawings: Drawings) -> None:
    before = drawings.seen
    [scene] = Perception(panoptic=parts)([Image.open(PHOTOS / "cat.jpg")])
    assert drawings.seen == before
    assert scene.objects[0].name == "cat" and scene.objects[0].attributes["colour"] == "brown"
    assert scene.meta["picture"]["kind"] == "photograph" and scene.meta["names"][0][0] == "cat"
    assert "facts" not in scene.meta["perception"]["panoptic"]


def test_a_drawing_is_shown_to_it_and_unsure_things_are_left_out(parts: PictureParts, drawings: Drawings) -> None:
    picture = Image.fromarray(DOMAINS["things"].draw(np.random.default_rng(70), "test").pixels)
    [scene] = parts([picture])
    assert drawings.seen and [o.name for o in scene.objects] == ["star"]
    assert scene.objects[0].attributes["source"] == "world-encoder"


def test_a_table_becomes_rows_of_cells_in_the_scene(parts: PictureParts) -> None:
    rows = [["Alpha", "120", "7.5"], ["Bravo", "430", "9.1"], ["Delta", "808", "2.2"]]
    [scene] = Perception(panoptic=parts)([pil_table(rows, 24, 2, "gothic")])
    assert scene.objects == [] and len(scene.text_lines) == 9
    assert [len(row) for row in scene.meta["tables"][0]] == [3, 3, 3]
    assert scene.meta["perception"]["ocr"]["status"] == "ok"
    assert Scene.from_json(scene.to_json()).meta["tables"] == scene.meta["tables"]


def test_things_at_one_place_are_one_thing() -> None:
    scene = Scene(
        100,
        100,
        [
            SceneObject("cat", (10, 10, 60, 60), 0.5, {"source": "a"}),
            SceneObject("cup", (70, 70, 90, 90), 0.3, {"source": "a"}),
        ],
    )
    found = Scene(
        100,
        100,
        [
            SceneObject("cat", (12, 12, 62, 62), 0.5, {"source": "b"}),
            SceneObject("bowl", (70, 70, 90, 91), 0.9, {"source": "b"}),
            SceneObject("dog", (0, 0, 9, 9), 0.1),
            SceneObject("tree", (0, 50, 9, 99), 0.8, {"source": "b"}),
        ],
        [Relation(0, "near", 3), Relation(0, "near", 2)],
    )
    combine(scene, found, 1.0)
    assert [(o.name, o.attributes["source"]) for o in scene.objects] == [("cat", "a+b"), ("bowl", "b"), ("tree", "b")]
    assert scene.objects[0].score == 0.75
    assert [(r.subject, r.object) for r in scene.relations] == [(0, 2)]


def test_a_part_for_another_kind_of_picture_weighs_less() -> None:
    scene = Scene(100, 100)
    combine(scene, Scene(100, 100, [SceneObject("cat", (10, 10, 60, 60), 0.8)]), 0.4)
    assert scene.objects[0].score == pytest.approx(0.48)


def test_without_a_recogniser_nothing_is_said_to_be_read() -> None:
    assert "ocr" not in build_parts("none", drawings=Drawings).covers
    assert set(real_parts()) == {"panoptic", "relations"}


def test_the_border_of_a_sign_is_no_mark(parts: PictureParts) -> None:
    lines = [TextLine.from_box("STOP", (40, 40, 120, 80)), TextLine.from_box("HERE", (40, 100, 120, 140))]
    frame = (20.0, 20.0, 160.0, 160.0)
    assert _is_border(frame, Scene(200, 200, text_lines=lines))
    assert not _is_border(frame, Scene(200, 200, [SceneObject("dog", (30, 30, 90, 90))], text_lines=lines))
    assert not _is_border((20.0, 20.0, 160.0, 90.0), Scene(200, 200, text_lines=lines))
    assert not _is_border(frame, Scene(200, 200))


class Menu:
    """Parts for photographs that take a page of writing for a menu."""

    name = "menu"

    def __call__(self, images: Sequence[Image.Image]) -> list[Scene]:
        whole = [SceneObject("menu", (0, 0, i.width, i.height), 0.9) for i in images]
        return [
            Scene(i.width, i.height, [o], meta={"names": [["menu", 0.8]]}) for i, o in zip(images, whole, strict=True)
        ]


def test_a_page_that_looks_like_a_photograph_is_a_document_and_menu_is_no_object() -> None:
    found = PictureParts(Menu(), None, None)
    scene = Scene(80, 60)
    facts: dict = {"picture": {"kind": "photograph"}}
    kinds = {"photograph": 0.9, "document": 0.1}
    found._look_at_photograph(Image.new("RGB", (80, 60)), kinds, scene, facts)
    assert scene.objects == [] and facts["names"] == [] and facts["picture"]["kind"] == "document"
    assert kinds["document"] > 0.5 > kinds["photograph"]


def test_a_list_of_figures_that_looks_like_a_chart_is_a_document(monkeypatch) -> None:
    """Judged by pixels alone, ruled tables and menus are charts; with bars they stay so."""
    from nunbit.perception import merge

    kinds = {"photograph": 0.0, "drawing": 0.0, "screenshot": 0.1, "document": 0.2, "chart": 0.7}
    monkeypatch.setattr(merge, "kind_probabilities", lambda *_: dict(kinds))
    monkeypatch.setattr(merge, "find_bars", lambda image: [])

    class Reads:
        name, missing = "reads", ""

        def read_regions(self, image, *_, **__):
            rows = [("Menu",), ("Tea", "3.00"), ("Cake", "4.50")]
            return Scene(
                *image.size,
                text_lines=[
                    TextLine.from_box(c, (10 + 150 * j, 10 + 40 * i, 60 + 150 * j, 30 + 40 * i))
                    for i, r in enumerate(rows)
                    for j, c in enumerate(r)
                ],
            )

    parts = PictureParts(Menu(), None, Reads())
    picture = Image.new("RGB", (300, 200), "white")
    assert parts([picture])[0].meta["facts"]["picture"]["kind"] == "document"
    monkeypatch.setattr(merge, "find_bars", lambda image: [SceneObject("bar", (10, 50, 40, 150), 0.9)])
    assert parts([picture])[0].meta["facts"]["picture"]["kind"] == "chart"
