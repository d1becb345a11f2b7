"""Requests: how many tokens an answer may have, and what does not fit the context."""

import httpx
import pytest

from nunbit.errors import ContextLengthError
from nunbit.serving.errors import RequestError
from nunbit.serving.requests import max_tokens_of
from nunbit.serving.schemas import ChatRequest, CompletionRequest
from nunbit.serving.settings import ServerSettings

SETTINGS = ServerSettings(max_tokens=50)
MESSAGES = [{"role": "user", "content": "What?"}]


def chat(**fields):
    return ChatRequest(messages=MESSAGES, **fields)


def test_what_fits_where_nothing_is_named_and_the_operators_bound_everywhere():
    assert max_tokens_of(chat(), SETTINGS, 10, 100) == 50
    assert max_tokens_of(chat(), SETTINGS, 90, 100) == 10
    assert max_tokens_of(chat(max_tokens=7), SETTINGS, 93, 100) == 7
    assert max_tokens_of(chat(max_tokens=70), SETTINGS, 10, 100) == 50
    assert max_tokens_of(chat(max_tokens=3, max_completion_tokens=5), SETTINGS, 10, 100) == 5


def test_a_named_number_that_does_not_fit_is_refused():
    for request in (chat(max_tokens=11), chat(max_completion_tokens=11), CompletionRequest(prompt="a", max_tokens=11)):
        with pytest.raises(ContextLengthError, match="101 tokens .90 in the prompt, 11 for the answer"):
            max_tokens_of(request, SETTINGS, 90, 100)


def test_zero_is_for_echo():
    assert max_tokens_of(CompletionRequest(prompt="a", max_tokens=0, echo=True), SETTINGS, 10, 100) == 0
    with pytest.raises(RequestError, match="echo"):
        max_tokens_of(CompletionRequest(prompt="a", max_tokens=0), SETTINGS, 10, 100)


@pytest.mark.parametrize("stream", [False, True])
def test_prompt_and_answer_must_fit_the_context(running, stream):
    length = running.engine.runner.length
    url = running.url + "/v1/chat/completions"
    bodies = [{"messages": MESSAGES, "max_tokens": length}, {"messages": [{"role": "user", "content": "x " * 5000}]}]
    for body in bodies:
        got = httpx.post(url, json=body | {"stream": stream})
        error = got.json()["error"]
        assert got.status_code == 400 and error["code"] == "context_length_exceeded"
        assert (error["type"], error["param"]) == ("invalid_request_error", "messages") and str(length) in error[
            "message"
        ]


def test_the_last_token_that_fits_is_given(running):
    engine, url = running.engine, running.url + "/v1/completions"
    length = engine.runner.length
    text = "a b c d " * (length // 8)
    while len(engine.prepare_text(text).ids) < length - 4:
        text += "a "
    room = length - len(engine.prepare_text(text).ids)
    body = {"prompt": text, "logit_bias": dict.fromkeys(map(str, engine.runner.end_ids), -100)}
    got = httpx.post(url, json=body, timeout=60).json()
    assert got["usage"]["completion_tokens"] == room and got["choices"][0]["finish_reason"] == "length"
    assert httpx.post(url, json=body | {"max_tokens": room}, timeout=60).json()["usage"]["completion_tokens"] == room
    assert httpx.post(url, json=body | {"max_tokens": room + 1}).json()["error"]["code"] == "context_length_exceeded"


def test_the_operators_bound_is_named_in_a_warning(running):
    got = httpx.post(running.url + "/v1/chat/completions", json={"messages": MESSAGES, "max_tokens": 65})
    assert got.status_code == 200 and "limited to 64 tokens" in got.headers["x-nunbit-warnings"]
