"""Very large pictures: parts look at a smaller one, and the Scene is in the pixels of the picture that was given."""

import numpy as np
import pytest
from PIL import Image

from nunbit import scene as scenes
from nunbit.media import bounds
from nunbit.perception import Perception, draw
from nunbit.perception.base import FACTS
from nunbit.perception.scaling import scaled_copy
from nunbit.scene import Scene, SceneObject, Segment, TextLine, ids_in
from nunbit.verbalise import mask_boxes


class Halves:
    """Finds the right half of a picture as a segment, with a table, a mark and a line."""

    name = "halves"

    def __init__(self):
        self.sizes = []

    def __call__(self, images):
        self.sizes += [i.size for i in images]
        return [self.of(i.width, i.height) for i in images]

    def of(self, width, height):
        cells = np.zeros((height, width), np.int32)
        cells[:, width // 2 :] = 3
        box = (width / 2, 0.0, float(width), float(height))
        facts = {"tables": [[[{"text": "a", "box": [0, 0, 4, 2]}]]], "marks": [{"kind": "box", "box": [0, 0, 4, 2]}]}
        return Scene(
            width,
            height,
            [SceneObject("half", box, segment=3)],
            text_lines=[TextLine.from_box("a", (0.0, 0.0, 4.0, 2.0))],
            segments=[Segment(3, "half")],
            segment_map=cells,
            meta={FACTS: facts},
        )


@pytest.fixture
def small_bounds(monkeypatch):
    monkeypatch.setattr(bounds, "MOST_PIXELS", 5000)
    monkeypatch.setattr(bounds, "MOST_MADE_PIXELS", 2000)


def test_the_scene_of_a_reduced_picture_is_in_the_pixels_of_the_whole_one(small_bounds):
    part = Halves()
    [scene] = Perception(panoptic=part)([Image.new("RGB", (120, 60))])
    assert part.sizes == [(60, 30)] and (scene.width, scene.height) == (120, 60)
    assert scene.segment_map.shape == (60, 120) and scene.segment_map.dtype == np.uint8
    assert not scene.segment_map[:, :60].any() and (scene.segment_map[:, 60:] == 3).all()
    assert scene.objects[0].box == (60, 0, 120, 60) and scene.text_lines[0].box == (0, 0, 8, 4)
    assert scene.meta["tables"][0][0][0]["box"] == [0, 0, 8, 4] and scene.meta["marks"][0]["box"] == [0, 0, 8, 4]


def test_an_ordinary_picture_is_looked_at_as_it_is():
    part = Halves()
    [scene] = Perception(panoptic=part)([Image.new("RGB", (120, 60))])
    assert part.sizes == [(120, 60)] and scene.segment_map.dtype == np.int32
    assert scaled_copy(scene, (120, 60)) is scene


def test_a_large_picture_is_drawn_reduced_and_the_scene_stays(small_bounds):
    scene = Halves().of(120, 60)
    drawn = draw(Image.new("RGB", (120, 60), "white"), scene)
    assert drawn.size == (60, 30) and scene.objects[0].box == (60, 0, 120, 60)
    assert np.asarray(drawn)[15, 45].tolist() != [255, 255, 255] and np.asarray(drawn)[20, 10].tolist() == [255] * 3


def test_maps_are_worked_on_in_pieces(monkeypatch):
    cells = np.random.default_rng(0).integers(0, 5, (37, 23)).astype(np.uint8) // 2 * 2
    cells[:9] = 0
    whole = Scene(23, 37, segments=[Segment(2, "a"), Segment(4, "b")], segment_map=cells)
    want = whole.to_json(), ids_in(cells).tolist(), mask_boxes(cells)
    monkeypatch.setattr(scenes, "CELLS_AT_ONCE", 50)
    monkeypatch.setattr("nunbit.verbalise.CELLS_AT_ONCE", 50)
    assert (whole.to_json(), ids_in(cells).tolist(), mask_boxes(cells)) == want
    assert (Scene.from_json(whole.to_json()).segment_map == cells).all() and want[1] == [0, 2, 4]
    assert want[2][2] == (0.0, 9.0, 23.0, 37.0)
