"""Training conversations are of three strategies, and the study runs."""

import pytest

from nunbit.errors import UserError
from nunbit.prompting.chain_of_thought import ANSWER, CONCLUDE, THINK
from nunbit.studies import chain_of_thought


def test_training_conversations_are_of_three_ways():
    for number, way in ((0, "direct"), (3, "zero-shot-cot"), (6, "cot")):
        talk = chain_of_thought.conversation(number, 0)
        language = "ko" if any("가" <= c <= "힣" for c in talk[-2].text) else "en"
        assert sum(len(m.images) for m in talk) == 1 and talk[-1].role == "assistant"
        assert (ANSWER[language] in talk[1].text) is (way != "direct")
        if way == "zero-shot-cot":
            assert (
                THINK[language] in talk[0].text and talk[2].text == CONCLUDE[language] and talk[3].text in talk[1].text
            )
        assert len(talk) == {"direct": 2, "zero-shot-cot": 4, "cot": 6}[way]


def test_the_chain_of_thought_study_runs(tmp_path):
    plan = chain_of_thought.ChainOfThoughtConfig(steps=1, batch=2, seeds=1, eval_questions=3)
    result = chain_of_thought.run(plan, tmp_path, say=lambda _: None)
    assert [(r["variant"], r["strategy"]) for r in result["rows"]] == [
        (a, w) for a in chain_of_thought.VARIANTS for w in chain_of_thought.STRATEGIES
    ]
    assert all((r["gain"] is None) is (r["strategy"] == "direct") for r in result["rows"])
    assert "cot" in chain_of_thought.as_text(result) and "<svg" in (tmp_path / "chain.html").read_text()
    with pytest.raises(UserError, match="tought"):
        chain_of_thought.run(chain_of_thought.ChainOfThoughtConfig(variants=("tought",)), tmp_path)
