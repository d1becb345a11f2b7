"""Crayon instructions name what is there."""

import numpy as np
from tests.models.object_aware.small import scene

from nunbit.data.crayon_instructions import instruction
from nunbit.scene import Scene


def test_instructions_name_what_is_there():
    forms = set()
    for seed in range(30):
        ask, answer = instruction(scene(2), np.random.default_rng(seed), "en" if seed % 2 else "ko")
        forms.add(ask)
        assert ("(#1 person)" in answer and "(#3 dog)" in answer) or answer in (
            "[0.00, 0.00, 0.50, 1.00]",
            "[0.50, 0.00, 1.00, 1.00]",
        )
        assert seed % 2 or any("가" <= c <= "힣" for c in ask)
    assert len(forms) == 8  # three forms, one of them for each of two names, in two languages
    assert instruction(Scene(4, 4), np.random.default_rng(0))[1] == "Nothing that is known."
