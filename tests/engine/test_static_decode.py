"""Decode steps of fixed shapes and prompts read together answer as one request at a time does. A CUDA device replays
the same steps as graphs (`test_cuda.py`)."""

import pytest
import torch
from tests.engine.test_engine import ASKED, collect, drain

from nunbit.assistant import Assistant
from nunbit.engine.many import ask_all
from nunbit.engine.sampling import SamplingParams
from nunbit.engine.scheduler import Engine
from nunbit.engine.static_decode import StaticDecode
from nunbit.messages import question


@pytest.fixture(scope="module")
def reference():
    torch.manual_seed(0)
    return Assistant(object_aware=False)


@pytest.fixture(scope="module")
def wanted(reference):
    return [reference.generate(m, max_new_tokens=12).ids for m in ASKED]


def ids(results):
    return [tuple(t.token for t in r.tokens) for r in results]


def static_engine(reference, **options):
    given = {"slots": 5, "length": 600, "static": True, "background": False} | options
    return Engine(reference.model, reference.processor, **given)


def test_fixed_shapes_change_no_token(reference, wanted):
    engine = static_engine(reference)
    for _ in range(2):  # the second time from the caches
        assert ids(ask_all(engine, iter(ASKED), SamplingParams(max_tokens=12))) == wanted
    keys = engine.runner.cache.slots[0].keys
    assert engine.stats.rows > engine.stats.steps and keys.shape[2] == 600 and keys[:, :, 599].any()


def test_the_steps_read_buffers_that_stay(reference):
    engine = static_engine(reference)
    seen = []
    step = engine.runner.static.step

    def watched(held, at, upto):
        seen.append((held.data_ptr(), at.data_ptr(), len(held), upto))
        return step(held, at, upto)

    engine.runner.static.step = watched
    list(ask_all(engine, iter(ASKED), SamplingParams(max_tokens=12)))
    assert len({s[:2] for s in seen}) == 1 and {s[2:] for s in seen} <= set(engine.runner.static.shapes())
    assert len({s[2] for s in seen}) > 1


def test_shapes_hold_every_step():
    static = StaticDecode(lambda ids, at, upto: torch.zeros(len(ids), 7), 20, 1500, torch.device("cpu"))
    assert {r for r, _ in static.shapes()} == {1, 2, 4, 8, 16, 20} and {t for _, t in static.shapes()} == {
        256,
        512,
        1024,
        1500,
    }
    for rows in range(1, 21):
        for upto in (1, 256, 257, 1499, 1500):
            fitting = static.shape_of(rows, upto)
            assert fitting in static.shapes() and fitting[0] >= rows and fitting[1] >= upto
    assert static.warm_up() == 24 and static([1] * 3, [4] * 3).shape == (3, 7)
    assert static.held[1, :4].tolist() == [4, 4, 4, 1499]


@pytest.mark.parametrize("static", [False, True])
def test_prompts_are_read_together(reference, wanted, static, monkeypatch):
    engine = static_engine(reference, static=static, together=2000)
    sizes = []
    together = engine.runner.prefill_together

    def watched(slot, starts, embeds):
        sizes.append((len(embeds), max(starts)))
        return together(slot, starts, embeds)

    monkeypatch.setattr(engine.runner, "prefill_together", watched)
    for _ in range(2):  # the second time behind prefixes of many lengths
        flying = [collect(engine, m, SamplingParams(max_tokens=12)) for m in ASKED]
        engine.run_until(lambda: not engine._admitted)
        assert ids(drain(out)[1] for _, out in flying) == wanted
    assert max(n for n, _ in sizes) > 2 and any(start for _, start in sizes)


def test_one_that_fails_or_ends_at_once_leaves_the_others_of_its_pass(reference, wanted):
    engine = static_engine(reference, static=False, together=4000)
    first = [answer[0] for answer in wanted]
    at_once = {next(iter(engine.runner.end_ids)): 100.0}
    plans = [SamplingParams(max_tokens=12) if i != 1 else SamplingParams(bias=at_once) for i in range(4)]
    flying = [collect(engine, m, plan) for m, plan in zip(ASKED, plans, strict=False)]
    flying[2][0].failure = RuntimeError("encoder")
    engine.run_until(lambda: not engine._admitted)
    got = [drain(out)[1] for _, out in flying]
    assert got[2].finish.startswith("error") and len(got[1].tokens) == 1 and first
    assert ids([got[0], got[3]]) == [wanted[0], wanted[3]]


def test_a_model_that_is_conditioned_on_each_prompt_reads_them_one_by_one():
    aware = Assistant()
    engine = Engine.from_loaded(aware, slots=3, together=4000, static=True, background=False)
    connectors = bool(aware.aware and aware.aware.connectors)
    assert engine.together == (0 if connectors else 4000)
    pictures = [m for m in ASKED if any(part.images for part in m)][:3]
    want = [engine.ask(m, SamplingParams(max_tokens=6)).text for m in pictures]
    assert [r.text for r in ask_all(engine, iter(pictures), SamplingParams(max_tokens=6))] == want
    assert engine.ask(question("Say something."), SamplingParams(max_tokens=3)).tokens
