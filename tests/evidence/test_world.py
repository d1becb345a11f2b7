"""Exact Scenes of world pictures: right answers are never contradicted, wrong numbers and yes for no mostly are."""

from collections import Counter

import numpy as np
import pytest

from nunbit.evidence import claims_of, contradictions
from nunbit.world.samples import sample
from nunbit.world.scene_questions import SceneQuestions

PICTURES = 60


@pytest.fixture(scope="module")
def asked():
    """(kind, question, right answer, Scene) of pictures of all domains, in the wordings of both sets of questions."""
    rng, out = np.random.default_rng(0), []
    for i in range(PICTURES):
        drawn = sample(i, seed=11, split="test", questions=6)
        scene = drawn.picture.scene
        out += [(qa.kind, qa.question, qa.answer, scene) for qa in drawn.questions]
        for language in ("en", "ko"):
            conversations = SceneQuestions(scene, rng, language).draw(6) if drawn.picture.domain == "things" else []
            out += [(c.kind, *c.turns[0], scene) for c in conversations]
    return out


def test_right_answers_are_never_contradicted(asked):
    wrong = [(q, a, c.found) for _, q, a, scene in asked for c in contradictions(claims_of(q, a, [scene]))]
    assert not wrong, wrong
    verdicts = Counter(
        c.verdict for kind, q, a, scene in asked if kind in ("count", "colour") for c in claims_of(q, a, [scene])
    )
    assert verdicts["supported"] > 2 * verdicts["not found"], verdicts


def test_wrong_answers_are_contradicted(asked):
    other = {"yes": "no", "Yes": "No", "네": "아니요"}
    denied = [(q, other[a], s) for kind, q, a, s in asked if kind == "exists" and a in other and '"' not in q]
    counts = [(q, str(int(a) + 3), s) for kind, q, a, s in asked if kind == "count" and a.isdigit() and a != "0"]
    counts = [(q, a, s) for q, a, s in counts if s.objects and claims_of(q, a, [s])]
    for made, least in ((denied, 0.6), (counts, 0.6)):
        found = [bool(contradictions(claims_of(q, a, [s]))) for q, a, s in made]
        assert len(found) > 10 and np.mean(found) >= least, (len(found), np.mean(found))
