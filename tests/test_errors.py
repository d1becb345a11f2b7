"""UserError: what was given, what is allowed, what to do, and the nearest name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nunbit.errors import UserError, unknown_name
from nunbit.registry import Registry


def test_errors_say_what_to_do():
    error = str(unknown_name("recipe", "tinny", ["tiny", "llava15"]))
    assert "unknown recipe 'tinny'" in error and "llava15, tiny" in error and "Did you mean 'tiny'?" in error
    names: Registry[int] = Registry("number")
    names.register("one")(1)
    assert names["one"] == 1 and list(names) == ["one"]
    with pytest.raises(UserError, match="unknown number 'on'"):
        names["on"]


@given(st.sampled_from(["gated_cross_attention", "pixel_shuffle", "perceiver"]), st.data())
def test_a_name_with_one_letter_lost_finds_its_neighbour(name, data):
    at = data.draw(st.integers(0, len(name) - 1))
    typo = name[:at] + name[at + 1 :]
    assert f"Did you mean '{name}'?" in str(
        unknown_name("connector", typo, ["gated_cross_attention", "pixel_shuffle", "perceiver"])
    )


def test_errors_without_a_neighbour_or_choices():
    assert "Did you mean" not in str(unknown_name("recipe", "zzzz", ["tiny"]))
    assert "none is registered" in str(unknown_name("recipe", "tiny", []))
    error = UserError("it broke.", allowed="a, b.", todo="try again.")
    assert str(error) == "it broke. Allowed: a, b. Try again."
    assert (error.given, error.allowed, error.todo) == ("it broke.", "a, b.", "try again.")
