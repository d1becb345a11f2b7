"""What perception found, in lines for people."""

from __future__ import annotations

from PIL import Image

from nunbit.perception.overlay import with_legend
from nunbit.perception.report import MAX_LINES, report
from nunbit.scene import Scene, SceneObject, TextLine


def scene() -> Scene:
    meta = {
        "picture": {
            "kind": "photograph", "kinds": {"photograph": 0.9, "drawing": 0.1}, "brightness": "dark",
            "colour": "colour", "main colours": "gray, blue",
        },
        "place": ["beach", 0.4],
    }  # fmt: skip
    objects = [
        SceneObject("car", (1, 2, 30, 20), 0.93, {"colour": "red", "source": "a+b", "kind": "vehicle"}),
        SceneObject("dog", (3, 3, 9, 9), 0.31, {"source": "a"}),
    ]
    return Scene(40, 30, objects, text_lines=[TextLine.from_box("EXIT", (1, 1, 9, 5), 0.42)], meta=meta)


def test_lines_say_confidence_source_attributes_and_what_is_unsure():
    picture, car, dog, text = report(scene())
    assert picture == "photograph, dark, colour; gray, blue; maybe beach"
    assert car.split() == ["1", "red", "car", "93%", "[1,", "2,", "30,", "20]", "a+b", "(kind", "vehicle)"]
    assert "maybe dog" in dog and "31%" in dog and "(" not in dog
    assert text.strip() == 'maybe "EXIT"  42%  [1, 1, 9, 5]'


def test_an_empty_scene_says_so_and_a_full_one_is_capped():
    assert report(Scene(4, 4)) == ["Nothing was found."]
    many = report(Scene(400, 9, [SceneObject("dot", (i, 0, i + 1, 5)) for i in range(MAX_LINES + 3)]))
    assert len(many) == MAX_LINES + 1 and many[-1].strip() == "and 3 more objects"


def test_the_legend_stands_under_the_picture():
    picture = Image.new("RGB", (40, 30), "red")
    out = with_legend(picture, ["a long line of words that needs more room", "b"])
    assert out.width > 100 and out.height > 50 and out.crop((0, 0, 40, 30)).tobytes() == picture.tobytes()
