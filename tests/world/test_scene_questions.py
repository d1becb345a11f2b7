"""Questions about Scenes: every wording fills in, every answer is what the Scene says."""

import re

import numpy as np
import pytest

from nunbit.scene import Scene, SceneObject
from nunbit.scene_prompt import scene_words
from nunbit.world import imagined, paper_kinds, paper_questions
from nunbit.world.base import generator
from nunbit.world.corrupt import corrupt
from nunbit.world.names import korean, names_in, table
from nunbit.world.scene_questions import SceneQuestions
from nunbit.world.wordings import wordings


def scene():
    return Scene(
        100,
        100,
        [
            SceneObject("dog", (5, 5, 25, 25), 0.9, {"colour": "brown"}),
            SceneObject("cat", (60, 60, 95, 95), 0.9),
            SceneObject("cat", (40, 70, 50, 80), 0.9),
            SceneObject("bus", (70, 5, 80, 12), 0.3),
        ],
    )


def asker(language="en", seed=0):
    return SceneQuestions(scene(), np.random.default_rng(seed), language)


def test_answers_are_what_the_scene_says():
    q = asker()
    assert q.total().turns[0][1] == "3"  # what is unsure is not counted
    assert {q.count().turns[0][1] for _ in range(60)} == {"0", "1", "2"}
    assert q.colour().turns[0][1].startswith(("brown", "The dog is brown."))
    assert q.where().turns[0][1] == "[5,5,25,25]"
    assert q.describe().turns[0][1] == "a dog and 2 cats"
    assert q.largest().turns[0][1] == "cat"
    assert asker("ko").describe().turns[0][1] == "개 1개, 고양이 2개"


def test_what_is_not_there_is_said_to_be_missing():
    q = asker()
    for _ in range(30):
        conversation = q.false_colour()
        name = conversation.turns[0][1].removeprefix("There is no ").removesuffix(" in the picture.")
        assert name in table() and name not in ("dog", "cat")
        assert q.exists_not().turns[0][1] == "No"


@pytest.mark.parametrize("language", ["en", "ko"])
def test_every_wording_fills_in(language):
    fields = {
        "n": "dog",
        "m": "bus",
        "c": "red",
        "p": "top left",
        "k": "animal",
        "ks": "animals",
        "b": "[1,2,3,4]",
        "t": "EXIT",
        "i": "2",
        "s": "circle",
        "g": "a dog",
    }
    q = asker(language)
    for group in ("ask", "fixed", "sentence", "follow"):
        for kind, known in wordings()[group].items():
            for wording in known[language]:
                text = q._fill([wording], **{k: q.word(v) if k not in ("n", "m") else v for k, v in fields.items()})
                assert "{" not in text and text, (kind, wording)


def test_imagined_scenes_and_papers_are_whole():
    for number in range(60):
        rng = generator(1, number, "train")
        language = "ko" if number % 2 else "en"
        made = imagined.photo(rng, language).validate()
        for conversation in SceneQuestions(made, rng, language).draw(30):
            assert all(question and answer for question, answer in conversation.turns), conversation
        paper = paper_kinds.draw(rng, language)
        lines = paper_kinds.scene_of(paper, rng).validate()
        assert all(t.turns[0][1] for t in paper_questions.ask(paper, lines, rng, language, 20))
        assert scene_words(corrupt(made, rng).validate(), language, names_in(language))


def test_a_looked_up_answer_stands_in_the_words():
    """What a paper's look-ups answer can be copied from what is said of it."""
    for number in range(40):
        rng = generator(2, number, "train")
        paper = paper_kinds.draw(rng, "en")
        lines = paper_kinds.scene_of(paper, rng)
        words = scene_words(lines)
        for conversation in paper_questions.ask(paper, lines, rng, "en", 30):
            if conversation.kind == "lookup":
                assert conversation.turns[0][1] in words, (conversation, words)


def test_mistakes_show():
    for number in range(30):
        rng = generator(3, number, "train")
        made = imagined.photo(rng, "en")
        names = sorted(o.name for o in made.objects)
        wrong = corrupt(made, rng, 2.0)
        assert sorted(o.name for o in wrong.objects if o.score >= 0.5) == names
        assert all(t.score < 0.5 for t, u in zip(wrong.text_lines, made.text_lines, strict=True) if t.text != u.text)


def test_the_table_of_names_is_bilingual():
    assert all(re.fullmatch(r"[가-힣 ]+", ko) and kind for ko, kind in table().values())
    assert korean("dog") == "개" and korean("no such thing") == "no such thing"
