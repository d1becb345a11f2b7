"""Answers by rules from a Scene."""

import pytest

from nunbit.evaluation.scene_rules import RuleAnswerer
from nunbit.scene import Scene, SceneObject, TextLine


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("Is there a dog?", "Yes"),
        ("Are there any zebras?", "No"),
        ("고양이가 보이나요?", "네"),
        ("How many cats are there?", "2"),
        ("고양이는 모두 몇 개인가요?", "2"),
        ("How many things are there in all?", "3"),
        ("What color is the dog?", "brown"),
        ("개는 무슨 색인가요?", "갈색"),
        ("What colour is the bicycle?", "There is no bicycle in the picture."),
        ("In which part of the picture is the dog?", "top left"),
        ("Where is the dog?", "[5,5,25,25]"),
        ("What animal is this?", "cat"),
        ("Describe the picture.", "a dog and 2 cats"),
        ("What does it say?", "EXIT"),
        ("Is this a photograph or a drawing?", "a drawing"),
        ("Why?", ""),
    ],
)
def test_answers(question, answer):
    scene = Scene(
        100,
        100,
        [
            SceneObject("dog", (5, 5, 25, 25), 0.9, {"colour": "brown"}),
            SceneObject("cat", (60, 60, 95, 95), 0.9),
            SceneObject("cat", (40, 70, 50, 80), 0.9),
            SceneObject("bus", (70, 5, 80, 12), 0.3),
        ],
        text_lines=[TextLine.from_box("EXIT", (10, 90, 30, 98))],
        meta={"kind": "drawing"},
    )
    assert RuleAnswerer(lambda image: scene).answer(scene, question) == answer
