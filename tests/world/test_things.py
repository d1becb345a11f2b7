"""The things domain: every answer is worked out again here, from the segment map and the objects."""

import time
from collections import Counter

import numpy as np
import pytest

from nunbit.world import things
from nunbit.world.base import COLOURS, SIZE_PX, box_text, generator
from nunbit.world.wording import article, josa, listing


def drawn(count, split="train", seed=11):
    for i in range(count):
        rng = generator(seed, i, split)
        yield things.draw(rng, split), rng


def middle(o, axis):
    return (o.box[axis] + o.box[axis + 2]) / 2


def named(scene, name):
    (found,) = [o for o in scene.objects if o.name == name]
    return found


def test_a_seed_names_a_picture():
    for (a, _), (b, _) in zip(drawn(30), drawn(30), strict=True):
        assert np.array_equal(a.pixels, b.pixels) and a.scene.to_json() == b.scene.to_json()


@pytest.mark.parametrize("split", ["train", "test", "unseen"])
def test_segments_are_the_objects(split):
    for picture, _ in drawn(80, split):
        scene = picture.scene.validate()
        ids = set(np.unique(scene.segment_map).tolist()) - {0}
        assert ids == {o.segment for o in scene.objects} == {s.id for s in scene.segments}
        assert 1 <= len(scene.objects) <= 7
        for o in scene.objects:
            x1, y1, x2, y2 = o.box
            assert 0 <= x1 < x2 <= SIZE_PX and 0 <= y1 < y2 <= SIZE_PX
            ys, xs = np.nonzero(scene.segment_map == o.segment)
            assert x1 <= xs.min() and xs.max() < x2 and y1 <= ys.min() and ys.max() < y2


def test_a_lone_object_fills_its_box():
    """With nothing on top of it, the pixels of an object reach within 4 pixels of every side of its box."""
    alone = [p for p, _ in drawn(200) if len(p.scene.objects) == 1]
    assert len(alone) > 10
    for picture in alone:
        ys, xs = np.nonzero(picture.scene.segment_map)
        seen = (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1)
        assert np.abs(np.subtract(seen, picture.scene.objects[0].box)).max() <= 4


def test_relations_hold():
    for picture, _ in drawn(80):
        for r in picture.scene.relations:
            a, b = picture.scene.objects[r.subject], picture.scene.objects[r.object]
            axis = {"left of": 0, "above": 1}[r.predicate]
            assert a.box[axis + 2] <= b.box[axis]


def test_left_has_one_answer():
    """AnswerStore only when nothing else is even partly on that side."""
    asked = 0
    for picture, rng in drawn(600):
        for q in things.make_questions(picture, rng, "en"):
            if q.question.startswith("What is to the left of the "):
                asked += 1
                a = named(picture.scene, q.question.removeprefix("What is to the left of the ").rstrip("?"))
                lefts = [o.name for o in picture.scene.objects if o is not a and middle(o, 0) < middle(a, 0)]
                assert lefts == [q.answer]
    assert asked > 20


def test_answers_follow_from_the_scene():
    singular = {plural: name for name, (plural, _) in things.names().items()}
    checked: Counter[str] = Counter()
    for picture, rng in drawn(300):
        scene = picture.scene
        for q in things.make_questions(picture, rng, "en"):
            words = q.question.rstrip("?.")
            if words.startswith("How many ") and "things" not in words:
                assert q.answer == str(scene.count(singular[words[len("How many ") : -len(" are there")]]))
            elif words.startswith(("Where is the ", "Give the box of the ")):
                assert q.answer == box_text(named(scene, words.split(" the ", 1)[1].split("box of the ")[-1]).box)
            elif words.startswith("Is the ") and " to the " in words:
                a, rest = words.removeprefix("Is the ").split(" to the ")
                side, b = rest.split(" of the ")
                truth = middle(named(scene, a), 0) < middle(named(scene, b), 0)
                assert q.answer == ("yes" if truth == (side == "left") else "no")
            elif words.startswith("Which is larger"):
                a, b = (named(scene, n) for n in words.removeprefix("Which is larger, the ").split(" or the "))
                area = [(o.box[2] - o.box[0]) * (o.box[3] - o.box[1]) for o in (a, b)]
                assert q.answer == (a if area[0] > area[1] else b).name
            elif q.kind == "order":
                assert q.answer == ", ".join(o.name for o in sorted(scene.objects, key=lambda o: middle(o, 0)))
            elif q.kind == "describe":
                assert scene.captions == [q.answer]
            else:
                continue
            checked[q.kind] += 1
    assert (
        set(checked) == {"count", "locate", "relation", "compare", "order", "describe"} and min(checked.values()) > 10
    )


