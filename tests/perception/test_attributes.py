"""Named colours of things before a background, and facts of a picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from nunbit.perception.attributes import ColourAttributes, colour_name, dominant_colours, lab, picture_facts
from nunbit.scene import Scene, SceneObject
from nunbit.world.base import COLOURS

PHOTOS = Path(__file__).parent / "photos"


def test_lab_of_known_colours() -> None:
    assert lab(np.array([255, 255, 255])) == pytest.approx([100, 0, 0], abs=0.1)
    assert lab(np.array([255, 0, 0])) == pytest.approx([53.24, 80.09, 67.20], abs=0.1)


@pytest.mark.parametrize("name", COLOURS)
def test_typical_colours_have_their_names(name: str) -> None:
    assert colour_name(lab(np.array(COLOURS[name][1]))) == name


def test_a_thing_is_named_by_its_colour_not_by_what_is_behind_it() -> None:
    image = Image.new("RGB", (200, 200), (60, 140, 60))
    ImageDraw.Draw(image).ellipse((60, 60, 140, 140), fill=(210, 40, 40))
    assert dominant_colours(image, (55, 55, 145, 145))[0][0] == "red"


def test_a_mask_counts_alone() -> None:
    image = Image.new("RGB", (100, 100), (40, 80, 200))
    image.paste((250, 210, 40), (0, 0, 20, 100))
    mask = np.zeros((100, 100), bool)
    mask[:, :20] = True
    assert dominant_colours(image, (0, 0, 100, 100), mask)[0][0] == "yellow"


def test_objects_that_have_a_colour_keep_it() -> None:
    image = Image.new("RGB", (50, 50), (210, 40, 40))
    scene = Scene(
        50, 50, [SceneObject("a", (5, 5, 40, 40), attributes={"colour": "blue"}), SceneObject("b", (5, 5, 40, 40))]
    )
    ColourAttributes().annotate(image, scene)
    assert [o.attributes["colour"] for o in scene.objects] == ["blue", "red"]


def test_facts_of_photographs() -> None:
    cat = Image.open(PHOTOS / "cat.jpg")
    assert picture_facts(cat)["colour"] == "colour" and "brown" in picture_facts(cat)["main colours"]
    assert picture_facts(cat.convert("L"))["colour"] == "black and white"
    assert picture_facts(cat.point(lambda v: v // 5))["brightness"] == "dark"
