"""Where pictures come from: COCO's files, the world; what the teacher gets to read of them."""

import json

import pytest
from tests.load.teacher import write_coco

from nunbit.data.teacher.context import symbolic_context
from nunbit.data.teacher.output import llava_item
from nunbit.data.teacher.prompting import KINDS, messages, template
from nunbit.data.teacher.reply_format import parse
from nunbit.data.teacher.sources import open_source, world_picture
from nunbit.errors import UserError
from nunbit.scene import Scene, SceneObject, TextLine


def opened(paths, tmp_path, **settings):
    return open_source(paths, tmp_path / "out", **{"images": None, "pictures": 3, "seed": 0, **settings})


def test_coco_gives_captions_boxes_and_a_closed_list(tmp_path):
    write_coco(tmp_path / "coco", 4, 0)
    source = opened([str(tmp_path / "coco")], tmp_path)
    assert len(source.pictures) == 4 and source.images == tmp_path / "coco/images"
    for i, picture in enumerate(source.pictures, 1):
        made, drawn = picture.scene(), world_picture(i, 0)[1]
        assert [(o.name, o.box) for o in made.objects] == [(o.name, o.box) for o in drawn.objects]
        assert made.captions and {o.name for o in made.objects} <= {*made.meta["complete"]}
    files = sorted((tmp_path / "coco/annotations").glob("*.json"))
    again = opened([str(f) for f in files], tmp_path)
    assert again.digest == source.digest
    alone = opened([str(f) for f in files if "instances" not in f.name], tmp_path)
    assert alone.pictures[0].scene().objects  # from the panoptic segments


def test_crowds_and_damaged_boxes(tmp_path):
    images = [{"id": 1, "file_name": "a.png", "width": 100, "height": 100}]
    rows = [
        {"image_id": 1, "category_id": 1, "bbox": [0, 0, 50, 50], "iscrowd": 1},
        {"image_id": 1, "category_id": 1, "bbox": [10, 10, 0, 5]},
        {"image_id": 1, "category_id": 1, "bbox": [90, 90, 50, 50]},
        {"image_id": 1, "category_id": 9, "bbox": [1, 1, 5, 5]},
    ]
    data = {"images": images, "annotations": rows, "categories": [{"id": 1, "name": "person"}]}
    (tmp_path / "instances.json").write_text(json.dumps(data))
    scene = opened([str(tmp_path / "instances.json")], tmp_path, images=tmp_path).pictures[0].scene()
    assert [(o.box, o.score) for o in scene.objects] == [((0, 0, 50, 50), 0.5), ((90, 90, 100, 100), 1.0)]
    assert scene.meta["crowds"] == ["person"]


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("instances.json", "{", "cannot be read"),
        ("instances.json", "[]", "no list of images"),
        ("instances.json", '{"images": [], "annotations": 3}', "no list of annotations"),
        ("instances.json", '{"images": [{}], "annotations": [{"bbox": 1}]}', "not in COCO's layout"),
        (
            "captions.json",
            '{"images": [{"id": 1}], "annotations": [{"image_id": 1, "caption": "x"}]}',
            "captions alone",
        ),
    ],
)
def test_damaged_coco_is_an_error_that_names_the_file(tmp_path, name, text, says):
    (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match=says):
        opened([str(tmp_path / name)], tmp_path)


def test_nothing_there_is_an_error(tmp_path):
    with pytest.raises(UserError, match="there is no"):
        opened([str(tmp_path / "none")], tmp_path)
    with pytest.raises(UserError, match="holds 0 pictures"):
        opened([str(tmp_path)], tmp_path)


def test_the_world_is_drawn_once_and_the_same_again(tmp_path):
    source = opened(["world"], tmp_path)
    first = [p.scene().to_json() for p in source.pictures]
    files = sorted((tmp_path / "out/images").iterdir())
    assert len(files) == 3 and [p.scene().to_json() for p in source.pictures] == first


def test_the_context_is_captions_then_a_box_a_line():
    scene = Scene(200, 100, [SceneObject("dog", (20, 10, 100, 50)), SceneObject("dog", (0, 0, 200, 100))])
    scene.captions = ["Two  dogs.", "Dogs\nplay."]
    scene.text_lines = [TextLine.from_box("EXIT", (0, 0, 20, 10))]
    assert symbolic_context(scene, "en").split("\n") == [
        "Two dogs.", "Dogs play.", "", "dog: [0.100, 0.100, 0.500, 0.500]", "dog: [0.000, 0.000, 1.000, 1.000]",
        'text "EXIT": [0.000, 0.000, 0.100, 0.100]',
    ]  # fmt: skip
    assert "개: [0.100" in symbolic_context(scene, "ko")


@pytest.mark.parametrize("language", ["en", "ko"])
@pytest.mark.parametrize("kind", KINDS)
def test_solved_examples_are_in_the_form_that_is_asked_for(kind, language):
    shown = template(kind, language)
    assert [m["role"] for m in shown] == ["system", "user", "assistant", "user", "assistant"]
    for message in shown[2::2]:
        assert parse(message["content"], kind).turns
    assert messages(kind, language, "x")[-1] == {"role": "user", "content": "x"}


def test_the_picture_stands_in_the_first_turn_only():
    turns = [("What?", "A dog."), ("Where?", "Here.")]
    values = [llava_item(f"i{k}", "a.png", turns, "random", 0)["conversations"][0]["value"] for k in range(40)]
    assert {"<image>\nWhat?", "What?\n<image>"} == {*values} and 8 < sum(v.startswith("<") for v in values) < 32
    front = llava_item("i", "a.png", turns, "front", 0)["conversations"]
    assert front[0] == {"from": "human", "value": "<image>\nWhat?"} and front[2]["value"] == "Where?"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("", "conversation"),
        ("Question: a\n===\nAnswer: b\n===\nQuestion: c", "conversation"),
        ("Question: a\nAnswer: b", "conversation"),
        ("Answer: b\n===\nQuestion: a", "conversation"),
        ("Question: a\n===\nAnswer: b\n===\nQuestion: c\n===\nAnswer: d", "reasoning"),
        ("Question: a\n===\nAnswer: b", "detail"),
        ('{"question": "a"}', "reasoning"),
    ],
)
def test_broken_forms_are_noticed(text, kind):
    found = parse(text, kind)
    assert not found.turns and found.why
