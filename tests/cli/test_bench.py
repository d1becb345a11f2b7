"""nunbit bench: milliseconds to the first token, each picture its own."""

import numpy as np
import pytest
from PIL import Image

from nunbit import assistant
from nunbit.assistant import Answer
from nunbit.cli.bench import ANSWER_TOKENS, WARM_UP_RUNS, as_text, measure_first_token


class Helper:
    name, aware = "helper", None

    def __init__(self, *where, precision=None):
        self.pictures = []
        Helper.last = self

    def ask(self, messages, *, max_new_tokens):
        self.pictures.append(np.asarray(messages[0].images[0]).tobytes())
        first = [900.0, 800.0, 100.0, 300.0, 200.0][len(self.pictures) - 1]
        return Answer("a", first, max_new_tokens, total_ms=first + 1000)


def test_warm_up_does_not_count_and_no_picture_comes_twice(monkeypatch):
    monkeypatch.setattr(assistant, "Assistant", Helper)
    result = measure_first_token(None, "cpu", 1, 3)
    assert result["median_ms"] == pytest.approx(200, abs=20) and result["max_ms"] == pytest.approx(300, abs=20)
    assert result["tokens_per_s"] == pytest.approx(ANSWER_TOKENS - 1) and result["peak_mb"] > 0
    assert len(set(Helper.last.pictures)) == 3 + WARM_UP_RUNS
    text = as_text(result)
    assert f"median {result['median_ms']:.0f} ms" in text and "ms of 3" in text and "tokens/s" in text
    assert "voice" in text, "GPT-4o's 232 ms are its time to answer voice, and no figure for pictures"


def test_a_picture_of_ones_own_is_turned_so_that_each_run_has_another(monkeypatch, tmp_path):
    monkeypatch.setattr(assistant, "Assistant", Helper)
    file = tmp_path / "own.png"
    Image.fromarray(np.random.default_rng(1).integers(0, 255, (30, 50, 3), dtype=np.uint8)).save(file)
    measure_first_token(None, "cpu", 1, 3, file)
    assert len(set(Helper.last.pictures)) == 3 + WARM_UP_RUNS
