"""Requests in forms of OpenAI's reference that clients send seldom: each answered, or refused with its field."""

import json

import httpx
import pytest

from nunbit.serving.requests import sampling_of
from nunbit.serving.schemas import ChatRequest
from nunbit.serving.settings import ServerSettings

CHAT, TEXT, RESPONSES = "/v1/chat/completions", "/v1/completions", "/v1/responses"
USER = {"role": "user", "content": "Hi."}
ONE = {"type": "object", "properties": {"a": {"enum": [1]}}, "required": ["a"]}
LONG = "word " * 5000


def function(name, parameters=ONE):
    return {"type": "function", "function": {"name": name, "parameters": parameters}}


def post(running, path, **body):
    return httpx.post(running.url + path, json={"messages": [USER]} | body if path == CHAT else body, timeout=60)


def chosen(mode, *names):
    return {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": [function(n) for n in names]}}


FORM = {"type": "json_schema", "json_schema": {"name": "x", "description": "d", "strict": True, "schema": ONE}}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (CHAT, {"response_format": FORM, "max_tokens": 8}),
        (CHAT, {"frequency_penalty": 0, "presence_penalty": 0.0, "store": False, "modalities": ["text"]}),
        (CHAT, {"metadata": {"a": "b"}, "service_tier": "auto", "prompt_cache_key": "k", "safety_identifier": "s"}),
        (CHAT, {"messages": [USER, {"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]}, USER]}),
        (TEXT, {"prompt": "a", "best_of": 1, "suffix": ""}),
    ],
)
def test_fields_without_a_wish_are_no_reason_to_warn(running, path, body):
    got = post(running, path, **{"max_tokens": 1} | body)
    assert got.status_code == 200 and "x-nunbit-warnings" not in got.headers


@pytest.mark.parametrize(
    "fields", [{"best_of": 2}, {"store": True}, {"modalities": ["text", "audio"]}, {"verbosity": "low"}]
)
def test_wishes_that_nothing_fulfils_are_named(running, fields):
    warned = post(running, CHAT, max_tokens=1, **fields).headers["x-nunbit-warnings"]
    assert all(name in warned for name in fields)


def test_the_words_of_a_refusal_are_read(running):
    def tokens(content):
        turns = [USER, {"role": "assistant", "content": content}, USER]
        return post(running, CHAT, messages=turns, max_tokens=1).json()["usage"]["prompt_tokens"]

    assert tokens([{"type": "refusal", "refusal": "I say no."}]) == tokens("I say no.")


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        (CHAT, {"top_logprobs": 2}, "top_logprobs"),
        (CHAT, {"tools": [{"type": "function"}]}, "tools"),
        (CHAT, {"tools": [function("f", {"$defs": []})], "tool_choice": "required"}, "tools"),
        (CHAT, {"tools": [function("f", {"$defs": None})], "tool_choice": "required"}, "tools"),
        (CHAT, {"tools": [function("f")], "tool_choice": chosen("required", "g")}, "tool_choice"),
        (CHAT, {"tools": [function("f")], "tool_choice": chosen("sometimes", "f")}, "tool_choice"),
        (CHAT, {"messages": [{"role": "user", "content": LONG}]}, "messages"),
        (TEXT, {"prompt": LONG}, "prompt"),
        (RESPONSES, {"input": LONG}, "input"),
        (RESPONSES, {"input": "a", "tools": [{"type": "function", "name": ["x"]}]}, "tools"),
        *(
            (
                RESPONSES,
                {"input": "a", "tools": [function("f")["function"] | {"type": "function"}], "tool_choice": c},
                p,
            )
            for c, p in (
                ({"type": "allowed_tools", "tools": 5}, "tool_choice"),
                ({"type": "allowed_tools", "tools": [{"type": "function", "name": ["x"]}]}, "tool_choice"),
                ({"type": "allowed_tools", "tools": [{"type": "function", "name": "f"}], "mode": {}}, None),
                ({"type": "custom", "name": "f"}, "tool_choice"),
            )
        ),
    ],
)
def test_what_is_refused_names_its_field(running, path, body, param):
    got = post(running, path, **body)
    if param is None:
        assert got.status_code == 200
        return
    error = got.json()["error"]
    assert got.status_code == 400 and error["param"] == param and error["type"] == "invalid_request_error"


def test_allowed_tools_narrow_the_choice(running):
    pytest.importorskip("llguidance")
    tools = {"tools": [function("f"), function("g")], "parallel_tool_calls": False}
    got = post(running, CHAT, **tools, tool_choice=chosen("required", "g"), max_tokens=40).json()["choices"][0]
    assert [c["function"]["name"] for c in got["message"]["tool_calls"]] == ["g"]
    free = post(running, CHAT, **tools, tool_choice=chosen("auto", "g"), max_tokens=1)
    assert free.json()["choices"][0]["message"].get("tool_calls") is None


@pytest.mark.parametrize("place", ["$defs", "definitions"])
def test_a_forced_call_follows_the_definitions_of_its_tool(running, place):
    pytest.importorskip("llguidance")
    schema = {
        "type": "object",
        "properties": {"a": {"$ref": f"#/{place}/A"}},
        "required": ["a"],
        place: {"A": {"enum": [7]}},
    }
    for wanted in ("required", {"type": "function", "function": {"name": "f"}}):
        body = {"tools": [function("f", schema)], "tool_choice": wanted, "parallel_tool_calls": False, "max_tokens": 40}
        [call] = post(running, CHAT, **body).json()["choices"][0]["message"]["tool_calls"]
        assert json.loads(call["function"]["arguments"]) == {"a": 7}


@pytest.mark.parametrize("path", [CHAT, TEXT])
def test_a_stream_with_usage_says_so_in_each_event(running, path):
    body = {"stream": True, "stream_options": {"include_usage": True}, "max_tokens": 2}
    text = post(running, path, **body | ({"prompt": "a"} if path == TEXT else {})).text
    *events, last = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: {")]
    assert events and all("usage" in e and e["usage"] is None for e in events)
    assert last["choices"] == [] and last["usage"]["completion_tokens"] > 0


@pytest.mark.parametrize("wanted", ["required", {"type": "function", "function": {"name": "f"}}])
def test_a_streamed_call_has_no_words(running, wanted):
    pytest.importorskip("llguidance")
    body = {"tools": [function("f")], "tool_choice": wanted, "parallel_tool_calls": False, "stream": True}
    text = post(running, CHAT, **body).text
    deltas = [json.loads(line[6:])["choices"][0]["delta"] for line in text.splitlines() if line.startswith("data: {")]
    assert deltas[0]["role"] == "assistant" and all(d.get("content") is None for d in deltas)


def test_the_events_of_a_response_are_not_streamed_again(running):
    url = running.url + "/v1/responses/" + post(running, RESPONSES, input="a", max_output_tokens=1).json()["id"]
    assert httpx.get(url).status_code == 200 and httpx.get(url + "?stream=false").status_code == 200
    got = httpx.get(url + "?stream=true")
    assert got.status_code == 400 and got.json()["error"]["param"] == "stream"


def test_the_case_of_the_key_scheme_does_not_matter(start):
    server = start(ServerSettings(api_keys=("one",), max_tokens=4))
    for sent, status in (
        ("Bearer one", 200),
        ("bearer one", 200),
        ("BEARER  one", 200),
        ("bearer two", 401),
        ("", 401),
    ):
        assert httpx.get(server.url + "/v1/models", headers={"Authorization": sent}).status_code == status


@pytest.mark.parametrize("name", ["frequency_penalty", "presence_penalty"])
def test_penalties_reach_the_sampler_within_their_bounds(running, name):
    request = ChatRequest(messages=[USER], **{name: 1.5})
    made = sampling_of(request, ServerSettings(), 4)
    assert getattr(made, name.removesuffix("_penalty")) == 1.5
    got = post(running, CHAT, **{name: 2.5})
    assert got.status_code == 400 and got.json()["error"]["param"] == name
    assert "x-nunbit-warnings" not in post(running, CHAT, max_tokens=2, **{name: 1.5}).headers
