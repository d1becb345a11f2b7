"""Relations from geometry and from a scene-graph model."""

from __future__ import annotations

import numpy as np
import pytest
from tests.perception.parts import WHITE, Fixed, boxes

from nunbit.errors import UserError
from nunbit.perception import GeometricRelations, Perception, SceneGraph, SceneGraphOutput
from nunbit.perception.relations import relation


@pytest.mark.parametrize(
    ("a", "b", "word"),
    [
        ((0, 0, 10, 10), (20, 0, 30, 10), "left of"),
        ((20, 2, 30, 12), (0, 0, 10, 10), "right of"),
        ((0, 0, 10, 10), (2, 30, 12, 40), "above"),
        ((2, 30, 12, 40), (0, 0, 10, 10), "below"),
        ((4, 0, 8, 10), (0, 10, 30, 20), "on"),
        ((4, 4, 8, 8), (0, 0, 30, 20), "inside"),
        ((0, 0, 20, 20), (5, 5, 25, 25), "overlapping"),
    ],
)
def test_geometry(a, b, word):
    said, score = relation(a, b)
    assert said == word and 0.5 < score <= 1.0


def test_geometry_prefers_what_says_more_and_keeps_bounds():
    lamp, table, dog = boxes(("lamp", (4, 0, 8, 10)), ("table", (0, 11, 30, 20)), ("dog", (60, 11, 70, 20)))
    found = GeometricRelations().between([table, lamp, dog])
    assert {(r.subject, r.predicate, r.object) for r in found} >= {(1, "on", 0), (0, "left of", 2)}
    assert len(GeometricRelations(max_relations=1).between([table, lamp, dog])) == 1
    both = GeometricRelations(inverses=True).between([table, dog])
    assert [(r.subject, r.predicate, r.object) for r in both] == [(0, "left of", 1), (1, "right of", 0)]
    many = boxes(*((f"o{i}", (i * 10, 0, i * 10 + 5, 5)) for i in range(30)))
    assert max(max(r.subject, r.object) for r in GeometricRelations(max_objects=4).between(many)) == 3
    [scene] = Perception(detection=Fixed("d", objects=[lamp, table]), relations=GeometricRelations())([WHITE])
    assert scene.relations[0].predicate == "on" and scene.meta["perception"]["relations"]["status"] == "ok"


def test_a_scene_graph_model_gives_objects_and_relations():
    scores = np.zeros((3, 57))
    scores[0, 22], scores[1, 3], scores[2, 5] = 0.81, 0.95, 0.2
    masks = np.zeros((3, 30, 40), dtype=bool)
    masks[0, 5:10, 3:7], masks[1, 20:30, 0:40] = True, True
    out = SceneGraphOutput([1, 18, 126], scores, np.array([(0, 1), (1, 0), (0, 2)]), masks=masks)
    [scene] = SceneGraph(lambda image: out, "fixed")([WHITE])
    assert [(o.name, o.box) for o in scene.objects] == [("person", (3, 5, 7, 10)), ("horse", (0, 20, 40, 30))]
    assert [(r.subject, r.predicate, r.object) for r in scene.validate().relations] == [
        (1, "beside", 0),
        (0, "holding", 1),
    ]
    bad = SceneGraphOutput([0], scores, np.zeros((3, 2), dtype=int), boxes=np.ones((1, 4)))
    with pytest.raises(UserError, match="1 to 133"):
        SceneGraph(lambda image: bad, "fixed")([WHITE])
