"""What 8-bit linear layers change in answers."""

import pytest

from nunbit.errors import UserError
from nunbit.evaluation import precision
from nunbit.evaluation.tiny_world import items


def test_int8_is_measured_on_the_embedded_model():
    from nunbit.assistant import Assistant

    try:
        result = precision.run(Assistant(), seed=3, limit=14)
    except UserError as e:
        pytest.skip(str(e))
    assert result["questions"] == 14 and result["layers"] > 20 and 0 < result["float32"] <= 1


def test_what_int8_changes_is_counted_on_the_same_items():
    todo = items(1, 20)
    full = [t.qa.answer for t in todo]
    small = ["nothing of the kind"] * 2 + full[2:]
    result = precision.report(todo, full, small, 1)
    assert result["float32"] == 1 and result["int8"] == result["float32"] - 0.1
    assert (result["only_float32"], result["only_int8"], result["other_words"]) == (2, 0, 0.1)
    assert result["difference"] == pytest.approx(-0.1) and not result["within_bound"]
    assert precision.report(todo, full, full, 1)["within_bound"]
    assert "-10.00 points" in precision.as_text(result | {"layers": 3})
