"""Turns in any order, tool calls and their results, and fields that nothing reads."""

import itertools

import httpx
import pytest
from tests.chat_templates import tokenizer_of

from nunbit.messages import Message, Part, ToolCall, assistant, check_turns, system, user
from nunbit.models.prompt import PromptBuilder
from nunbit.serving.conversation import CALLS_AS_TEXT, GREETING, SYSTEM_MOVED, ordered, tool_calls_of
from nunbit.serving.requests import messages_of
from nunbit.serving.schemas import ChatRequest
from nunbit.serving.settings import ServerSettings

CALL = Message("assistant", (), (ToolCall("look_up", {"city": "Seoul"}, "1"),))
RESULT = Message("tool", (Part.text("5"),), name="look_up", tool_call_id="1")
CALLS = [{"id": "1", "type": "function", "function": {"name": "look_up", "arguments": '{"city": "Seoul"}'}}]


@pytest.mark.parametrize("takes_tools", [True, False])
def test_every_order_of_turns_is_one_that_templates_take(takes_tools):
    turns = [system("s"), user("u"), assistant("a"), CALL, RESULT]
    for length in (1, 2, 3, 4):
        for order in itertools.product(turns, repeat=length):
            made, _ = ordered(order, template_takes_tools=takes_tools)
            check_turns(made)
            words = "".join(m.text + str(m.tool_calls) for m in made)
            assert all(m.text in words for m in order) and words.count("Seoul") == order.count(CALL)


def test_what_is_moved_or_added_is_named():
    made, said = ordered([user("u"), assistant("a"), system("s"), user("v")], template_takes_tools=True)
    assert [m.role for m in made] == ["system", "user", "assistant", "user"] and said == [SYSTEM_MOVED]
    made, said = ordered([assistant("Hello!"), user("u")], template_takes_tools=True)
    assert [m.text for m in made] == ["", "Hello!", "u"] and said == [GREETING]
    made, said = ordered([user("u"), CALL, RESULT, RESULT, assistant("a")], template_takes_tools=True)
    assert made[1:4] == [CALL, RESULT, RESULT] and not said
    made, said = ordered([RESULT, user("u")], template_takes_tools=True)
    assert [m.role for m in made] == ["user"] and said == [CALLS_AS_TEXT]


@pytest.mark.parametrize("content", [None, "", [], "Let me look"])
def test_calls_and_results_reach_the_model_through_its_template(content):
    body = {
        "messages": [
            {"role": "user", "content": "w"},
            {"role": "assistant", "content": content, "tool_calls": CALLS},
            {"role": "tool", "tool_call_id": "1", "content": "five"},
        ]
    }
    request, (words, _, _) = ChatRequest.model_validate(body), tokenizer_of("qwen")
    messages, said = messages_of(request, ServerSettings(), template_takes_tools=True)
    prompt = words.decode(PromptBuilder(words).build(messages).ids)
    assert messages[2].name == "look_up" and not said
    assert '"name": "look_up"' in prompt and '"city": "Seoul"' in prompt and "five" in prompt
    assert ("Let me look" in prompt) is (content == "Let me look")
    plain, said = messages_of(request, ServerSettings())
    assert [m.role for m in plain] == ["user", "assistant", "user"] and "Seoul" in plain[1].text
    assert said == [CALLS_AS_TEXT]


def test_arguments_that_are_no_object_stay_text():
    calls = [{"function": {"name": "f", "arguments": text}} for text in ('{"a": 1}', '{"a": ', "[1]", "")]
    assert [c.arguments for c in tool_calls_of(calls)] == [{"a": 1}, {"arguments": '{"a": '}, {"arguments": "[1]"}, {}]


@pytest.mark.parametrize(
    "turns",
    [
        [{"role": "assistant", "content": "Hello!"}, {"role": "user", "content": "Hi"}],
        [
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": "yes"},
            {"role": "system", "content": "b"},
        ],
        [{"role": "user", "content": "Hi"}, {"role": "function", "name": "f", "content": "5"}],
    ],
)
def test_the_server_answers_any_order_with_a_warning(running, turns):
    got = httpx.post(running.url + "/v1/chat/completions", json={"messages": turns, "max_tokens": 1})
    assert got.status_code == 200 and got.headers["x-nunbit-warnings"]


def test_unknown_fields_within_messages_are_named(running):
    part = {"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}}
    turns = [{"role": "user", "name": "kim", "content": [part]}, {"role": "assistant", "reasoning_content": "x"}]
    got = httpx.post(running.url + "/v1/chat/completions", json={"messages": turns, "max_tokens": 1})
    said = got.headers["x-nunbit-warnings"]
    for name in ("messages.0.name", "messages.0.content.0.cache_control", "messages.1.reasoning_content"):
        assert f"'{name}'" in said


@pytest.mark.parametrize(
    "aside", [{"images": ["iVBO"]}, {"image": {"url": "x"}}, {"data": "data:image/png;base64,AAAA"}, {"imgae_url": "a"}]
)
def test_a_picture_beside_the_content_is_refused(running, aside):
    for turn in ({"content": "What?"} | aside, {"content": [{"type": "text", "text": "What?"} | aside]}):
        got = httpx.post(running.url + "/v1/chat/completions", json={"messages": [{"role": "user"} | turn]})
        assert got.status_code == 400 and "a picture in the field 'messages.0." in got.json()["error"]["message"]
