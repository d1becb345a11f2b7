"""Detector and classifier on photographs, alone and together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nunbit.coco import PANOPTIC_CLASSES, THINGS
from nunbit.perception.coco_detector import calibrated, network_input, suppress
from nunbit.perception.image_names import ImageNamer, Naming, activation_box, crop_box, name_table
from nunbit.perception.photographs import PhotographParts, judge, merge_same
from nunbit.scene import SceneObject

PHOTOS = Path(__file__).parent / "photos"


@pytest.fixture(scope="module")
def parts() -> PhotographParts:
    return PhotographParts.from_pretrained()


def photo(name: str) -> Image.Image:
    return Image.open(PHOTOS / f"{name}.jpg").convert("RGB")


def naming(**shares: float) -> Naming:
    """Probabilities by everyday name, each on the first fine name of it; underscores are blanks."""
    fine = np.zeros(len(name_table()))
    for name, share in shares.items():
        fine[next(i for i, row in enumerate(name_table()) if row.everyday == name.replace("_", " "))] = share
    return Naming(fine)


@pytest.mark.parametrize(("picture", "name"), [("cat", "cat"), ("coffee", "cup of coffee"), ("astronaut", "person")])
def test_the_main_thing_of_a_photograph_is_named(parts: PhotographParts, picture: str, name: str) -> None:
    [scene] = parts([photo(picture)])
    first = scene.objects[0]
    assert first.name == name and first.score > 0.8 and first.attributes["source"]
    x1, y1, x2, y2 = first.box
    assert (x2 - x1) * (y2 - y1) > 0.2 * scene.width * scene.height


def test_the_detector_alone_reports_its_source_and_calibrated_scores(parts: PhotographParts) -> None:
    [scene] = parts.detector([photo("astronaut")])
    assert scene.objects[0].name == "person" and scene.objects[0].attributes == {"source": "coco-detector"}
    assert all(0 <= o.score <= 1 for o in scene.objects)
    assert calibrated(0.6) > 0.9 and calibrated(0.2) < 0.25


def test_the_classifier_alone_boxes_what_it_names(parts: PhotographParts) -> None:
    [scene] = ImageNamer.from_pretrained()([photo("coffee")])
    assert scene.objects[0].name == "cup of coffee" and scene.objects[0].attributes["fine_name"] == "espresso"
    assert scene.meta["names"][0][1] > 0.5


def test_a_dog_that_the_classifier_knows_as_a_cat_becomes_a_cat() -> None:
    dog = SceneObject("dog", (0, 0, 50, 50), 0.47)
    assert judge(dog, naming(cat=0.8)).name == "cat"
    assert judge(dog, naming(cheetah=0.9)).name == "cheetah"
    agreed = judge(dog, naming(dog=0.9))
    assert agreed.name == "dog" and agreed.score > calibrated(0.47)


def test_the_classifier_renames_neither_persons_nor_sure_things_nor_animals_it_has_no_name_for() -> None:
    person = judge(SceneObject("person", (0, 0, 50, 90), 0.5), naming(uniform=0.8))
    assert person.name == "person" and person.attributes["wearing"] == "uniform"
    assert judge(SceneObject("chair", (0, 0, 50, 50), 0.6), naming(lemon=0.9)).name == "chair"
    assert judge(SceneObject("giraffe", (0, 0, 50, 50), 0.7), naming(cheetah=0.9)).name == "giraffe"


def test_a_finer_everyday_name_keeps_the_general_one_as_its_kind() -> None:
    swan = judge(SceneObject("bird", (0, 0, 50, 50), 0.5), naming(swan=0.9))
    assert swan.name == "swan" and swan.attributes["kind"] == "bird"


def test_one_thing_under_two_names_or_twice_is_kept_once() -> None:
    cat, dog = SceneObject("cat", (0, 0, 100, 100), 0.6), SceneObject("dog", (2, 2, 99, 99), 0.5)
    assert suppress([dog, cat]) == [cat]
    assert len(suppress([cat, SceneObject("dog", (50, 50, 150, 150), 0.5)])) == 2
    assert merge_same([SceneObject("cat", (20, 20, 60, 60), 0.9), cat])[0].score == 0.9


def test_the_table_covers_imagenet_and_names_only_coco_things() -> None:
    table = name_table()
    assert len(table) == 1000
    assert {row.coco for row in table if row.coco} <= set(PANOPTIC_CLASSES[:THINGS])
    assert {row.kind for row in table} == {
        "animal",
        "thing",
        "clothing",
        "food",
        "plant",
        "building",
        "place",
        "person",
    }
    assert table[285].everyday == "cat" and table[654].everyday == "bus" and table[967].everyday == "cup of coffee"


def test_boxes_of_activations_and_crops_stay_in_the_picture() -> None:
    heat = np.zeros((7, 7))
    heat[3, 4] = 1.0
    x1, y1, x2, y2 = activation_box(heat, 700, 350)
    assert 0 <= x1 < 450 < x2 <= 700 and 0 <= y1 < 200 < y2 <= 350 and x2 - x1 < 300
    assert crop_box((0, 0, 300, 20), 300, 200) == (0, 0, 300, 200)
    left, top, right, bottom = crop_box((90, 90, 110, 110), 200, 200)
    assert (right - left, bottom - top) == (24, 24)


def test_the_network_gets_the_picture_without_distortion() -> None:
    pixels, scale = network_input(Image.new("RGB", (640, 300), "red"))
    assert pixels.shape == (1, 3, 256, 512) and scale == 0.8
    assert pixels[0, 0, 0, 0] == 255 and pixels[0, 0, 250, 0] == 127
