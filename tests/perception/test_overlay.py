"""A Scene drawn over its picture."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from tests.perception.parts import WHITE

from nunbit.errors import UserError
from nunbit.perception import draw
from nunbit.scene import Relation, Scene, SceneObject, Segment, TextLine


def test_overlay_marks_what_is_there():
    cells = np.zeros((30, 40), dtype=int)
    cells[20:] = 2
    scene = Scene(
        40,
        30,
        [SceneObject("dog", (2, 2, 10, 10)), SceneObject("mat", (0, 20, 40, 30), segment=2)],
        [Relation(0, "above", 1)],
        [TextLine.from_box("hi", (25, 3, 38, 9))],
        [Segment(2, "mat")],
        cells,
    )
    drawn = np.asarray(draw(WHITE, scene))
    assert drawn.shape == (30, 40, 3) and np.asarray(WHITE).min() == 255
    assert drawn[3, 25].tolist() == [0, 170, 200]
    plain = np.asarray(draw(WHITE, Scene(40, 30, segments=[Segment(2, "mat")], segment_map=cells), alpha=1.0))
    assert plain[25, 5].tolist() == [0, 128, 0] and plain[5, 5].tolist() == [255, 255, 255]
    with pytest.raises(UserError, match="40x30"):
        draw(Image.new("RGB", (9, 9)), scene)
