"""The record of a verification, read from JSON of any shape."""

import copy
import json

import pytest
from tests.evidence.scenes import scene

from nunbit.errors import UserError
from nunbit.trust.trace import from_json
from nunbit.trust.woodpecker import verify

WRONG = (None, 5.5, [], {}, True, [None], float("nan"), 10**400, [[1]])


def places(value, way=()):
    """Ways to every value of a JSON object."""
    yield way
    inner = value.items() if isinstance(value, dict) else enumerate(value[:2]) if isinstance(value, list) else ()
    for key, held in inner:
        yield from places(held, (*way, key))


def test_json_of_another_shape_is_refused_or_can_be_written_again():
    found = scene()
    found.meta["perception"] = {"panoptic": {"status": "ok", "provider": "other"}}
    made = verify("What is there?", "Three dogs and a blue cat left of the person. A zebra.", [found]).to_json()
    assert from_json(copy.deepcopy(made)).to_json() == made
    refused = 0
    for way in [*places(made)][1:]:
        for wrong in WRONG:
            changed = copy.deepcopy(made)
            place = changed
            for key in way[:-1]:
                place = place[key]
            place[way[-1]] = wrong
            try:
                json.dumps(from_json(changed).to_json(), allow_nan=False)
            except UserError:
                refused += 1
    assert refused > 1200  # a text may not be a number, nor a number a list


@pytest.mark.parametrize("text", ["", "{", "[1]", "null", "5", "[" * 100_000, "9" * 5000])
def test_text_that_is_no_record_is_refused(text):
    with pytest.raises(UserError):
        from_json(text)
