"""A registry takes a name once, and only exact names."""

import pytest

from nunbit.registry import Registry


def test_a_name_registers_once():
    names: Registry[int] = Registry("number")
    names.register("one")(1)
    assert "one" in names and "On" not in names and len(names) == 1
    with pytest.raises(AssertionError, match="twice"):
        names.register("one")(2)
