"""The mixture: rows that can be drawn again, nothing taught that cannot be known, no held-out thing."""

import json
import re

import numpy as np
import pytest

from nunbit.recipes.small import data
from nunbit.recipes.small.agreement import agreed, knowable_questions
from nunbit.recipes.small.data import AnswerFilter, ExampleMaker, styled
from nunbit.recipes.small.pool import WorldPool, world_picture
from nunbit.scene import Scene, SceneObject, TextLine
from nunbit.scene_prompt import scene_words
from nunbit.world.base import QA


@pytest.fixture(scope="module")
def maker():
    return ExampleMaker(chats=[[("Hello!", "Hi!")]])


def test_a_row_is_a_function_of_its_number(maker):
    for number in range(40):
        one, again = maker.example(number, 3), maker.example(number, 3)
        assert (one.words, one.conversations, one.source) == (again.words, again.conversations, again.source)
    assert maker.example(1, 3).conversations != maker.example(1, 4).conversations


def test_every_maker_has_its_share_and_gives_conversations(maker):
    sources = [maker.example(n, 0) for n in range(150)]
    assert {s.source for s in sources} == set(data.SHARES) - {"composite", "page"}  # those need pools
    assert all(
        s.conversations and all(q and a for conversation in s.conversations for q, a in conversation) for s in sources
    )
    assert all(s.words or s.source == "chat" for s in sources)


def test_answers_have_the_taught_style():
    assert (styled("yes"), styled("[1, 2, 3, 40]"), styled("$1, 2")) == ("Yes", "[1,2,3,40]", "$1, 2")


def scenes():
    true = Scene(
        100,
        100,
        [SceneObject("dog", (10, 10, 50, 50)), SceneObject("cat", (60, 10, 90, 50))],
        text_lines=[TextLine.from_box("EXIT", (10, 80, 60, 95))],
    )
    estimated = Scene(
        100, 100, [SceneObject("dog", (11, 10, 50, 52))], text_lines=[TextLine.from_box("EX1T", (10, 80, 60, 95))]
    )
    return true, estimated


@pytest.mark.parametrize(
    ("question", "answer", "kind", "taught"),
    [
        ("Where is the dog?", "[10, 10, 50, 50]", "locate", "[11,10,50,52]"),  # the estimated box is copied
        ("Where is the cat?", "[60, 10, 90, 50]", "locate", None),  # overlooked
        ("How many things?", "2", "count", None),  # the estimated Scene says 1
        ("What is left?", "dog", "relation", "dog"),
        ("What is right?", "cat", "relation", None),
        ("Read the sign.", "EXIT", "read", "EXIT"),  # one character is wrong: to be put right
    ],
)
def test_only_what_the_told_scene_knows_is_taught(question, answer, kind, taught):
    true, estimated = scenes()
    answerable = AnswerFilter(true, estimated, scene_words(estimated), scene_words(true))
    turn = answerable.turn(QA(question, answer, kind, "en"))
    assert (turn and turn[1]) == taught


def test_the_world_shows_all_its_domains(maker):
    """The choice of the maker must not be the choice of the domain."""
    words = "\n".join(maker.example(n, 0).words for n in range(150) if maker.example(n, 0).source == "world")
    assert all(w in words for w in ("row 1:", "chart ", "hour hand", "step 2", "objects:", "|"))


def test_noise_never_changes_what_true_scenes_teach(maker):
    rng = np.random.default_rng(0)
    example = maker.photo(rng, 0, 0, "en")
    assert example.words == maker.photo(np.random.default_rng(0), 0, 0, "en").words


def test_what_perception_overlooked_is_not_asked():
    true = Scene(100, 100, [SceneObject("dog", (0, 0, 50, 50)), SceneObject("cat", (60, 60, 90, 90))])
    estimated = Scene(100, 100, [SceneObject("dog", (2, 0, 50, 52), 0.8), SceneObject("bus", (60, 0, 90, 30), 0.7)])
    found, wrong, complete = agreed(true, estimated)
    assert ([o.name for o in found], wrong, complete) == (["dog"], ["bus"], False)
    for seed in range(30):
        conversations = knowable_questions(true, estimated, np.random.default_rng(seed), "en", 10)
        text = " ".join(q for conversation in conversations for q, _ in conversation)
        assert not re.search(r"\b(a cat|the cat|cats)\b", text)
        for question, answer in (turn for conversation in conversations for turn in conversation):
            if "bus" in question:
                assert answer in ("No", "There is no bus in the picture."), question


def test_estimated_scenes_of_the_pool_belong_to_their_pictures(tmp_path):
    """Picture number n of the pool is drawn again, and asked what its own estimated Scene answers."""
    scenes = [world_picture(n).picture.scene for n in range(4)]
    lines = [json.dumps(Scene(s.width, s.height, s.objects, text_lines=s.text_lines).to_json()) for s in scenes]
    (tmp_path / "world-00000.jsonl").write_text("\n".join(lines))
    maker = ExampleMaker(world_pool=WorldPool(tmp_path))
    for seed in range(12):
        drawn, found = maker._drawn(np.random.default_rng(seed), 99, 0, 0.0)
        if found is not None:
            assert [o.box for o in found.objects] == [o.box for o in drawn.picture.scene.objects]
            assert [t.text for t in found.text_lines] == [t.text for t in drawn.picture.scene.text_lines]
