"""Which absences mean something: those of things that the parts which looked at a picture know and did not see."""

from pathlib import Path

import pytest
from PIL import Image

from nunbit.perception import vocabulary
from nunbit.perception.build import PerceptionConfig, build_perception
from nunbit.scene import Scene, SceneObject

EXAMPLES = Path(__file__).parents[2] / "examples"


def seen(provider, kinds, side=640, objects=(), status="ok"):
    meta = {"perception": {"panoptic": {"status": status, "provider": provider}}, "picture": {"kinds": kinds}}
    return Scene(side, side, list(objects), meta=meta)


def test_names_by_kind_of_picture():
    shipped = "picture-parts-4+photographs-2-coco-detector+cells-1"
    looked = vocabulary.names_looked_for
    photograph = looked(seen(shipped, {"photograph": 0.9}))
    assert "zebra" in photograph and len(photograph) < 90
    assert not looked(seen(shipped, {"photograph": 0.5, "drawing": 0.5}))
    assert not looked(seen(shipped, {"photograph": 0.9}, status="failed"))
    star = [SceneObject("star", (0, 0, 9, 9))]
    assert not looked(seen(shipped, {"drawing": 0.9}, side=192, objects=star)), "its encoder overlooks too much"
    assert looked(seen("some-segmenter", {})) == vocabulary.coco_names()
    assert not looked(Scene(9, 9)), "nothing is known of who made it"


def test_a_photograph_is_looked_at_for_cocos_names_and_faint_things_count():
    picture = Image.open(EXAMPLES / "cat.jpg").convert("RGB")
    [scene] = build_perception(PerceptionConfig(ocr="none"))([picture])
    assert vocabulary.names_looked_for(scene) == vocabulary.coco_names()
    faint = vocabulary.FaintThings()
    assert "cat" in faint(picture) and "zebra" not in faint(picture)
    assert faint(picture) is faint(picture), "one pass a picture"


@pytest.mark.parametrize(("least", "names"), [(0.1, {"cat", "dog"}), (0.5, {"cat"})])
def test_names_above(least, names):
    objects = [SceneObject("cat", (0, 0, 9, 9), 0.6), SceneObject("dog", (0, 0, 9, 9), 0.2)]
    assert vocabulary.names_above(objects, least) == names
