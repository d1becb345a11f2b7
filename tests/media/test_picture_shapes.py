"""The small version of ``make picture-shapes``: extreme shapes cost little memory, or are refused with a sentence."""

import subprocess
import sys

import pytest
from tests.load.picture_shapes import ALWAYS, TYPES, shapes

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def test_there_are_two_hundred_different_shapes_and_five_types_of_models():
    made = shapes(200)
    assert len({*made}) == 200 and {(1, 1), (1, 16_000), (16_000, 16_000)} <= {*made} and made[: len(ALWAYS)]
    assert len(TYPES) >= 5


def test_extreme_shapes_are_answered_or_refused_within_the_bound():
    words = [sys.executable, "-W", "ignore", "-m", "tests.load.picture_shapes", "--shapes", "4"]
    done = subprocess.run([*words, "--types", "short-edge", "named parts"], capture_output=True, text=True, timeout=800)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    assert done.stdout.count("4 shapes") == 2 and "refused" in done.stdout
