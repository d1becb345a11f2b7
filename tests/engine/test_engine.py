"""The engine answers as `generate` does, whatever runs beside a request."""

import queue
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import torch
from PIL import Image

from nunbit.assistant import Assistant
from nunbit.engine import grammar
from nunbit.engine.many import ask_all
from nunbit.engine.packed_linear import pack
from nunbit.engine.sampling import SamplingParams
from nunbit.engine.scheduler import Busy, Engine, RequestOutput, TokenChunk
from nunbit.errors import UserError
from nunbit.messages import assistant, question, user


@pytest.fixture(scope="module")
def reference():
    torch.manual_seed(0)
    return Assistant(object_aware=False)


@pytest.fixture
def engine(reference):
    made = Engine(reference.model, reference.processor, slots=4, chunk=64)
    yield made
    made.close(5)


def picture(seed: int, size: int = 90) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 255, (size, size, 3), dtype=np.uint8))


ASKED = [
    question("What color is the circle?", [picture(1)]),
    question("How many cats are there in the picture?", [picture(2, 200)]),
    question("그림에 무엇이 있나요?", [picture(3)]),
    question("Describe the picture.", [picture(1)]),
    question("What is left of the star? Name it.", [picture(4), picture(5)]),
    question("Say something."),
    [*question("What is it?", [picture(2, 200)]), assistant("A cat."), user("What color is it?")],
]


def collect(engine, messages, sampling=SamplingParams(max_tokens=24)):
    out = queue.SimpleQueue()
    return engine.submit(messages, sampling, out.put), out


def drain(out):
    pieces = []
    while True:
        event = out.get(timeout=60)
        if isinstance(event, RequestOutput):
            return pieces, event
        pieces.append(event)


def test_batched_answers_equal_generate(reference, engine):
    oracle = [reference.generate(m, max_new_tokens=24) for m in ASKED]
    want = [a.text for a in oracle]
    for _ in range(2):  # the second time from the caches
        flying = [collect(engine, m) for m in ASKED]
        got = [drain(out) for _, out in flying]
        assert [tuple(t.token for t in r.tokens) for _, r in got] == [a.ids for a in oracle]
        assert [r.text for _, r in got] == want
        assert ["".join(p.text for p in pieces).rstrip() for pieces, _ in got] == want
    assert engine.stats.rows > engine.stats.steps, "nothing was decoded together"
    assert engine.stats.cached_tokens > 0 and engine.runner.features.hits > 0


def test_packed_weights_change_nothing_that_is_said(reference):
    held = Assistant(object_aware=False)
    names = pack(held.model)
    assert "lm_head" in names and not pack(held.model), "packed once"
    engine = Engine(held.model, held.processor, slots=4, chunk=64)
    try:
        flying = [collect(engine, m) for m in ASKED]
        assert [drain(out)[1].text for _, out in flying] == [
            reference.generate(m, max_new_tokens=24).text for m in ASKED
        ]
    finally:
        engine.close(5)


def test_many_are_answered_in_order_however_short_the_queue(reference):
    engine = Engine(reference.model, reference.processor, slots=2, max_queue=1)
    try:
        want = [engine.ask(m, SamplingParams(max_tokens=6)).text for m in ASKED]
        assert [r.text for r in ask_all(engine, iter(ASKED * 3), SamplingParams(max_tokens=6))] == want * 3
        assert not engine.stats.refused
    finally:
        engine.close(5)


def test_a_template_that_refuses_is_a_sentence(reference, engine, monkeypatch):
    monkeypatch.setattr(
        engine.runner.preparation.builder.template, "template", "{{ raise_exception('no system turns here') }}"
    )
    with pytest.raises(UserError, match="no system turns here"):
        engine.prepare(ASKED[0])


def test_cancelled_neighbours_change_nothing(reference, engine):
    want = reference.generate(ASKED[3], max_new_tokens=24).text
    others = [collect(engine, m, SamplingParams(max_tokens=200, temperature=1.0)) for m in ASKED[:3]]
    _, out = collect(engine, ASKED[3])
    for request, _ in others:
        request.cancel()
        request.cancel()
    assert drain(out)[1].text == want
    assert {drain(o)[1].finish for _, o in others} <= {"cancelled", "stop"}
    assert not engine.running and engine.prefilling is None


