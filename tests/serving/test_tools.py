"""tool_choice: what the template is given, and answers that must be calls."""

import json

import httpx
import pytest
from pydantic import ValidationError

from nunbit.serving.errors import RequestError
from nunbit.serving.schemas import ChatRequest
from nunbit.serving.tools import MAX_CALLS, ToolCall, ToolChoice, tool_choice_of

openai = pytest.importorskip("openai")
POINT = {
    "type": "object",
    "properties": {"x": {"enum": [1, 2]}, "y": {"enum": [1, 2]}},
    "required": ["x", "y"],
    "additionalProperties": False,
}
COLOURS = {
    "type": "object",
    "properties": {"colour": {"enum": ["red", "green"]}},
    "required": ["colour"],
    "additionalProperties": False,
}
TOOLS = [
    {"type": "function", "function": {"name": "click", "description": "Click a pixel.", "parameters": POINT}},
    {"type": "function", "function": {"name": "paint", "parameters": COLOURS}},
]
NAMED = {"type": "function", "function": {"name": "paint"}}
MESSAGES = [{"role": "user", "content": "Paint it."}]


def choice(**fields):
    return tool_choice_of(ChatRequest(messages=MESSAGES, **fields))


def test_none_hides_the_tools_and_auto_leaves_the_answer_free():
    assert choice(tools=TOOLS, tool_choice="none") == ToolChoice()
    assert choice(tool_choice="none") == ToolChoice()
    for auto in ({}, {"tool_choice": "auto"}):
        assert choice(tools=TOOLS, **auto) == ToolChoice(TOOLS) and not choice(tools=TOOLS, **auto).forced


def test_a_named_function_is_its_parameters_and_required_a_list_of_calls():
    named = choice(tools=TOOLS, tool_choice=NAMED)
    assert named.schema == COLOURS and named.function == "paint"
    many, one = (
        choice(tools=TOOLS, tool_choice="required"),
        choice(tools=TOOLS, tool_choice="required", parallel_tool_calls=False),
    )
    assert many.schema["minItems"] == one.schema["minItems"] == one.schema["maxItems"] == 1
    assert many.schema["maxItems"] == MAX_CALLS
    assert [c["properties"]["name"]["enum"] for c in many.schema["items"]["anyOf"]] == [["click"], ["paint"]]


def test_definitions_move_to_the_root():
    side = {
        "$defs": {"Side": {"enum": ["left", "right"]}},
        "type": "object",
        "properties": {"side": {"$ref": "#/$defs/Side"}},
    }
    tool = {"type": "function", "function": {"name": "turn", "parameters": side}}
    schema = choice(tools=[tool], tool_choice="required").schema
    assert schema["$defs"] == side["$defs"] and "$defs" not in schema["items"]["anyOf"][0]["properties"]["arguments"]
    other = json.loads(json.dumps(tool).replace("left", "up").replace("turn", "lift"))
    with pytest.raises(RequestError, match="two different definitions of 'Side'"):
        choice(tools=[tool, other], tool_choice="required")


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"tool_choice": "auto"}, "without tools"),
        ({"tool_choice": "required", "tools": []}, "without tools"),
        ({"tool_choice": "any", "tools": TOOLS}, "not known"),
        ({"tool_choice": {"type": "allowed_tools", "allowed_tools": {}}, "tools": TOOLS}, "not known"),
        ({"tool_choice": {"type": "function", "function": {}}, "tools": TOOLS}, "not known"),
        ({"tool_choice": {"type": "function", "function": {"name": "pain"}}, "tools": TOOLS}, "click, paint"),
        ({"tool_choice": "required", "tools": [{"type": "search"}]}, "tool 0"),
        ({"tool_choice": "required", "tools": [{"type": "function", "function": {"name": "a b"}}]}, "tool 0"),
        ({"tool_choice": "required", "tools": TOOLS, "response_format": {"type": "json_object"}}, "one of the two"),
    ],
)
def test_what_cannot_be_is_refused(fields, says):
    with pytest.raises(RequestError, match=says) as found:
        choice(**fields)
    assert found.value.param in ("tool_choice", "tools")


