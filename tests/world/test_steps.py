"""Questions that take several steps."""

import re

import pytest

from nunbit.world import steps, things

LANGUAGES = ("en", "ko")


@pytest.mark.parametrize("language", LANGUAGES)
def test_worked_solutions_end_in_the_answer_that_the_scene_gives(language):
    for i in range(24):
        s = steps.draw(i, 0, "test", language)
        w = s.worked
        assert w.kind == steps.KINDS[i % 3] and w.language == language and w.question.endswith("?")
        if w.kind == "sum":
            assert w.reasoning.endswith(f"= {w.answer}.")
            first, second, both = (
                int(re.sub(r"\D", "", v)) for v in re.search(r"(\S+) \+ (\S+) = (\S+)\.$", w.reasoning).groups()
            )
            assert first + second == both
            continue
        counts = {
            n: sum(o.name == n for o in s.picture.scene.objects) for n in {o.name for o in s.picture.scene.objects}
        }
        told = {
            n: c
            for n, c in counts.items()
            if (things.names()[n][1] if language == "ko" else things.names()[n][0]) in w.question
        }
        assert len(told) >= 2
        if w.kind == "difference":
            assert int(w.answer) in {
                a - b for a in told.values() for b in told.values() if a > b
            } and w.reasoning.endswith(f"= {w.answer}.")
        else:
            assert max(told.values()) in {c for n, c in told.items() if w.answer in things.names()[n]}