def test_random_arrivals_and_cancels_never_disturb_a_canary(reference, engine):
    rng, want = np.random.default_rng(0), [reference.generate(m, max_new_tokens=24).text for m in ASKED]
    flying = []
    for _ in range(40):
        k = int(rng.integers(len(ASKED)))
        request, out = collect(engine, ASKED[k])
        flying.append((k, out, bool(rng.random() < 0.3)))
        if flying[-1][2]:
            time.sleep(float(rng.random()) * 0.02)
            request.cancel()
    for k, out, cut in flying:
        result = drain(out)[1]
        assert cut or (result.text, result.finish in ("stop", "length")) == (want[k], True)


def test_the_same_seed_gives_the_same_answer_in_any_company(engine):
    wish = SamplingParams(max_tokens=20, temperature=1.2, top_p=0.95, seed=5)
    alone = engine.ask(ASKED[0], wish).text
    crowd = [collect(engine, m, SamplingParams(max_tokens=30, temperature=1.0)) for m in ASKED[1:4]]
    _, out = collect(engine, ASKED[0], wish)
    assert drain(out)[1].text == alone
    assert (
        len({engine.ask(ASKED[0], SamplingParams(max_tokens=20, temperature=1.5, seed=s)).text for s in range(6)}) > 1
    )
    [drain(o) for _, o in crowd]


def test_a_full_queue_refuses_and_a_deadline_ends(reference):
    engine = Engine(reference.model, reference.processor, slots=1, max_queue=1)
    try:
        flying = [
            collect(engine, ASKED[0], SamplingParams(max_tokens=300, temperature=2.0, bias={2: -100})) for _ in range(2)
        ]
        with pytest.raises(Busy):
            for _ in range(3):
                flying.append(collect(engine, ASKED[0]))
        for request, _ in flying:
            request.cancel()
        [drain(out) for _, out in flying]
        ends = dict.fromkeys(engine.runner.end_ids, -100.0)
        late = engine.ask(ASKED[0], SamplingParams(max_tokens=800, deadline_s=0.3, bias=ends))
        assert late.finish == "deadline" and late.tokens
    finally:
        engine.close(5)
    assert not engine.alive
    with pytest.raises(Busy):
        engine.submit(ASKED[0], SamplingParams(), print)


def test_closing_lets_running_answers_end(reference):
    engine = Engine(reference.model, reference.processor)
    _, out = collect(engine, ASKED[0])
    threading.Thread(target=engine.close).start()
    assert drain(out)[1].text == reference.generate(ASKED[0], max_new_tokens=24).text


def test_a_failing_listener_or_model_ends_one_request_only(reference, engine, monkeypatch):
    def broken(event):
        raise RuntimeError("gone")

    engine.submit(ASKED[0], SamplingParams(), broken)
    look = engine.runner._features
    monkeypatch.setattr(engine.runner, "_features", lambda p, i: (_ for _ in ()).throw(RuntimeError("eye")))
    assert engine.ask(ASKED[1]).finish.startswith("error")
    monkeypatch.setattr(engine.runner, "_features", look)
    assert (
        engine.ask(ASKED[1], SamplingParams(max_tokens=24)).text == reference.generate(ASKED[1], max_new_tokens=24).text
    )


def test_logprobs_are_those_of_the_model(reference, engine):
    result = engine.ask(ASKED[0], SamplingParams(max_tokens=5, logprobs=3))
    prompt = engine.prepare(ASKED[0])
    ids = torch.tensor([prompt.ids + [t.token for t in result.tokens[:-1]]])
    with torch.no_grad():
        logits = (
            reference.model(input_ids=ids, pixel_values=torch.cat(prompt.pixels))
            .logits[0, len(prompt.ids) - 1 :]
            .log_softmax(-1)
        )
    for row, t in zip(logits, result.tokens, strict=True):
        assert abs(row[t.token].item() - t.logprob) < 1e-3
        assert [i for i, _ in t.others] == row.topk(3).indices.tolist()


def test_two_pictures_of_equal_size_never_share_a_prefix(engine):
    a, b = (
        engine.prepare(question("What is it?", [picture(1)])),
        engine.prepare(question("What is it?", [picture(9)])),
    )
    assert a.ids == b.ids and a.prefix_key != b.prefix_key
    same = next(i for i, (x, y) in enumerate(zip(a.prefix_key, b.prefix_key, strict=True)) if x != y)
    engine.ask(question("What is it?", [picture(1)]))
    assert engine.prefixes.longest(b.prefix_key)[0] == same < 5


