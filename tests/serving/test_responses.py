"""Responses of the API: tokens that are counted, prompts that are echoed, and log probabilities with their places."""

import httpx
import pytest
import torch

from nunbit.engine.sampling import Logprob
from nunbit.engine.scheduler import RequestOutput
from nunbit.serving.responses import ResponseFormatter, usage

openai = pytest.importorskip("openai")


@pytest.fixture
def client(running):
    return openai.OpenAI(base_url=running.url + "/v1", api_key="none", max_retries=0)


def output(prompt, answer, cached=0):
    return RequestOutput("x", "stop", prompt, [Logprob(1, 0.0)] * answer, cached)


def test_every_prompt_counts_once_however_many_answers_it_has():
    outputs = [output(10, 2, 4), output(10, 3, 10), output(7, 1, 1), output(7, 1, 7)]
    found = usage(outputs, choices_per_prompt=2)
    assert found["prompt_tokens"] == 17 and found["completion_tokens"] == 7 and found["total_tokens"] == 24
    assert found["prompt_tokens_details"] == {"cached_tokens": 5}


def test_usage_of_several_prompts_is_the_sum_of_each(client):
    texts = ["What", "Is there a red circle?"]
    alone = [client.completions.create(model="m", prompt=t, max_tokens=2).usage.prompt_tokens for t in texts]
    for n in (1, 2):
        fields = {"model": "m", "prompt": texts, "max_tokens": 2, "n": n}
        assert client.completions.create(**fields).usage.prompt_tokens == sum(alone)
        *_, last = client.completions.create(**fields, stream=True, stream_options={"include_usage": True})
        assert last.usage.prompt_tokens == sum(alone)


def test_echo_puts_the_prompt_before_every_answer(client):
    texts = ["What color", "Is there"]
    plain = client.completions.create(model="m", prompt=texts, max_tokens=3, n=2)
    echoed = client.completions.create(model="m", prompt=texts, max_tokens=3, n=2, echo=True)
    assert [c.text for c in echoed.choices] == [texts[i // 2] + c.text for i, c in enumerate(plain.choices)]
    assert echoed.usage == plain.usage or echoed.usage.completion_tokens == plain.usage.completion_tokens
    streamed = client.completions.create(model="m", prompt=texts[0], max_tokens=3, echo=True, stream=True)
    assert "".join(c.choices[0].text for c in streamed).rstrip() == echoed.choices[0].text


def test_echoed_prompts_are_scored_as_the_model_scores_them(client, assistant):
    text = "What color is the circle?"
    ids = assistant.processor.tokenizer(text, add_special_tokens=False)["input_ids"]
    with torch.inference_mode():
        logits = assistant.model(input_ids=torch.tensor([ids])).logits[0].float()
    wanted = logits.log_softmax(-1)[:-1].gather(1, torch.tensor(ids[1:]).unsqueeze(1)).flatten().tolist()
    got = client.completions.create(model="m", prompt=text, max_tokens=0, echo=True, logprobs=2)
    (choice,) = got.choices
    found = choice.logprobs
    assert choice.text == text and choice.finish_reason == "length" and got.usage.completion_tokens == 0
    assert found.token_logprobs[0] is None and found.top_logprobs[0] is None
    assert found.token_logprobs[1:] == pytest.approx(wanted, abs=1e-3) and len(found.tokens) == len(ids)
    assert all(
        len(top) <= 2 and max(top.values()) >= value - 1e-6
        for top, value in zip(found.top_logprobs[1:], found.token_logprobs[1:], strict=True)
    )


@pytest.mark.parametrize("stream", [False, True])
def test_offsets_continue_from_the_prompt_into_the_answer(client, stream):
    fields = {"model": "m", "prompt": "What color", "max_tokens": 3, "echo": True, "logprobs": 0, "stream": stream}
    made = client.completions.create(**fields)
    parts = [c.choices[0].logprobs for c in made if c.choices[0].logprobs] if stream else [made.choices[0].logprobs]
    tokens, offsets = [t for p in parts for t in p.tokens], [o for p in parts for o in p.text_offset]
    assert offsets == [sum(map(len, tokens[:i])) for i in range(len(tokens))] and len(tokens) >= 4


def test_no_tokens_need_echo(running):
    for stream in (False, True):
        body = {"prompt": "What", "max_tokens": 0, "stream": stream}
        got = httpx.post(running.url + "/v1/completions", json=body)
        assert got.status_code == 400 and got.json()["error"]["param"] == "max_tokens"
        assert httpx.post(running.url + "/v1/completions", json=body | {"echo": True}).status_code == 200


def test_minus_infinity_is_a_number_in_json():
    class Tokenizer:
        def decode(self, ids):
            return "a"

    formatter = ResponseFormatter("m", Tokenizer(), chat=False, logprobs=True)
    tokens = [Logprob(1, float("-inf"), ((2, float("-inf")),))]
    made = formatter.whole([RequestOutput("a", "stop", 1, tokens)])["choices"][0]["logprobs"]
    assert made["token_logprobs"] == [-9999.0] and made["top_logprobs"] == [{"a": -9999.0}]


def test_a_continuation_is_the_text_as_it_stands(client, assistant):
    bias = {str(assistant.processor.tokenizer.eos_token_id): -100}
    made = client.completions.create(model="m", prompt="What is", max_tokens=3, logprobs=0, logit_bias=bias)
    (choice,) = made.choices
    assert choice.text == "".join(choice.logprobs.tokens) and choice.text.startswith(" ")


def test_a_part_of_a_character_has_its_own_bytes(client, assistant):
    token = assistant.processor.tokenizer.convert_tokens_to_ids("<0xE2>")
    made = client.chat.completions.create(
        model="m",
        messages=[{"role": "user", "content": "Hi"}],
        max_tokens=1,
        logprobs=True,
        logit_bias={str(token): 100},
    )
    (found,) = made.choices[0].logprobs.content
    assert found.bytes == [0xE2] and found.token == "bytes:\\xe2"