def test_a_tool_choice_of_another_type_is_no_request():
    with pytest.raises(ValidationError):
        choice(tools=TOOLS, tool_choice=1)


def test_calls_are_read_from_a_list_also_from_one_that_was_cut():
    click, paint = (
        '{"name":"click","arguments":{"x":1,"y":{"z":"}]"}}}',
        '{"name": "paint", "arguments": {"colour": "red"}}',
    )
    required = choice(tools=TOOLS, tool_choice="required")
    whole = required.calls(f"[{click}, {paint}]")
    assert whole == [ToolCall("click", '{"x":1,"y":{"z":"}]"}}'), ToolCall("paint", '{"colour": "red"}')]
    assert required.calls(f"[{click},{paint[:-5]}") == [whole[0], ToolCall("paint", '{"colour": "r')]
    assert required.calls('[{"na') == []
    assert choice(tools=TOOLS, tool_choice=NAMED).calls('{"colour":') == [ToolCall("paint", '{"colour":')]


@pytest.fixture
def client(running):
    pytest.importorskip("llguidance")
    return openai.OpenAI(base_url=running.url + "/v1", api_key="none", max_retries=0)


def test_required_gives_calls_that_fit(client):
    got = client.chat.completions.create(
        model="m",
        messages=MESSAGES,
        tools=TOOLS,
        tool_choice="required",
        parallel_tool_calls=False,
        seed=3,
        temperature=1.0,
    )
    (made,) = got.choices
    (call,) = made.message.tool_calls
    assert made.finish_reason == "tool_calls" and made.message.content is None and call.id.startswith("call_")
    keys = {"click": {"x", "y"}, "paint": {"colour"}}
    assert set(json.loads(call.function.arguments)) == keys[call.function.name]


@pytest.mark.parametrize("wanted", ["required", NAMED])
def test_streamed_calls_are_those_of_the_whole_answer(client, wanted):
    fields = {
        "model": "m",
        "messages": MESSAGES,
        "tools": TOOLS[1:],
        "tool_choice": wanted,
        "parallel_tool_calls": False,
    }
    (whole,) = client.chat.completions.create(**fields).choices
    assert whole.finish_reason == ("tool_calls" if wanted == "required" else "stop")
    deltas = [c.choices[0] for c in client.chat.completions.create(**fields, stream=True)]
    calls = [call for d in deltas for call in d.delta.tool_calls or []]
    assert {c.index for c in calls} == {0} and "".join(c.function.name or "" for c in calls) == "paint"
    assert "".join(c.function.arguments for c in calls) == whole.message.tool_calls[0].function.arguments
    assert json.loads(whole.message.tool_calls[0].function.arguments)["colour"] in ("red", "green")
    assert not any(d.delta.content for d in deltas) and deltas[-1].finish_reason == whole.finish_reason


def test_none_and_auto_answer_in_words_and_what_is_unknown_is_a_400(running):
    url = running.url + "/v1/chat/completions"
    plain = httpx.post(url, json={"messages": MESSAGES, "max_tokens": 4}).json()["choices"][0]["message"]
    for wanted in ("none", "auto"):
        got = httpx.post(url, json={"messages": MESSAGES, "tools": TOOLS, "tool_choice": wanted, "max_tokens": 4})
        assert got.json()["choices"][0]["message"] == plain
        assert ("tools" in got.headers.get("x-nunbit-warnings", "")) is (wanted == "auto"), (
            "this template shows no tools"
        )
    got = httpx.post(url, json={"messages": MESSAGES, "tools": TOOLS, "tool_choice": "any"})
    error = got.json()["error"]
    assert got.status_code == 400 and (error["type"], error["param"]) == ("invalid_request_error", "tool_choice")
