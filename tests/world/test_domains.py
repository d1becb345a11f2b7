"""Every domain: whole, repeatable pictures whose questions agree with each other."""

from collections import Counter

import numpy as np
import pytest

from nunbit.evaluation.matching import is_right
from nunbit.world import DOMAINS, KINDS
from nunbit.world.base import SIZE_PX, generator

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