def test_both_languages_agree_on_numbers_and_boxes():
    for picture, _ in drawn(60):
        seeds = np.random.default_rng(3), np.random.default_rng(3)
        en, ko = (things.make_questions(picture, r, lang) for r, lang in zip(seeds, ("en", "ko"), strict=True))
        # The phrasings differ in number, so the draws may part ways; the boxes do not depend on them.
        boxes = [{q.answer for q in qs if q.answer.startswith("[")} for qs in (en, ko)]
        assert boxes[0] == boxes[1]
        assert all(not any("가" <= c <= "힣" for c in q.question + q.answer) for q in en)
        assert all(any("가" <= c <= "힣" for c in q.question) for q in ko)


def test_the_unseen_style_is_only_in_the_unseen_split():
    styles = {s: {n for p, _ in drawn(120, s) for n in p.scene.meta["style"]} for s in ("train", "test", "unseen")}
    assert styles["test"] == set(things.STYLES) and styles["train"] == {*things.STYLES, *things.MORE_STYLES}
    assert styles["unseen"] == {things.UNSEEN_STYLE}


def test_a_thing_that_a_style_lacks_is_drawn_in_another():
    lacking = 0
    for style in things.MORE_STYLES:
        for i in range(len(things.artwork_names())):
            _, alpha = things.artwork_tile(style, i, 32, False)
            assert (alpha > 0.5).sum() > 20 and max(alpha.shape) == 32
            lacking += any(np.array_equal(alpha, things.artwork_tile(s, i, 32, False)[1]) for s in things.STYLES)
    assert 50 < lacking < 2.5 * len(things.artwork_names())


def test_varied_artwork_keeps_its_size_and_its_ink():
    rng = np.random.default_rng(4)
    changed = 0
    for i in range(60):
        colour, alpha = things.artwork_tile(things.STYLES[i % 4], i, 48, False)
        other, mask = things.vary(rng, colour, alpha)
        assert other.shape[:2] == mask.shape[:2] and max(mask.shape) <= 60
        assert other.min() >= 0 and other.max() <= 255 and mask.min() >= 0 and mask.max() <= 1
        assert 0.4 < (mask > 0.5).sum() / (alpha > 0.5).sum() < 1.8
        changed += other.shape != colour.shape or not np.array_equal(other, colour)
    assert 40 < changed < 60


def test_names_are_all_different():
    korean = [ko for _, ko in things.names().values()]
    assert len(set(korean)) == len(korean) and len(things.artwork_names()) > 150
    assert set(things.SHAPES).isdisjoint(things.artwork_names())
    assert all(any("가" <= c <= "힣" for c in k) for k in korean)


def test_wording():
    assert [josa(w, "이/가") for w in ("곰", "개")] == ["곰이", "개가"]
    assert [josa(w, "으로/로") for w in ("곰", "개", "별")] == ["곰으로", "개로", "별로"]
    assert josa("집", "과/와") == "집과" and josa("소", "은/는") == "소는"
    assert (article("owl"), article("unicorn"), article("dog")) == ("an owl", "a unicorn", "a dog")
    assert listing(["a", "b", "c"], "en") == "a, b and c" and listing(["a", "b"], "ko") == "a, b"
    assert all(ko[-1] == "색" for ko, _ in COLOURS.values())


def test_speed():
    """The aim is 400 pictures a second on a core to itself; a shared one is asked for a quarter."""
    for _ in drawn(300):
        pass
    start = time.process_time()
    for _ in drawn(300):
        pass
    assert 300 / (time.process_time() - start) > 100
