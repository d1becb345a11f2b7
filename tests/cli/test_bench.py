"""nunbit bench: milliseconds to the first token, each picture its own."""

import numpy as np

from nunbit import assistant
from nunbit.assistant import Answer
from nunbit.cli.bench import WARM_UP_RUNS, as_text, measure_first_token


class Helper:
    name = "helper"

    def __init__(self, *where):
        self.pictures = []
        Helper.last = self

    def ask(self, messages, *, max_new_tokens):
        self.pictures.append(np.asarray(messages[0].images[0]).tobytes())
        return Answer("a", [900.0, 800.0, 100.0, 300.0, 200.0][len(self.pictures) - 1], max_new_tokens)


def test_warm_up_does_not_count_and_no_picture_comes_twice(monkeypatch):
    monkeypatch.setattr(assistant, "Assistant", Helper)
    result = measure_first_token(None, "cpu", 1, 3)
    assert result["median_ms"] == 200.0 and result["max_ms"] == 300.0
    assert len(set(Helper.last.pictures)) == 3 + WARM_UP_RUNS
    text = as_text(result)
    assert "median 200 ms" in text and "slowest 300 ms of 3" in text
    assert "voice" in text, "GPT-4o's 232 ms are its time to answer voice, and no figure for pictures"
