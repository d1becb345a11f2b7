"""A provider that is built at its first use, clipped boxes, and errors as one line."""

from __future__ import annotations

import threading

import pytest
from tests.perception.parts import WHITE, Fixed, boxes

from nunbit.perception.base import Lazy, clip_objects, covered_parts, reason_of


def test_a_lazy_provider_is_built_once_at_its_first_use():
    built = []
    lazy = Lazy(lambda: built.append(1) or Fixed("fixed"))
    assert not built
    threads = [threading.Thread(target=lambda: lazy([WHITE])) for _ in range(4)]
    [t.start() for t in threads], [t.join() for t in threads]
    assert built == [1] and lazy.name == "fixed" and lazy.covers == covered_parts(Fixed("x")) == ()


def test_a_build_that_failed_is_not_tried_again():
    built = []
    lazy = Lazy(lambda: built.append(1) or 1 / 0)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            lazy([WHITE])
    assert built == [1]


def test_boxes_are_cut_at_the_edges():
    found = clip_objects(boxes(("a", (-5, -5, 10, 10)), ("b", (50, 0, 60, 9)), ("c", (30, 20, 99, 99))), 40, 30)
    assert [(o.name, o.box) for o in found] == [("a", (0, 0, 10, 10)), ("c", (30, 20, 40, 30))]


def test_an_error_is_one_short_line():
    assert reason_of(RuntimeError("first\nsecond")) == "RuntimeError: first"
    assert reason_of(ValueError()) == "ValueError: no message" and len(reason_of(OSError("x" * 999))) == 300
