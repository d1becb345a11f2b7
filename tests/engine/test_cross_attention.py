"""A model with gated cross-attention answers in the engine as `generate` does: alone, beside others, in chunks, from
the caches."""

import queue

import numpy as np
import pytest
import torch
from PIL import Image
from tests.families import language, vision

from nunbit.assistant import Assistant
from nunbit.engine.sampling import SamplingParams
from nunbit.engine.scheduler import Engine, RequestOutput
from nunbit.messages import assistant, question, user
from nunbit.models.build import GATED, build_model

TOKENS = 24
SIZES = {
    "every": 2,
    "heads": 2,
    "head_dim": 8,
    "latents": 5,
    "resampler_depth": 1,
    "resampler_heads": 2,
    "resampler_head_dim": 8,
}


def composed(root, only_last):
    """A random model with open gates."""
    torch.manual_seed(3)
    options = SIZES | {"only_last": only_last}
    model, processor = build_model(
        vision("clip", root / "v"), language("qwen3", root / "l"), connector=GATED, options=options
    )
    for p in model.model.language_model.parameters():
        if p.ndim == 2:
            torch.nn.init.normal_(p, std=0.3)
    for block in model.connector.blocks.values():
        torch.nn.init.constant_(block.attention_gate, 3.0)
        torch.nn.init.constant_(block.feed_forward_gate, 0.5)
        torch.nn.init.normal_(block.attention.out_proj.weight, std=1.0)
    model.generation_config.eos_token_id = None
    return Assistant.from_loaded(model, processor)


def picture(seed):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 255, (40, 60, 3), dtype=np.uint8))


ASKED = [
    question("What color is the circle?", [picture(1)]),
    question("What is left of the star? Name it.", [picture(2), picture(3), picture(4)]),
    question("Say something."),
    question("What color is the circle?", [picture(5)]),
    [*question("What is it?", [picture(1)]), assistant("A cat."), user("What color is it?")],
    question("그림에 무엇이 있나요?", [picture(2), picture(1)]),
]


@pytest.fixture(scope="module", params=[True, False], ids=["last picture", "all pictures"])
def seeing(request, tmp_path_factory):
    return composed(tmp_path_factory.mktemp("gated"), request.param)


@pytest.fixture
def engine(seeing):
    made = Engine(seeing.model, seeing.processor, slots=4, length=256, chunk=6)
    yield made
    made.close(5)


def ask_all(engine, asked):
    boxes = [queue.SimpleQueue() for _ in asked]
    jobs = [engine.submit(m, SamplingParams(max_tokens=TOKENS), box.put) for m, box in zip(asked, boxes, strict=True)]
    return jobs, boxes


def ids_of(box):
    while not isinstance(event := box.get(timeout=60), RequestOutput):
        pass
    return event.finish, [t.token for t in event.tokens]


def test_alone_beside_others_and_from_the_caches(seeing, engine):
    wanted = [("length", [*seeing.generate(m, max_new_tokens=TOKENS).ids]) for m in ASKED]
    assert wanted[0] != wanted[3], "the pictures do not show in the answers: the test proves nothing"
    assert [
        (r.finish, [t.token for t in r.tokens])
        for r in (engine.ask(m, SamplingParams(max_tokens=TOKENS)) for m in ASKED)
    ] == wanted
    for _ in range(2):  # prompts in six-token pieces between the steps of others; with prefixes
        assert [ids_of(box) for box in ask_all(engine, ASKED)[1]] == wanted
    assert engine.stats.rows > engine.stats.steps and engine.stats.cached_tokens and engine.runner.features.hits
    assert not engine.stats.errors


def test_neighbours_that_leave_change_nothing(seeing, engine):
    wanted = {i: ("length", [*seeing.generate(m, max_new_tokens=TOKENS).ids]) for i, m in enumerate(ASKED)}
    for stay in (1, 5):
        jobs, boxes = ask_all(engine, ASKED)
        for i, job in enumerate(jobs):
            if i != stay:
                job.cancel()
        assert ids_of(boxes[stay]) == wanted[stay]


def test_vectors_of_text_are_made_while_answers_are(seeing, engine):
    """The connector holds what the running pass looks at: another thread's text must not see it, nor disturb it."""
    wanted, alone = (
        ("length", [*seeing.generate(ASKED[1], max_new_tokens=TOKENS).ids]),
        engine.runner.text_vector("a cat")[0],
    )
    for _ in range(3):
        _, (box,) = ask_all(engine, ASKED[1:2])
        beside = [engine.runner.text_vector("a cat")[0] for _ in range(20)]
        assert ids_of(box) == wanted
        assert all(torch.equal(v, alone) for v in beside)
