"""Does the model answer as perception sees: the questions, what counts as agreement, the report."""

import json

import numpy as np
import pytest
from PIL import Image

from nunbit.evaluation import agreement
from nunbit.evaluation.agreement import AgreementItem, items, run
from nunbit.scene import Scene, SceneObject, TextLine

SCENE = Scene(
    100,
    100,
    [
        SceneObject("dog", (0, 0, 20, 20), 0.9),
        SceneObject("dog", (30, 0, 50, 20), 0.8),
        SceneObject("cat", (60, 0, 80, 20), 0.95),
        SceneObject("elephant", (0, 50, 20, 90), 0.9),
        SceneObject("elephant", (30, 50, 50, 90), 0.4),
        SceneObject("zebra", (60, 50, 80, 90), 0.3),
    ],
    text_lines=[TextLine.from_box("NO SMOKING", (60, 90, 99, 99), 0.9)],
)
PICTURES = [(f"{n}.png", Image.new("RGB", (100, 100), (n, n, n))) for n in range(30)]


def perceive(images):
    return [SCENE for _ in images]


def asked(limit=120):
    return items(PICTURES, perceive, limit=limit)


def test_questions_are_about_what_is_shown_with_confidence():
    made = asked()
    assert {t.kind for t in made} == {"exists", "exists not", "count", "read"}
    assert {t.language for t in made} == {"en", "ko"} and len(made) == 120
    for t in made:
        assert "zebra" not in t.question and "얼룩말" not in t.question, "0.3 is no confidence"
        if t.kind == "count":
            assert "elephant" not in t.question and "코끼리" not in t.question, "one or two of them"
            dogs = "dog" in t.question or "개가" in t.question or "개는" in t.question or t.question.startswith("개 ")
            assert t.seen == ("2" if dogs else "1"), t.question
        if t.kind == "exists not":
            assert t.seen in ("No", "아니요") and not {"dog", "cat", "elephant"} & {*t.question.split()}
    assert [(t.question, t.seen) for t in asked()] == [(t.question, t.seen) for t in made], "not the same twice"


def item(kind, seen, answer, question="How many dogs are there?", language="en"):
    return AgreementItem(0, "a", None, SCENE, kind, language, question, seen, answer)


@pytest.mark.parametrize(
    ("kind", "seen", "answer", "agrees"),
    [
        ("exists", "Yes", "Yes, there is one.", True),
        ("exists", "Yes", "No", False),
        ("exists", "네", "네, 있습니다.", True),
        ("exists not", "아니요", "네", False),
        ("count", "2", "2", True),
        ("count", "2", "There are two dogs.", True),
        ("count", "2", "두 마리입니다.", True),
        ("count", "2", "3", False),
        ("count", "2", "dogs", False),
        ("read", "NO SMOKING", "no smoking", True),
        ("read", "NO SMOKING", "It says NO SM0KING.", False),
        ("read", "NO SMOKING", "NO SM0KING", True),
        ("read", "NO SMOKING", "EXIT", False),
    ],
)
def test_agreement(kind, seen, answer, agrees):
    assert item(kind, seen, answer).agrees is agrees


def test_report_has_intervals_and_what_disagrees():
    truth = {t.question: t.seen for t in asked()}

    def ask(conversations):
        return [truth[c[-1].text] for c in conversations]

    result = run(ask, perceive, PICTURES, limit=50)
    assert result["tables"]["all"]["all"]["agree"] == 1.0 and result["disagreements"] == []
    wrong = run(lambda c: ["clock"] * len(c), perceive, PICTURES, limit=50)
    low, high = wrong["tables"]["all"]["all"]["interval"]
    assert (low, high) == (0.0, 0.0) and len(wrong["disagreements"]) == 50
    assert "clock" in agreement.as_text(wrong) and "+40 more" in agreement.as_text(wrong)
    json.dumps(wrong)


def test_pictures_that_show_nothing():
    empty = run(lambda c: [], lambda images: [Scene(9, 9) for _ in images], PICTURES[:3], limit=5)
    assert empty["questions"] == 0 and agreement.as_text(empty)


def test_default_pictures_are_examples_and_unseen_world_pictures():
    from itertools import islice

    from nunbit.cli.agree import EXAMPLES, _default_pictures

    examples = [*EXAMPLES.glob("*.png"), *EXAMPLES.glob("*.jpg")]
    found = list(islice(_default_pictures(0, 4), len(examples) + 4))
    assert {"animals.png", "cat.jpg"} <= {name for name, _ in found} and len(found) == len(examples) + 4
    assert all(np.asarray(image).ndim == 3 for _, image in found)
