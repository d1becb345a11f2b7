"""Claims as JSON and in words."""

import json

import pytest
from tests.evidence.scenes import scene
from tests.evidence.test_answers import TABLE

from nunbit.errors import UserError
from nunbit.evidence import all_evidence, claims_of, contradictions, from_json, to_json
from nunbit.evidence.wording import contradiction, lines_of, report


@pytest.mark.parametrize(("question", "answer", "expected"), TABLE, ids=lambda v: str(v)[:40])
def test_round_trip(question, answer, expected):
    claims = claims_of(question, answer, [scene()])
    data = json.loads(json.dumps(to_json(claims)))
    assert from_json(data) == claims and to_json(from_json(data)) == data
    assert "does not prove" in data["about"]


def test_evidence_is_listed_once():
    claims = claims_of("Describe.", "Two dogs. The dogs are left of the cat. A dog.", [scene()])
    ids = [e.id for e in all_evidence(claims)]
    assert len(ids) == len(set(ids)) and len(to_json(claims)["evidence"]) == len(ids)


@pytest.mark.parametrize(
    "data",
    [
        "{",
        [],
        {},
        {"format": "other", "claims": [], "evidence": []},
        {"format": "nunbit.evidence/1", "claims": [{"kind": "count"}], "evidence": []},
    ],
)
def test_another_form_is_refused(data):
    with pytest.raises(UserError):
        from_json(data)


@pytest.mark.parametrize(("question", "answer", "expected"), TABLE, ids=lambda v: str(v)[:40])
def test_every_contradiction_has_a_sentence_in_both_languages(question, answer, expected):
    claims = claims_of(question, answer, [scene()])
    for claim in contradictions(claims):
        english, korean = contradiction(claim, "en"), contradiction(claim, "ko")
        assert english.isascii() or not claim.text.isascii()
        assert "do not agree" in english and "다릅니다" in korean and "\n" not in english + korean
    assert len(report(claims)["contradictions"]) == len(contradictions(claims))


def test_sentences():
    def said(question, answer):
        [claim] = contradictions(claims_of(question, answer, [scene()]))
        return contradiction(claim, "en"), contradiction(claim, "ko")

    assert "says no dog, perception finds a dog (90 %)" in said("Is there a dog?", "No")[0]
    assert "3 dogs, perception finds 2" in said("How many dogs are there?", "3")[0]
    assert "개 3마리라고 하고, 이미지에서는 2마리가 보입니다" in said("How many dogs are there?", "3")[1]
    assert "고양이가 파란색이라고 하고, 이미지에서는 빨간색으로" in said("What color is the cat?", "blue")[1]


def test_lines():
    claims = claims_of("Describe.", "Two dogs and a zebra, no cat.", [scene()])
    english, korean = lines_of(claims, "en"), lines_of(claims, "ko", pictures=2)
    assert english[0].startswith('1. "Two dogs": supported: dog 90 % [10, 20, 80, 90]')
    assert "not found in the picture" in english[1] and "CONTRADICTED" in english[2]
    assert "개 90 %" in korean[0] and "이미지 1" in korean[0]


def test_a_relation_is_told_apart_from_the_name_and_nothing_is_related_to_itself():
    one = claims_of("What is in the dog?", "a dog", [scene()])
    assert [c.kind for c in one] == ["existence"]
    lines = lines_of(claims_of("What is left of the cat?", "a dog", [scene()]), "en")
    assert len(set(lines)) == len(lines) and any("(left of the cat)" in line for line in lines)
