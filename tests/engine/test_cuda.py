"""The engine on a CUDA device. Without one these are skipped, and counted as skipped; what of them is arithmetic runs
on a processor in `test_static_decode.py`, `test_sampling.py`, `test_sizing.py` and `tests/models/test_precision.py`."""

import pytest
import torch
from tests.engine.test_engine import ASKED, collect, drain, picture

from nunbit.assistant import Assistant
from nunbit.engine.many import ask_all
from nunbit.engine.options import CacheOptions
from nunbit.engine.sampling import SamplingParams
from nunbit.engine.scheduler import Engine
from nunbit.engine.sizing import engine_sizes
from nunbit.messages import question
from nunbit.models.precision import Precision

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device; there is none")
WISH = SamplingParams(max_tokens=12)


@pytest.fixture(scope="module")
def held():
    return Assistant("nunbit-tiny", "cuda", object_aware=False, precision=Precision("float32"))


@pytest.fixture(scope="module")
def wanted(held):
    return [held.generate(m, max_new_tokens=12).ids for m in ASKED]


def ids(results):
    return [tuple(t.token for t in r.tokens) for r in results]


def engine_of(held, graphs, background=False):
    sizes = engine_sizes(held.model, CacheOptions(slots=4, length=700, cuda_graphs=graphs), server=True)
    return Engine.from_loaded(held, background=background, **sizes)


@pytest.mark.parametrize("graphs", [False, True])
@pytest.mark.parametrize("background", [False, True])
def test_answers_equal_generate(held, wanted, graphs, background):
    engine = engine_of(held, graphs, background)
    try:
        for _ in range(2):
            assert ids(ask_all(engine, iter(ASKED), WISH)) == wanted
        assert bool(engine.runner.static and engine.runner.static.captured) is graphs
    finally:
        engine.close(5)


def test_pictures_are_encoded_while_graphs_are_captured(held, wanted):
    """Two threads of one device: what one does must not enter the other's graph."""
    engine = engine_of(held, True, background=True)
    engine.runner.static.captured.clear()
    try:
        flying = [collect(engine, m, WISH) for m in ASKED * 3]
        assert ids(drain(out)[1] for _, out in flying) == wanted * 3
    finally:
        engine.close(5)


def test_a_seed_gives_one_answer_in_any_company(held):
    engine = engine_of(held, True)
    wish = SamplingParams(max_tokens=12, temperature=1.2, top_p=0.9, seed=5)
    alone = engine.ask(ASKED[0], wish).text
    flying = [collect(engine, m, SamplingParams(max_tokens=20, temperature=1.0)) for m in ASKED[1:3]]
    _, out = collect(engine, ASKED[0], wish)
    engine.run_until(lambda: not engine._admitted)
    assert drain(out)[1].text == alone and all(not drain(o)[1].failed for _, o in flying)


def test_answers_of_a_given_form_and_log_probabilities(held):
    pytest.importorskip("llguidance")
    engine = engine_of(held, True)
    said = engine.ask(ASKED[1], SamplingParams(grammar=("regex", "(yes|no)"), logprobs=2))
    assert said.text in ("yes", "no") and len(said.tokens[0].others) == 2


def test_one_wait_for_the_device_a_step(held):
    """Apart from reading the chosen ids a step neither waits nor copies from the device."""
    engine = engine_of(held, True)
    engine.ask(ASKED[0], WISH)
    _, out = collect(engine, ASKED[0], SamplingParams(max_tokens=30, bias=dict.fromkeys(engine.runner.end_ids, -100.0)))
    engine.run_until(lambda: bool(engine.running))
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as seen, torch.inference_mode():
        for _ in range(4):
            engine._step()
    copies = [e for e in seen.events() if "Memcpy DtoH" in e.name]
    assert len(copies) == 4, [e.name for e in copies]
    engine.run_until(lambda: not engine._admitted)
    drain(out)


@pytest.mark.parametrize("precision", [Precision(), Precision(int8=True), Precision(int4=True)])
def test_weights_in_fewer_bits_answer(precision):
    if precision.library_bits("cuda"):
        pytest.importorskip("bitsandbytes")
    held = Assistant("nunbit-tiny", "auto", precision=precision)
    assert held.model.device.type == "cuda" and held.model.lm_head.weight.dtype == torch.bfloat16
    asked = question("What color is the circle?", [picture(1)])
    assert held.ask(asked, max_new_tokens=6).ids
    assert held.engine().runner.cache.slots[0].keys.dtype == torch.bfloat16
