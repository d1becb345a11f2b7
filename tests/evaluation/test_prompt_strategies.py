"""A prompt strategy changes the prompt, and the key of the answer."""

import pytest
from tests.evaluation.data_files import png
from tests.evaluation.stubs import stub

from nunbit.errors import UserError
from nunbit.evaluation.prompt_strategies import (
    SCENE_PROMPTS,
    PromptStrategy,
    StrategyResources,
    strategies,
    with_strategy,
)
from nunbit.evaluation.target import Failure
from nunbit.messages import EncodedImage, question
from nunbit.models.object_aware import config
from nunbit.prompting.shots import Shot
from nunbit.scene import Scene, SceneObject


def test_strategies_are_the_combinations_that_make_sense():
    made = strategies([0, 2], [False, True], ["no", "worked"], ["none"])
    assert [w.name for w in made] == [
        "plain prompt",
        "2 shots",
        "2 shots, worked reasoning",
        "2 shots by similarity",
        "2 shots by similarity, worked reasoning",
    ]
    with pytest.raises(UserError, match="zero-shot"):
        PromptStrategy(cot="zeroshot")
    with pytest.raises(UserError, match="without examples"):
        PromptStrategy(cot="worked")


def test_shots_stand_before_the_question_and_its_picture_keeps_its_bytes(tmp_path):
    (tmp_path / "a.png").write_bytes(png(1))
    shots = [Shot("What?", "red", tmp_path / "a.png"), Shot("And?", "blue", None, "It looks blue.")]
    asked = []
    base = stub("yes", asked=asked)
    changed = with_strategy(PromptStrategy(shots=2), base, StrategyResources(shots))
    assert changed.answer([question("Which?", [EncodedImage(png(5))])]) == ["yes"]
    (messages,) = asked
    assert [m.role for m in messages] == ["user", "assistant"] * 2 + ["user"] and messages[-1].images == [
        EncodedImage(png(5))
    ]
    assert isinstance(messages[0].images[0], EncodedImage)
    assert changed.name != base.name and changed.settings["examples"]
    assert with_strategy(PromptStrategy(), base, StrategyResources(shots)) is base
    with pytest.raises(UserError, match="3 shots with 2 examples"):
        with_strategy(PromptStrategy(shots=3), base, StrategyResources(shots))


def test_thinking_asks_twice_and_a_failed_first_step_stays_failed():
    asked = []

    def reply(messages):
        if "bad" in messages[0].text:
            return Failure("gone")
        return "because" if len(messages) == 1 else "B"

    target = with_strategy(PromptStrategy(cot="zero-shot"), stub(reply, asked=asked), StrategyResources())
    said = target.answer([question("Which?"), question("bad?")])
    assert said[0] == "B" and isinstance(said[1], Failure) and len(asked) == 3
    assert asked[-1][1].text == "because"


def test_worked_solutions_leave_the_answer_alone():
    shots = [Shot("What?", "red", None, "It looks red.")]
    target = with_strategy(
        PromptStrategy(shots=1, cot="worked"), stub("It is dark. The answer is B."), StrategyResources(shots)
    )
    assert target.answer([question("Which?")]) == ["B"]


def perceive(pictures):
    """One dog a picture, as large as the picture."""
    return [
        Scene(p.width, p.height, objects=(SceneObject("dog", (0.0, 0.0, float(p.width), float(p.height)), 1.0),))
        for p in pictures
    ]


def test_scene_text_stands_right_after_each_picture():
    asked = []
    resources = StrategyResources(perceive=perceive)
    target = with_strategy(PromptStrategy(scene_prompt="plain"), stub(asked=asked), resources)
    pictures = [EncodedImage(png(n)) for n in (1, 2, 3)]
    target.answer([question("Which?", pictures[:1]), question("And?", pictures[1:])])
    assert [p.kind for p in asked[1][0].parts] == ["image", "text", "image", "text", "text"]
    texts = [p.content for p in asked[1][0].parts if p.kind == "text"]
    assert "dog" in texts[0] and texts[0].endswith("\n") and texts[1] == texts[0] and texts[2] == "And?"
    assert asked[0][0].images == pictures[:1] and asked[1][0].images == pictures[1:]
    assert target.name == "stub, scene prompt plain"


def test_nothing_found_adds_no_text():
    asked = []
    resources = StrategyResources(perceive=lambda pictures: [Scene(p.width, p.height) for p in pictures])
    with_strategy(PromptStrategy(scene_prompt="objects"), stub(asked=asked), resources).answer(
        [question("Which?", [EncodedImage(png(1))])]
    )
    assert [p.kind for p in asked[0][0].parts] == ["image", "text"]


def test_scene_prompts_are_those_of_an_object_aware_model():
    assert SCENE_PROMPTS == config.SCENE_PROMPTS


@pytest.mark.parametrize(
    ("strategy", "old"),
    [
        (PromptStrategy(), "as it is"),
        (PromptStrategy(shots=2, rices=True), "2 shots by likeness"),
        (PromptStrategy(cot="zero-shot", scene_prompt="objects"), "zero-shot reasoning, told objects"),
    ],
)
def test_old_names_of_strategies_are_known(strategy, old):
    assert strategy.old_name == old != strategy.name