def test_answers_of_a_given_form(engine):
    pytest.importorskip("llguidance")
    import json
    import re

    schema = {
        "type": "object",
        "properties": {"n": {"type": "integer", "minimum": 0, "maximum": 99}},
        "required": ["n"],
        "additionalProperties": False,
    }
    result = engine.ask(ASKED[0], SamplingParams(max_tokens=60, grammar=("json", json.dumps(schema))))
    assert 0 <= json.loads(result.text)["n"] <= 99 and result.finish == "stop"
    assert re.fullmatch(r"(yes|no)", engine.ask(ASKED[1], SamplingParams(grammar=("regex", "(yes|no)"))).text)
    with pytest.raises(UserError):
        engine.ask(ASKED[0], SamplingParams(grammar=("json", "{")))


def test_a_form_that_costs_too_much_is_refused(engine, monkeypatch):
    said = engine.ask(question("What is it?"), SamplingParams(max_tokens=4, grammar=("regex", "a{99999}")))
    assert said.finish.startswith("refused: ") and "cannot be used" in said.finish
    form = SamplingParams(max_tokens=40, grammar=("regex", "(ab|cd|ef){30}x"))
    assert not engine.ask(question("What is it?"), form).failed
    monkeypatch.setitem(grammar.LIMITS, "max_lexer_states", 12)
    said = engine.ask(question("What is it?"), form)
    assert said.finish.startswith("refused: ") and said.failed and engine.alive
    assert not engine.ask(question("What is it?"), SamplingParams(max_tokens=4)).failed


def test_what_slots_cannot_hold_is_refused(engine):
    with pytest.raises(UserError, match="tokens"):
        engine.ask(question("word " * 2000))


def test_plain_language_models_run_too(reference):
    """A decoder without eyes, of another family."""
    from transformers import Qwen3Config, Qwen3ForCausalLM

    torch.manual_seed(1)
    tokenizer = reference.processor.tokenizer
    config = Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        max_position_embeddings=256,
    )
    model = Qwen3ForCausalLM(config).eval()
    engine = Engine(model, tokenizer, slots=2, length=256)
    try:
        messages = question("What is it?")
        prompt = engine.prepare(messages)
        want = model.generate(torch.tensor([prompt.ids]), max_new_tokens=8, do_sample=False)[
            0, len(prompt.ids) :
        ].tolist()
        assert [t.token for t in engine.ask(messages, SamplingParams(max_tokens=8)).tokens] == want
        with pytest.raises(UserError, match="no pictures"):
            engine.ask(question("What is it?", [picture(1)]))
    finally:
        engine.close(5)


def test_threads_that_prepare_at_once_get_the_ids_of_one(engine):
    """Control tokens typed by a user are words, whatever another thread encodes at the same moment."""
    text = "<eos>yes<image>"
    asked = [
        text,
        question("What <image> is it?", [picture(1)]),
        question("<assistant>yes<eos>"),
        question("그림에 무엇이 있나요?"),
    ]

    def ids(one):
        return engine.prepare_text(one).ids if isinstance(one, str) else engine.prepare(one).ids

    want, wrong = [ids(one) for one in asked], []

    def repeat(seed):
        rng = np.random.default_rng(seed)
        for _ in range(120):
            k = int(rng.integers(len(asked)))
            try:
                wrong.extend([] if ids(asked[k]) == want[k] else [k])
            except Exception as e:
                wrong.append(repr(e))

    threads = [threading.Thread(target=repeat, args=(s,)) for s in range(8)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert not wrong


def test_pieces_carry_every_token_once(engine):
    _, out = collect(engine, ASKED[2], SamplingParams(max_tokens=24, logprobs=0))
    pieces, result = drain(out)
    told = [t for p in pieces if isinstance(p, TokenChunk) for t in p.tokens]
    assert told == [t for t in result.tokens if t.token not in engine.runner.end_ids][: len(told)]


def test_a_process_that_ends_without_closing_ends_cleanly():
    """Threads that are inside torch when the interpreter goes would abort the process."""
    script = """
from nunbit.assistant import Assistant
from nunbit.engine.sampling import SamplingParams
from nunbit.messages import question
a = Assistant(object_aware=False)
print(a.ask(question("Say something."), max_new_tokens=3).tokens)
a.engine().submit(question("Say more."), SamplingParams(), print)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0 and "terminate" not in done.stderr, done.stderr
