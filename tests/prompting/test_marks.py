"""Numbers over objects: the innermost place, the smallest first, none on another; how the question changes."""

import numpy as np
import pytest
from PIL import Image

from nunbit.errors import UserError
from nunbit.messages import Part, question
from nunbit.prompting.marks import markable_objects, number_all, set_of_marks
from nunbit.scene import Scene, SceneObject, Segment

PAPER = (200, 200, 200)


def picture(width=200, height=200):
    return Image.new("RGB", (width, height), PAPER)


def labels(marked):
    """Boxes (x1, y1, x2, y2) of the connected patches that were drawn."""
    from scipy.ndimage import find_objects, label

    found, _ = label((np.asarray(marked) != 200).any(-1))
    return [(s[1].start, s[0].start, s[1].stop, s[0].stop) for s in find_objects(found)]


def scene_of(ids, names=None, objects=()):
    found = [int(i) for i in np.unique(ids) if i]
    return Scene(
        ids.shape[1],
        ids.shape[0],
        list(objects),
        segments=[Segment(i, (names or {}).get(i, f"s{i}")) for i in found],
        segment_map=ids,
    )


def test_the_smallest_first_inside_its_segment():
    ids = np.zeros((200, 200), np.int32)
    ids[20:80, 20:80], ids[100:190, 100:190] = 1, 2
    a, b, c = (
        SceneObject("a", (20, 20, 80, 80), segment=1),
        SceneObject("b", (100, 100, 190, 190), segment=2),
        SceneObject("c", (0, 0, 88, 88)),
    )
    marked, table = set_of_marks(picture(), scene_of(ids, objects=[b, c, a]))
    assert table == {1: a, 2: c, 3: b}
    found = labels(marked)
    middles = [(int((x1 + x2) / 2), int((y1 + y2) / 2)) for x1, y1, x2, y2 in found]
    inside = sorted("ab"[ids[y, x] - 1] if ids[y, x] else "c" for x, y in middles if ids[y, x] or max(x, y) < 88)
    assert inside == ["a", "b", "c"], "the number of what lies behind stands on the part that can be seen"
    assert np.asarray(picture()).std() == 0, "the picture given stays as it was"


def test_a_number_finds_the_thick_part_of_a_bent_segment():
    """The middle of its box, and each corner of a coarse grid, lie off this segment."""
    ids = np.zeros((200, 200), np.int32)
    ids[5:195, 5:12], ids[5:12, 5:195], ids[60:96, 5:41] = 1, 1, 1
    marked, table = set_of_marks(picture(), scene_of(ids))
    ((x1, y1, x2, y2),) = labels(marked)
    assert list(table) == [1] and (ids[y1:y2, x1:x2] == 1).all()


def test_many_small_things_never_share_a_place():
    rng = np.random.default_rng(0)
    objects = []
    for _ in range(60):
        x, y = rng.integers(0, 170, 2)
        objects.append(SceneObject("o", (float(x), float(y), float(x + 25), float(y + 25))))
    scene = Scene(200, 200, objects)
    marked, table = set_of_marks(picture(), scene, most=40)
    assert 10 <= len(table) <= 40 and list(table) == list(range(1, len(table) + 1))
    # Each label alone on a fresh picture covers pixels that are its own: their sum is the whole.
    total = int((np.asarray(marked) != 200).any(-1).sum())
    each = 0
    for number in table:
        alone, _ = set_of_marks(picture(), Scene(200, 200, [table[number]]), first=number)
        each += int((np.asarray(alone) != 200).any(-1).sum())
    assert total == each


def test_segments_are_numbered_where_there_are_no_objects():
    ids = np.zeros((120, 160), np.int32)
    ids[:, :60], ids[50:, 60:] = 3, 7
    scene = scene_of(ids, {3: "sky", 7: "road"})
    scene.segments.append(Segment(9, "nowhere"))
    assert [(t.name, t.box, t.segment) for t in markable_objects(scene)] == [
        ("sky", (0, 0, 60, 120), 3),
        ("road", (60, 50, 160, 120), 7),
    ]
    _, table = set_of_marks(picture(160, 120), scene)
    assert {n: t.name for n, t in table.items()} == {1: "road", 2: "sky"}
    assert markable_objects(Scene(4, 4, segments=[Segment(1, "a")])) == []


def test_odd_scenes():
    outside = SceneObject("far", (500.0, 500.0, 600.0, 600.0))
    assert set_of_marks(picture(), Scene(200, 200, [outside]))[1] == {}
    tiny = Image.new("RGB", (6, 6))
    assert len(set_of_marks(tiny, Scene(6, 6, [SceneObject("a", (0.0, 0.0, 6.0, 6.0))] * 2))[1]) == 1
    with pytest.raises(UserError, match="100x100"):
        set_of_marks(picture(), Scene(100, 100))


def test_numbers_go_on_from_picture_to_picture_and_are_named():
    def see(image):
        return Scene(image.width, image.height, [SceneObject(f"thing of {image.width}", (0.0, 0.0, 60.0, 60.0))])

    told = []
    turns = number_all(see, told.append)(
        [*question("earlier?", [picture(90, 90)]), *question("What is 2?", [picture(), picture(120, 90)])]
    )
    assert {n: t.name for n, t in told[0].items()} == {1: "thing of 200", 2: "thing of 120"}
    assert turns[-1].text.endswith("What is 2?") and "numbers" in turns[-1].text and turns[0].text == "earlier?"
    assert all(labels(i) for i in turns[-1].images) and not labels(turns[0].images[0])
    assert [p.kind for p in turns[-1].parts] == ["image", "image", "text", "text"]
    assert "번호" in number_all(see)(question("무엇?", [picture()]))[-1].text


def test_nothing_found_says_nothing():
    told = []
    turns = number_all(lambda i: Scene(i.width, i.height), told.append)(question("x", [picture()]))
    assert turns[-1].parts[1:] == (Part.text("x"),) and told == [{}] and not labels(turns[-1].images[0])
    with pytest.raises(UserError, match="without a picture"):
        number_all(lambda i: Scene(1, 1))(question("x"))
