"""Words of Scenes: which, where, in which language, in how many tokens."""

from dataclasses import replace

import pytest
from tests.models.object_aware.small import aware, scene, write_base

from nunbit.errors import UserError
from nunbit.messages import PLACEHOLDER, question
from nunbit.models.object_aware import (
    language_of,
    scene_words,
)
from nunbit.models.object_aware.scene_text import SceneText
from nunbit.scene import Scene, SceneObject, TextLine
from nunbit.world.samples import sample


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return write_base(tmp_path_factory.mktemp("base"))


def test_words_of_a_scene():
    assert scene_words(Scene(10, 10), "objects") == "" == scene_words(Scene(10, 10), "plain")
    assert scene_words(scene(0), "objects").startswith(
        "The image includes (#1 person) [0.00, 0.00, 0.50, 1.00], (#1 dog)"
    )
    with pytest.raises(UserError):
        scene_words(scene(0), "loud")


@pytest.mark.parametrize(
    ("asked", "language"),
    [
        ("What is it?", "en"),
        ("무엇인가요?", "ko"),
        ('Is the word "표지판" written here?', "en"),
        ('"STOP"라고 써 있나요?', "ko"),
        ("What is the price of 아이스크림?", "en"),
        ("NOTICE는 어디에 있나요?", "ko"),
        ("total은 얼마?", "ko"),
        ("", "en"),
    ],
)
def test_a_question_is_told_in_its_language(base, asked, language):
    assert language_of(question(asked, [PLACEHOLDER])[0]) == language
    seen = replace(Scene(10, 10), objects=[SceneObject("dog", (1, 1, 5, 5), attributes={"colour": "red"})])
    made = aware(base, connectors={}, scene_prompt="plain", translations={"ko": {"dog": "개", "red": "빨간색"}})
    (said,) = [
        p.content
        for p in made.add_scene_text(question(asked, [PLACEHOLDER]), [seen])[0].parts
        if p.kind == "text" and p.content.startswith(("Objects", "물체"))
    ]
    assert said.startswith("물체: 빨간색 개 [" if language == "ko" else "Objects: red dog [")


def test_every_question_of_the_world_is_told_in_its_own_language():
    for i in range(60):
        for qa in sample(i, seed=3, questions=30).questions:
            assert language_of(question(qa.question, [])[0]) == qa.language, qa.question


def test_words_that_find_no_room_are_left_out(base):
    many = replace(scene(0), text_lines=[TextLine.from_box(f"line {i}", (0, i, 9, i + 1), 1.0) for i in range(30)])
    made = aware(base, connectors={}, scene_prompt="plain")

    def size(words):
        return len(made.processor.tokenizer(words, add_special_tokens=False)["input_ids"])

    whole = size(made.scene_text.words(many))
    for room in (whole, whole // 2, whole // 5, 0):
        said = SceneText(replace(made.config, max_scene_tokens=room), size).words(many)
        assert size(said) <= room and (room == whole) == ("line 29" in said)
    assert said == ""


def test_spoken_words_stand_after_their_picture(base):
    made = aware(base, connectors={}, scene_prompt="objects")
    said = made.add_scene_text(question("What?", [PLACEHOLDER, PLACEHOLDER]), [scene(0), Scene(5, 5)])
    assert [p.kind for p in said[0].parts] == ["image", "text", "image", "text"] and "person" in said[0].parts[
        1
    ].content
    assert aware(base, connectors={}).add_scene_text(question("What?", [PLACEHOLDER]), [scene(0)]) == question(
        "What?", [PLACEHOLDER]
    )
