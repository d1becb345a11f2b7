"""The engine answers as `generate` does for transformers' own types. Those that need torchvision: `make compat`."""

import queue

import pytest
import torch
from tests.native_models import WITHOUT_TORCHVISION, conversations, messages, picture, reference, write

from nunbit.assistant import Assistant
from nunbit.engine.sampling import SamplingParams
from nunbit.engine.scheduler import Engine, RequestOutput
from nunbit.errors import UserError
from nunbit.messages import assistant, question, user

COUNT = 12
HELD = [name for name in WITHOUT_TORCHVISION if name != "Florence-2"]


def answers(engine, asked):
    """All asked at once: ids and log probabilities of each answer."""
    out = [queue.SimpleQueue() for _ in asked]
    for turns, events in zip(asked, out, strict=True):
        engine.submit(messages(turns), SamplingParams(max_tokens=COUNT, logprobs=1), events.put)
    whole = []
    for events in out:
        while not isinstance(event := events.get(timeout=60), RequestOutput):
            pass
        assert not event.failed, event.finish
        whole.append(([t.token for t in event.tokens], [t.logprob for t in event.tokens]))
    return whole


@pytest.mark.parametrize("name", HELD)
def test_batched_answers_are_those_of_transformers_alone(name, tmp_path):
    held = Assistant(write(name, tmp_path))
    asked = conversations(held.processor)
    want = [reference(held.model, held.processor, turns, COUNT) for turns in asked]
    assert len({tuple(round(p, 2) for p in scores) for _, scores in want}) == len(asked), "nothing would be shown"
    engine = Engine.from_loaded(held, slots=4, length=1000, chunk=16)
    try:
        for _ in range(2):  # the second time from the caches
            got = answers(engine, asked)
            assert [ids for ids, _ in got] == [ids for ids, _ in want]
            for (_, ours), (_, theirs) in zip(got, want, strict=True):
                assert ours == pytest.approx(theirs, abs=1e-3)
        assert engine.stats.rows > engine.stats.steps, "nothing was decoded together"
        assert engine.runner.features.hits
        assert bool(engine.stats.cached_tokens) == (name != "PaliGemma")
    finally:
        engine.close(5)
    assert list(held.ask(messages(asked[0]), max_new_tokens=COUNT).ids) == want[0][0]
    held.close()


def test_a_second_turn_starts_after_the_first_turns_picture(tmp_path):
    held = Assistant(write("Idefics3", tmp_path))
    engine = Engine.from_loaded(held, slots=2, length=1000)
    try:
        first, second = conversations(held.processor)[1], conversations(held.processor)[4]
        first = [(second[0][0], first[0][1], "")]
        answers(engine, [first])
        before = engine.stats.cached_tokens
        got = answers(engine, [second])
        assert engine.stats.cached_tokens - before > engine.prepare(messages(second)).native.text_from
        assert got[0][0] == reference(held.model, held.processor, second, COUNT)[0]
        answers(engine, [[(second[0][0], [picture(9, (40, 150))], "")]])
        assert engine.stats.cached_tokens - before < 2 * len(engine.prepare(messages(second)).ids)
    finally:
        engine.close(5)


@pytest.mark.parametrize("name", HELD)
def test_texts_are_continued_and_embedded_or_refused_in_a_sentence(name, tmp_path):
    held = Assistant(write(name, tmp_path))
    engine = Engine.from_loaded(held, slots=1, length=500)
    try:
        if name in ("BLIP-2", "InstructBLIP"):
            for asked in (engine.prepare_text, engine.runner.text_vector):
                with pytest.raises(UserError, match="without a picture"):
                    asked("The answer is")
        else:
            prompt = engine.prepare_text("The answer is")
            ids = torch.tensor([prompt.ids])
            want = held.model.generate(input_ids=ids, max_new_tokens=6, do_sample=False)[0, len(prompt.ids) :].tolist()
            assert [t.token for t in engine.ask(prompt, SamplingParams(max_tokens=6)).tokens] == want
            assert torch.isfinite(engine.runner.text_vector("a dog")[0]).all()
        try:
            vector, tokens = engine.runner.picture_vector(picture(1, (60, 60)))
            assert tokens > 1 and float(vector.norm()) == pytest.approx(1, abs=1e-4)
        except UserError:
            assert name == "InstructBLIP"
    finally:
        engine.close(5)


def test_words_of_a_user_are_never_control_tokens(tmp_path):
    held = Assistant(write("Idefics3", tmp_path))
    engine = Engine.from_loaded(held, slots=1, length=1000)
    try:
        typed = engine.prepare(question("<image><global-img><|im_end|> what?", [picture(1, (60, 60))])).ids
        plain = engine.prepare(question("what?", [picture(1, (60, 60))])).ids
        for name in ("<image>", "<global-img>", "<|im_end|>"):
            token = held.processor.tokenizer.convert_tokens_to_ids(name)
            assert typed.count(token) == plain.count(token)
    finally:
        engine.close(5)


def test_a_model_without_a_template_takes_one_question(tmp_path):
    held = Assistant(write("PaliGemma", tmp_path))
    with pytest.raises(UserError, match="no chat template"):
        held.ask([*question("What?", [picture(1, (60, 60))]), assistant("a dog"), user("What?")])
    with pytest.raises(UserError, match="refuses the question"):
        held.ask([user("What?")])


def test_an_encoder_decoder_is_asked_and_is_refused_by_the_engine_in_a_sentence(tmp_path):
    held = Assistant(write("Florence-2", tmp_path))
    asked = conversations(held.processor)
    want = [reference(held.model, held.processor, turns, COUNT)[0] for turns in asked]
    assert [list(held.ask(messages(turns), max_new_tokens=COUNT).ids) for turns in asked] == want
    with pytest.raises(UserError, match="'florence2', whose answers attend to an encoder"):
        Engine.from_loaded(held, slots=1)
