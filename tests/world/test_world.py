"""World pictures: the same seed draws the same picture, scenes are valid, and answers follow from the scene alone."""

import time
from collections import Counter

import numpy as np
import pytest

from nunbit.evaluation.matching import is_right
from nunbit.world import DOMAINS, KINDS, things
from nunbit.world.base import COLOURS, SIZE_PX, generator
from nunbit.world.puzzles import solved_board
from nunbit.world.samples import sample

LANGUAGES = ("en", "ko")


def drawn(domain, count, split="train", seed=0):
    for i in range(count):
        rng = generator(seed, i, split)
        yield DOMAINS[domain].draw(rng, split), rng


@pytest.mark.parametrize("domain", [*DOMAINS])
def test_pictures_are_whole_and_repeatable(domain):
    for (a, r1), (b, r2) in zip(drawn(domain, 40), drawn(domain, 40), strict=True):
        assert a.pixels.dtype == np.uint8 and a.pixels.shape == (SIZE_PX, SIZE_PX, 3)
        assert np.array_equal(a.pixels, b.pixels)
        a.scene.validate()
        for language in LANGUAGES:
            asked = DOMAINS[domain].make_questions(a, r1, language)
            assert asked == DOMAINS[domain].make_questions(b, r2, language)
            assert asked and all(q.kind in KINDS and q.answer and q.language == language for q in asked)
            assert all(is_right(q.answer, [q.answer]) for q in asked)


@pytest.mark.parametrize("domain", [*DOMAINS])
def test_no_answer_contradicts_another(domain):
    """The same question about the same picture has one answer."""
    for picture, rng in drawn(domain, 60):
        for language in LANGUAGES:
            seen = {}
            for _ in range(4):
                for q in DOMAINS[domain].make_questions(picture, rng, language):
                    assert seen.setdefault(q.question, q.answer) == q.answer


@pytest.mark.parametrize("language", LANGUAGES)
def test_yes_and_no_are_both_common(language):
    answers = Counter(
        q.answer
        for d in DOMAINS
        for p, r in drawn(d, 120)
        for q in DOMAINS[d].make_questions(p, r, language)
        if q.kind == "exists"
    )
    yes, no = answers["yes" if language == "en" else "네"], answers["no" if language == "en" else "아니요"]
    assert set(answers) <= {"yes", "no", "네", "아니요"} and 0.3 < yes / (yes + no) < 0.7


def test_things_truth_is_the_pixels():
    for picture, rng in drawn("things", 60):
        scene = picture.scene
        for o in scene.objects:
            ys, xs = np.nonzero(scene.segment_map == o.segment)
            x1, y1, x2, y2 = o.box
            assert len(xs) and xs.min() >= x1 and xs.max() < x2 and ys.min() >= y1 and ys.max() < y2
        for q in things.make_questions(picture, rng, "en"):
            if q.question.startswith("How many things"):
                assert q.answer == str(len(scene.objects))
            if q.question.startswith("What colo"):
                name = q.question.split(" the ")[1].rstrip("?")
                (o,) = [o for o in scene.objects if o.name == name]
                seen = picture.pixels[scene.segment_map == o.segment].astype(int).mean(0)
                nearest = min(COLOURS, key=lambda c: np.abs(np.array(COLOURS[c][1]) - seen).sum())
                assert nearest == q.answer


def test_written_characters_are_the_truth_in_order():
    for domain in ("writing", "documents", "charts"):
        for picture, _ in drawn(domain, 60):
            written = "".join(t.text for t in picture.scene.text_lines)
            assert "".join(g.char for g in picture.glyphs) == written
            if domain != "charts":
                for g in (g for g in picture.glyphs if g.char != " "):
                    x1, y1, x2, y2 = (round(v) for v in g.box)
                    assert picture.pixels[max(0, y1) : y2, max(0, x1) : x2].reshape(-1, 3).std() > 5, (
                        "no ink under a character"
                    )


def test_receipts_add_up():
    for picture, rng in drawn("documents", 200):
        doc = picture.scene.meta["doc"]
        if doc["type"] == "receipt":
            assert sum(p for _, p in doc["rows"]) == doc["total"]
            cheapest = [q.answer for q in DOMAINS["documents"].make_questions(picture, rng, "en") if q.kind == "order"]
            assert cheapest == [min(doc["rows"], key=lambda r: r[1])[0]]


def test_sudoku_boards_are_valid():
    rng = np.random.default_rng(0)
    for n in (4, 9):
        k, full = int(n**0.5), set(range(1, n + 1))
        for _ in range(30):
            b = solved_board(rng, n)
            assert all(set(b[i]) == full and set(b[:, i]) == full for i in range(n))
            assert all(set(b[r : r + k, c : c + k].ravel()) == full for r in range(0, n, k) for c in range(0, n, k))


def test_panels_order_names_each_panel_once():
    for picture, _ in drawn("panels", 60):
        facts = picture.scene.meta["panels"]
        assert sorted(facts["order"]) == list("ABCDE")[: len(facts["steps"])]
        assert [facts["steps"]["ABCDE".index(x)] for x in facts["order"]] == sorted(facts["steps"])


def test_splits_never_meet_and_the_unseen_style_stays_unseen():
    assert all(
        things.UNSEEN_STYLE not in p.scene.meta["style"] for s in ("train", "test") for p, _ in drawn("things", 60, s)
    )
    assert all(p.scene.meta["style"] == [things.UNSEEN_STYLE] for p, _ in drawn("things", 20, "unseen"))
    a, b = (sample(3, seed=5, split=s).picture.pixels for s in ("train", "test"))
    assert not np.array_equal(a, b)


def test_speed():
    """The aim is 300 a second on a core to itself; half of that is asked for on a shared one."""
    for i in range(300):
        sample(i, questions=0, korean=0)
    start = time.process_time()
    for i in range(300, 600):
        sample(i, questions=0, korean=0)
    assert 300 / (time.process_time() - start) > 100
