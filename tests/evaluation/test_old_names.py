"""Result files of earlier versions open under the names of today."""

import pytest

from nunbit.evaluation import tiny_world
from nunbit.evaluation.old_names import CURRENT_KEYS, with_current_keys


def test_keys_are_renamed_at_any_depth_and_values_stay():
    old = {"rows": [{"arm": "plain", "gain": {"points": 1.5}, "asked": 7}], "sight": 0.33, "title": "arm"}
    assert with_current_keys(old) == {
        "rows": [{"variant": "plain", "gain": {"points": 1.5}, "eval_questions": 7}],
        "image_scale": 0.33,
        "title": "arm",
    }


def test_a_current_key_wins_over_its_old_name():
    assert with_current_keys({"variant": "new", "arm": "old"}) == {"variant": "new"}
    assert with_current_keys({"arm": "old", "variant": "new"}) == {"variant": "new"}


@pytest.mark.parametrize("key", CURRENT_KEYS)
def test_no_current_key_is_an_old_one(key):
    assert CURRENT_KEYS[key] not in CURRENT_KEYS


def test_a_tiny_world_result_of_an_earlier_version_is_shown():
    row = {"n": 10, "right": 0.5, "interval": [0.4, 0.6], "blanked": 0.125, "usual": 0.25}
    old = {"benchmark": "tiny-world", "seed": 0, "questions": 10, "tables": {"all": {"all": row}}}
    text = tiny_world.as_text(with_current_keys(old))
    assert "12.5%" in text and "25.0%" in text
