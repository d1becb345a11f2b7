"""Requests as cut texts, older clients, scoring tools and joined schemas make them."""

import httpx
import pytest

from nunbit.engine.grammar import closed
from nunbit.serving.requests import messages_of
from nunbit.serving.schemas import ChatRequest, CompletionRequest
from nunbit.serving.settings import ServerSettings

HALF = '{"messages": [{"role": "user", "content": "hi \\ud83d"}], "max_tokens": 1}'
JSON = {"Content-Type": "application/json"}


def post(running, path, body):
    sent = {"content": body, "headers": JSON} if isinstance(body, bytes) else {"json": body}
    return httpx.post(running.url + path, timeout=60, **sent)


@pytest.mark.parametrize(
    "body",
    [
        HALF,
        HALF.replace('"hi \\ud83d"', '[{"type": "text", "text": "\\ude00 x"}]'),
        HALF.replace("}]", ', "name": "a\\ud83d"}]'),
        HALF.replace('"max_tokens": 1', '"max_tokens": 1, "stop": ["\\ud83d"], "user": "\\udfff"'),
    ],
)
def test_half_a_pair_is_answered(running, body):
    assert post(running, "/v1/chat/completions", body.encode()).status_code == 200


def test_half_a_pair_in_a_path_is_refused_with_a_sentence(running):
    body = HALF.replace('"hi \\ud83d"', '[{"type": "image_url", "image_url": {"url": "\\ud800.png"}}]')
    got = post(running, "/v1/chat/completions", body.encode())
    assert got.status_code == 400 and "local file" in got.json()["error"]["message"]


@pytest.mark.parametrize("body", [b"\xff\xfe{", '{"messages": "\xe9"}'.encode("latin-1"), b'{"a":' + b"[" * 9000])
def test_what_is_no_json_is_said_to_be_none(running, body):
    got = post(running, "/v1/chat/completions", body)
    assert got.status_code == 400 and "JSON" in got.json()["error"]["message"]


def test_token_ids_are_continued_as_their_text_is(running):
    tokenizer = running.engine.runner.tokenizer
    ids = running.engine.prepare_text("What is the").ids
    same = {"max_tokens": 3, "echo": True, "logprobs": 1}
    text = post(running, "/v1/completions", {"prompt": "What is the", **same}).json()
    found = post(running, "/v1/completions", {"prompt": ids, **same}).json()
    ours, theirs = found["choices"][0]["logprobs"], text["choices"][0]["logprobs"]
    assert all(ours[k] == theirs[k] for k in ("tokens", "text_offset"))
    assert ours["token_logprobs"][1:] == pytest.approx(theirs["token_logprobs"][1:], abs=1e-4)
    assert found["usage"]["prompt_tokens"] == text["usage"]["prompt_tokens"]
    assert found["choices"][0]["text"].startswith(tokenizer.decode(ids))
    two = post(running, "/v1/completions", {"prompt": [ids, ids[:2]], "max_tokens": 1}).json()
    assert len(two["choices"]) == 2 and two["usage"]["prompt_tokens"] == len(ids) + 2


@pytest.mark.parametrize("prompt", [[-1], [10**9], [[]], [[5], "a"], [5, "a"], [True], [5.5], [None], [[[5]]]])
def test_other_token_ids_are_refused_with_a_sentence(running, prompt):
    got = post(running, "/v1/completions", {"prompt": prompt, "max_tokens": 1})
    assert got.status_code == 400 and got.json()["error"]["message"]


def test_the_token_of_a_picture_is_no_word(running):
    got = post(running, "/v1/completions", {"prompt": [running.engine.runner.preparation.image_id], "max_tokens": 1})
    assert got.status_code == 400 and "token id" in got.json()["error"]["message"]
    assert CompletionRequest(prompt=[1, 2]).prompt == [1, 2]


def test_a_function_call_of_an_older_client_is_a_tool_call():
    call = {"name": "weather", "arguments": '{"city": "Seoul"}'}
    turns = [{"role": "user", "content": "w"}, {"role": "assistant", "content": None, "function_call": call}]
    request = ChatRequest(messages=[*turns, {"role": "function", "name": "weather", "content": "5"}])
    assert not [*request.messages[1].unknown_values()]
    [made] = [m for m in messages_of(request, ServerSettings(), template_takes_tools=True)[0] if m.tool_calls]
    assert made.tool_calls[0].name == "weather" and made.tool_calls[0].arguments == {"city": "Seoul"}


def test_schemas_that_are_joined_stay_as_they_are():
    part = {"type": "object", "properties": {"a": {"const": 1}}, "required": ["a"]}
    joined = {"allOf": [part, {"type": "object", "properties": {"b": {"const": 2}}, "required": ["b"]}]}
    assert closed(joined) == joined
    by_name = {"$defs": {"A": part, "B": part}, "allOf": [{"$ref": "#/$defs/A"}, {"$ref": "#/$defs/B"}]}
    assert closed(by_name) == by_name
    assert closed({"allOf": [part]})["allOf"][0]["additionalProperties"] is False


def test_an_answer_in_a_joined_schema(running):
    pytest.importorskip("llguidance")
    part = {"type": "object", "properties": {"a": {"const": 1}}, "required": ["a"]}
    schema = {"allOf": [part, {"type": "object", "properties": {"b": {"const": 2}}, "required": ["b"]}]}
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    body = {"messages": [{"role": "user", "content": "?"}], "response_format": form, "max_tokens": 8}
    assert post(running, "/v1/chat/completions", body).status_code == 200
