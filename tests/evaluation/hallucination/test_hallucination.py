"""Hallucination on exact pictures: the liar, POPE from Scenes, CHAIR with coverage, consistency, and the whole run."""

from collections import Counter

import numpy as np
import pytest

from nunbit.evaluation.hallucination import pictures
from nunbit.evaluation.hallucination import verify as evaluation
from nunbit.evaluation.hallucination.claims import ClaimCounts, exact_checks, kept
from nunbit.evaluation.hallucination.consistency import consistency, painted_over, triples
from nunbit.evaluation.hallucination.lying import answer_about, is_there
from nunbit.evaluation.hallucination.pope import pope_figures, pope_items
from nunbit.scene import Scene, SceneObject
from nunbit.world.names import korean


@pytest.fixture(scope="module")
def drawings():
    return pictures.drawings(24)


def of(*names):
    return Scene(100, 100, [SceneObject(n, (10 * i, 10, 10 * i + 9, 30)) for i, n in enumerate(names)])


def test_the_liar_lies_at_its_rate_and_is_caught(drawings):
    pool = sorted({o.name for p in drawings for o in p.scene.objects})
    for rate in (0.0, 0.5):
        rng, lies, said, caught, blamed = np.random.default_rng(1), 0, 0, 0, 0
        for p in drawings:
            text, statements = answer_about(p.scene, rng, p.language, rate, pool)
            asked = evaluation.DESCRIBE[p.language]
            failing = {c.sentence for c in exact_checks(asked, text, p.scene) if c.holds == "no"}
            lies, said = lies + sum(t.lie for t in statements), said + len(statements)
            caught += sum(t.lie for i, t in enumerate(statements) if i in failing)
            blamed += sum(not t.lie for i, t in enumerate(statements) if i in failing)
        assert said > 60 and blamed == 0
        assert lies == 0 if rate == 0 else 0.3 * said < lies < 0.65 * said and caught >= 0.95 * lies, (caught, lies)


def test_pope_is_balanced_and_each_kind_is_what_its_name_says():
    scenes = [of("dog", "cat"), of("dog", "cat"), of("dog", "car"), of("dog", "cat", "tree"), of("boat")]
    items = pope_items(scenes, ["en", "en", "en", "en", "ko"])
    for kind in ("random", "popular", "adversarial"):
        part = [i for i in items if i.categories["category"] == (kind,)]
        assert Counter(i.gold[0] for i in part) == {"yes": len(part) // 2, "no": len(part) // 2}
        for number, scene in enumerate(scenes):
            asked = [i.question for i in part if i.group == str(number)]
            assert len(asked) == len(set(asked)), "nothing twice about one picture"
            names = {o.name for o in scene.objects}
            for item in (i for i in part if i.group == str(number)):
                named = [
                    n for n in ("dog", "cat", "car", "tree", "boat") if n in item.question or korean(n) in item.question
                ]
                assert (item.gold == ("yes",)) == bool(names & set(named))
    first = {k: [i.question for i in items if i.id.startswith(f"{k}/2/")] for k in ("popular", "adversarial")}
    assert "Is there a cat in the image?" in first["popular"] and "Is there a cat in the image?" in first["adversarial"]
    assert items[-1].question.startswith("이미지에 ") and items[-1].question.endswith(" 있나요?")


def test_a_thing_that_is_also_called_so_is_no_absence():
    taxi = of("taxi")
    assert is_there("car", taxi) and not is_there("dog", taxi)
    scenes = [taxi, of("car"), of("car"), of("dog")]
    asked = [i for i in pope_items(scenes, ["en"] * 4) if i.group == "0" and i.gold == ("no",)]
    assert asked and not any(" car " in i.question for i in asked)


def test_popes_figures_are_the_benchmarks():
    items = pope_items([of("dog", "cat"), of("car", "tree")], ["en", "en"])
    right = pope_figures(items, [i.gold[0] for i in items])
    assert (right["F1"], right["accuracy"], right["yes ratio"], right["unparsed"]) == (100, 100, 50, 0)
    always = pope_figures(items, ["Yes." for _ in items])
    assert always["recall"] == 100 and always["precision"] == 50 and always["random yes ratio"] == 100
    assert pope_figures(items, ["hm" for _ in items])["unparsed"] == 100


def test_chair_stands_beside_coverage():
    scene, counts = of("dog", "cat"), ClaimCounts()
    asked = "What is in the picture?"
    for text in ("A dog.", "A dog, a cat and a zebra."):
        counts.add(text, exact_checks(asked, text, scene), scene)
    found = counts.figures()
    assert found["CHAIRi"] == pytest.approx(25) and found["CHAIRs"] == 50 and found["recall of objects"] == 75
    before, after = (exact_checks(asked, t, scene) for t in ("A dog, a cat and a zebra.", "There is a cat."))
    assert kept(before, after) == (1, 2)


def test_a_thing_is_painted_over_and_nothing_else(drawings):
    made = triples(drawings)
    assert len(made) > 4
    for t in made[:6]:
        changed = (t.edited != t.picture.pixels).any(-1)
        [number] = [i for i, o in enumerate(t.picture.scene.objects) if o.name == t.name]
        scene = t.picture.scene
        assert changed.any()
        others = [s.id for s in scene.segments if s.thing and s.id != scene.objects[number].segment]
        assert not changed[np.isin(scene.segment_map, others)].any()
    bare = of("dog")
    assert painted_over(np.zeros((100, 100, 3), np.uint8), bare, 0) is None, "it has no mask"
    assert consistency([("yes", "no", "no"), ("Yes.", "yes", "I see none")])["all three"] == 50


def test_the_run_shows_the_liar_better_and_whole(drawings, monkeypatch):
    monkeypatch.setattr(evaluation, "exact_pictures", lambda many, say: drawings[:12])
    exact = {p.pixels.tobytes(): p.scene for p in drawings}

    def perceive(images):
        return [exact[np.asarray(i).tobytes()] for i in images]

    found = evaluation.run(perceive, lambda asked: ["no" for _ in asked], pictures=12, rate=0.4)
    liar = found["liar"]["drawing, exact Scene"]
    assert liar["before"]["precision"] < 90 and liar["after"]["precision"] > 97 and liar["coverage kept"] >= 95
    assert found["pope"]["drawing, model"]["before"]["yes ratio"] == 0
    assert found["consistency"]["edited"] == 100 and found["consistency"]["all three"] == 0
    text = evaluation.as_text(found)
    assert "liar, drawing, exact Scene" in text and "adversarial" in text and "consistency" in text
