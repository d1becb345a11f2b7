"""Scene, Message, Registry and UserError."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nunbit.errors import UserError, unknown_name
from nunbit.messages import Part, assistant, check, question, system, user
from nunbit.registry import Registry
from nunbit.scene import Relation, Scene, SceneObject, Segment, TextLine, box_iou

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
        width, height, objects=objects, segments=[Segment(i, "thing", k + 1) for k, i in enumerate(ids)],
        segment_map=np.array(flat, np.int32).reshape(height, width),
        text_lines=[TextLine.from_box(t, b) for t, b in draw(st.lists(st.tuples(words, boxes), max_size=3))],
        relations=[Relation(0, "on", len(objects) - 1)] if objects else [], captions=draw(st.lists(words, max_size=2)),
    )  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(scenes())
def test_scene_survives_json(scene):
    back = Scene.from_json(json.dumps(scene.to_json()))
    assert np.array_equal(back.segment_map, scene.segment_map)
    assert back.to_json() == scene.to_json()


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


def test_turns_must_alternate():
    check([system("s"), user("a"), assistant("b"), user("c")])
    for bad in ([], [assistant("a")], [user("a"), user("b")], [user("a"), system("s")]):
        with pytest.raises(UserError):
            check(bad)
    m = question("why?", ["picture"])[0]
    assert (m.text, m.images, m.parts[0]) == ("why?", ["picture"], Part.image("picture"))


def test_errors_say_what_to_do():
    error = str(unknown_name("recipe", "tinny", ["tiny", "llava15"]))
    assert "unknown recipe 'tinny'" in error and "llava15, tiny" in error and "Did you mean 'tiny'?" in error
    names: Registry[int] = Registry("number")
    names.register("one")(1)
    assert names["one"] == 1 and list(names) == ["one"]
    with pytest.raises(UserError, match="unknown number 'on'"):
        names["on"]
