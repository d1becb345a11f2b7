"""The embedded model, and the same for small pictures."""

import pytest

from nunbit.assistant import Assistant
from nunbit.models.resize import for_small_pictures
from nunbit.world import rules


@pytest.fixture(scope="session")
def shipped_pair():
    held = Assistant()
    return held.model, held.processor


@pytest.fixture(scope="session")
def small(shipped_pair):
    return for_small_pictures(*shipped_pair, rules.SIDE_PX)
