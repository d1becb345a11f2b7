"""Scenes: through JSON and back, and what is refused."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nunbit.crayon_map import to_grid
from nunbit.errors import UserError
from nunbit.scene import Relation, Scene, SceneObject, Segment, TextLine, box_iou, ids_in

boxes = st.tuples(*[st.floats(0, 50)] * 2, *[st.floats(51, 100)] * 2)
words = st.text(min_size=1, max_size=12)


@st.composite
def scenes(draw):
    width, height = draw(st.integers(1, 30)), draw(st.integers(1, 30))
    ids = draw(st.lists(st.integers(1, 300), unique=True, max_size=4))
    flat = draw(st.lists(st.sampled_from([0, *ids]), min_size=width * height, max_size=width * height))
    objects = [
        SceneObject(n, b, attributes={"colour": "red"}) for n, b in draw(st.lists(st.tuples(words, boxes), max_size=4))
    ]
    return Scene(
        width,
        height,
        objects=objects,
        segments=[Segment(i, "thing", k + 1) for k, i in enumerate(ids)],
        segment_map=np.array(flat, np.int32).reshape(height, width),
        text_lines=[TextLine.from_box(t, b) for t, b in draw(st.lists(st.tuples(words, boxes), max_size=3))],
        relations=[Relation(0, "on", len(objects) - 1)] if objects else [],
        meta=draw(st.dictionaries(words, st.integers())),
        captions=draw(st.lists(words, max_size=2)),
    )


@settings(max_examples=60, deadline=None)
@given(scenes())
def test_scene_survives_json(scene):
    back = Scene.from_json(json.dumps(scene.to_json()))
    assert np.array_equal(back.segment_map, scene.segment_map)
    assert back.to_json() == scene.to_json()
    assert (back.objects, back.relations, back.text_lines) == (scene.objects, scene.relations, scene.text_lines)
    assert (back.segments, back.captions, back.meta) == (scene.segments, scene.captions, scene.meta)


def test_scene_without_a_map_survives_json_and_stays_without():
    assert Scene.from_json(json.dumps(Scene(3, 2).to_json())) == Scene(3, 2)


junk = st.recursive(
    st.none() | st.integers() | st.floats() | st.text(max_size=3), lambda x: st.lists(x, max_size=3), max_leaves=6
)
FIELDS = ["width", "height", "objects", "relations", "text_lines", "segments", "segment_map_runs", "captions"]


@settings(max_examples=150, deadline=None)
@given(scenes(), st.sampled_from(FIELDS), junk)
def test_a_scene_with_junk_in_a_field_is_read_or_refused(scene, field, value):
    try:
        Scene.from_json(scene.to_json() | {field: value}).validate()
    except UserError:
        pass


@settings(max_examples=60, deadline=None)
@given(scenes(), st.sampled_from(FIELDS[:6]))
def test_a_scene_without_a_needed_field_is_refused(scene, field):
    data = scene.to_json()
    del data[field]
    with pytest.raises(UserError, match=field):
        Scene.from_json(data)


def test_refusals_name_the_thing_that_is_wrong():
    with pytest.raises(UserError, match=r"object 1 \('cup'\) has the box \(3, 1, 2, 4\)"):
        Scene(5, 5, objects=[SceneObject("ok", (0, 0, 1, 1)), SceneObject("cup", (3, 1, 2, 4))]).validate()
    with pytest.raises(UserError, match="relation 0 points at objects 0 and 1.*0 to 0"):
        Scene(5, 5, objects=[SceneObject("a", (0, 0, 1, 1))], relations=[Relation(0, "on", 1)]).validate()
    with pytest.raises(UserError, match=r"without a row: \[9\]"):
        Scene(2, 1, segment_map=np.array([[0, 9]])).validate()


@pytest.mark.parametrize(
    "wrong",
    [
        Scene(0, 5),
        Scene(5, 5, objects=[SceneObject("x", (3, 1, 2, 4))]),
        Scene(5, 5, objects=[SceneObject("x", (0, 0, float("nan"), 4))]),
        Scene(5, 5, relations=[Relation(0, "on", 1)]),
        Scene(5, 5, segments=[Segment(1, "a"), Segment(1, "b")]),
        Scene(5, 5, segment_map=np.zeros((4, 5), int)),
        Scene(2, 1, segment_map=np.array([[0, 9]])),
    ],
)
def test_impossible_scenes_are_refused(wrong):
    with pytest.raises(UserError):
        wrong.validate()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": "nunbit.scene/1"}', '{"format": "other"}'])
def test_other_json_is_refused(text):
    with pytest.raises(UserError):
        Scene.from_json(text)


def test_a_map_that_claims_more_than_it_has_allocates_nothing():
    data = Scene(3, 3).to_json() | {"segment_map_runs": [[1, 10**15]]}
    with pytest.raises(UserError, match="1000000000000000 pixels"):
        Scene.from_json(data)


def test_iou():
    assert box_iou((0, 0, 2, 2), (1, 0, 3, 2)) == pytest.approx(1 / 3)
    assert box_iou((0, 0, 1, 1), (1, 1, 2, 2)) == 0


def test_ids_of_a_map_are_counted_as_they_are_sorted():
    rng = np.random.default_rng(0)
    for low, high, kind in ((0, 5, np.uint8), (0, 300, np.int32), (-3, 40, np.int64), (0, 1 << 20, np.int64)):
        cells = rng.integers(low, high, (37, 23)).astype(kind)
        assert ids_in(cells).tolist() == np.unique(cells).tolist()
        table, local = np.unique(np.maximum(cells, 0), return_inverse=True)
        local = local.reshape(cells.shape)
        found = to_grid(cells, (5, 4))
        for y in range(5):
            for x in range(4):
                rows, columns = (np.arange(37) * 5 // 37 == y), (np.arange(23) * 4 // 23 == x)
                assert found[y, x] == table[np.bincount(local[np.ix_(rows, columns)].ravel()).argmax()]
