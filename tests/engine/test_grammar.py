"""Answers of a given form: objects that end, and spaces and Hangul with the tokenizer of the embedded model."""

import json
import re
import unicodedata
from importlib.resources import files

import pytest
import torch
from transformers import AutoTokenizer

from nunbit.engine.grammar import Grammars, closed, hangul_parts

pytest.importorskip("llguidance")


@pytest.fixture(scope="module")
def own():
    return AutoTokenizer.from_pretrained(str(files("nunbit") / "models" / "weights" / "nunbit-tiny"))


@pytest.fixture(scope="module")
def grammars(own):
    return Grammars(own, len(own))


def written(grammars, own, grammar, seed):
    """An answer of random logits that the grammar holds."""
    matcher, ids, random = grammars.matcher(grammar), [], torch.Generator().manual_seed(seed)
    for _ in range(60):
        token = int(matcher.mask(torch.randn(len(own), generator=random)).argmax())
        if token == own.eos_token_id:
            return unicodedata.normalize("NFC", own.decode(ids))
        matcher.take(token)
        ids.append(token)
    raise AssertionError(f"an answer without an end: {own.decode(ids)}")


def schema_of(values):
    return ("json", json.dumps({"type": "object", "properties": {"a b": {"enum": values}}, "required": ["a b"]}))


@pytest.mark.parametrize("values", [["red car", "blue car"], ["고양이", "강아지"], ["각", "가 나"], [1, None]])
def test_schemas_with_spaces_and_hangul(grammars, own, values):
    said = {written(grammars, own, schema_of(values), seed) for seed in range(4)}
    assert all(json.loads(text)["a b"] in values and set(json.loads(text)) == {"a b"} for text in said)


@pytest.mark.parametrize("pattern", ["The answer is (A|B)", "(고양이|강아지) 두 마리", "[가-힣] [가-힣]"])
def test_patterns_with_spaces_and_hangul(grammars, own, pattern):
    for seed in range(4):
        assert re.fullmatch(pattern, written(grammars, own, ("regex", pattern), seed))


def test_objects_are_closed_unless_they_say_otherwise():
    person = {"type": "object", "properties": {"name": {"type": "string"}}}
    made = closed({"type": "object", "properties": {"a": {"type": "array", "items": person}}})
    assert made["additionalProperties"] is False and made["properties"]["a"]["items"]["additionalProperties"] is False
    for open_one in ({"type": "object"}, person | {"additionalProperties": True}, person | {"allOf": [{}]}):
        assert closed(open_one) == open_one
    values = {"enum": [{"properties": {"x": 1}}]}
    assert closed(values) == values


def test_hangul_in_parts():
    assert hangul_parts("각") == "\u1100\u1161\u11a8" and "가" not in hangul_parts("[가-힣]+")
