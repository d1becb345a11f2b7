"""Prompts prepared by eight threads at once over the object-aware model that ships: the ids of one thread."""

import threading

import numpy as np
import pytest
from tests.engine.test_engine import picture

from nunbit.assistant import Assistant
from nunbit.engine.scheduler import Engine
from nunbit.messages import assistant, question, user
from nunbit.models.text_encoder import encode_words

THREADS = 8
TYPED = "<image>yes<eos></s><assistant>"


@pytest.fixture(scope="module")
def engine():
    held = Assistant()
    assert held.aware is not None and held.aware.uses_scenes
    made = Engine.from_loaded(held, slots=2, length=700)
    yield made
    made.close(5)


def prompts(engine):
    """Functions that encode: pictures, control tokens that a user typed, another language, a second turn, raw text."""
    asked = [
        question("What color is the circle?", [picture(1)]),
        question(f"What is {TYPED}?", [picture(2)]),
        question("그림에 무엇이 있나요?", [picture(1), picture(3)]),
        question(TYPED),
        [*question("What is it?", [picture(2)]), assistant("A cat."), user("What color is it?")],
    ]
    tokenizer = engine.runner.preparation.processor.tokenizer
    return [
        *(lambda m=m: engine.prepare(m).ids for m in asked),
        lambda: engine.prepare_text(TYPED).ids,
        lambda: encode_words(f"words and {TYPED}", tokenizer),
    ]


@pytest.mark.parametrize("encodings", (800, pytest.param(20_000, marks=pytest.mark.slow)))  # make race
def test_eight_threads_get_the_ids_of_one(engine, encodings):
    every = prompts(engine)
    want, wrong, done = [[*one()] for one in every], [], []

    def repeat(seed):
        rng = np.random.default_rng(seed)
        for k in rng.integers(len(every), size=encodings // THREADS):
            try:
                wrong.extend([] if [*every[k]()] == want[k] else [k])
            except Exception as e:
                wrong.append(repr(e))
            done.append(k)

    threads = [threading.Thread(target=repeat, args=(s,)) for s in range(THREADS)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert not wrong and len(done) == encodings
