"""/v1/responses as the openai package uses it: text and pictures, streams, functions, conversations, errors."""

import asyncio
import json

import httpx
import pytest
from pydantic import BaseModel

from nunbit.messages import question
from nunbit.serving.responses_api.store import ResponseStore
from nunbit.serving.schemas import ChatMessage
from nunbit.serving.settings import ServerSettings

openai = pytest.importorskip("openai")
ASK = "What color is the circle?"
PAINT = {
    "type": "function",
    "name": "paint",
    "description": "Paint it.",
    "strict": True,
    "parameters": {
        "type": "object",
        "properties": {"colour": {"enum": ["red", "green"]}},
        "required": ["colour"],
        "additionalProperties": False,
    },
}
CLICK = {"type": "function", "name": "click", "parameters": {"type": "object", "properties": {"x": {"enum": [1, 2]}}}}


class Answer(BaseModel):
    """A form of an answer."""

    yes: bool


def turn(text, *uris):
    pictures = [{"type": "input_image", "image_url": u, "detail": "auto"} for u in uris]
    return [{"role": "user", "content": [*pictures, {"type": "input_text", "text": text}]}]


@pytest.fixture
def client(running):
    return openai.OpenAI(base_url=running.url + "/v1", api_key="none", max_retries=0)


@pytest.fixture(scope="module")
def wanted(assistant, pictures):
    return assistant.ask(question(ASK, [pictures[0]]), max_new_tokens=64)


def test_the_answer_and_its_usage_are_those_of_the_library(client, wanted, uris):
    got = client.responses.create(model="nunbit-tiny", input=turn(ASK, uris[0]), metadata={"a": "b"})
    assert got.output_text == wanted.text and got.status == "completed" and got.metadata == {"a": "b"}
    assert got.usage.output_tokens == wanted.tokens and got.usage.input_tokens > 144
    assert got.usage.total_tokens == got.usage.input_tokens + got.usage.output_tokens
    again = client.responses.create(model="nunbit-tiny", input=turn(ASK, uris[0]))
    assert again.usage.input_tokens_details.cached_tokens > 0
    assert client.responses.input_tokens.count(model="nunbit-tiny", input=turn(ASK, uris[0])).input_tokens == (
        got.usage.input_tokens
    )


def test_text_instructions_and_chat_completions_agree(client):
    words = client.responses.create(model="m", input="Hello.", instructions="Be brief.", max_output_tokens=16)
    chat = client.chat.completions.create(
        model="m",
        messages=[{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello."}],
        max_tokens=16,
    )
    assert words.output_text == chat.choices[0].message.content and words.instructions == "Be brief."


def test_a_stream_has_the_events_that_clients_wait_for(client, wanted, uris):
    with client.responses.stream(model="m", input=turn(ASK, uris[0])) as stream:
        events = list(stream)
        final = stream.get_final_response()
    assert final.output_text == wanted.text
    assert "".join(e.delta for e in events if e.type == "response.output_text.delta") == wanted.text
    kinds = [e.type for e in events if e.type != "response.output_text.delta"]
    assert kinds == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    assert [e.sequence_number for e in events] == [*range(len(events))]
    assert final.usage.output_tokens == wanted.tokens


def test_an_answer_that_is_cut_is_incomplete(client, uris):
    got = client.responses.create(model="m", input=turn("Describe the picture.", uris[2]), max_output_tokens=3)
    assert got.status == "incomplete" and got.incomplete_details.reason == "max_output_tokens"
    events = [
        *client.responses.create(model="m", input=turn("Describe it.", uris[2]), max_output_tokens=3, stream=True)
    ]
    assert events[-1].type == "response.incomplete" and events[-1].response.output[0].status == "incomplete"


def test_a_conversation_goes_back_to_earlier_responses(client, running, uris):
    first = client.responses.create(model="m", input=turn(ASK, uris[0]))
    second = client.responses.create(model="m", input="Describe the picture.", previous_response_id=first.id)
    whole = [
        *turn(ASK, uris[0]),
        {"role": "assistant", "content": [{"type": "output_text", "text": first.output_text, "annotations": []}]},
        {"role": "user", "content": "Describe the picture."},
    ]
    by_hand = client.responses.create(model="m", input=whole)
    assert second.output_text == by_hand.output_text and second.usage.input_tokens == by_hand.usage.input_tokens
    assert second.previous_response_id == first.id
    item = {"type": "item_reference", "id": first.output[0].id}
    referred = client.responses.create(model="m", input=[*turn(ASK, uris[0]), item, whole[2]])
    assert referred.usage.input_tokens == by_hand.usage.input_tokens
    assert client.responses.retrieve(first.id).output_text == first.output_text
    client.responses.delete(first.id)
    with pytest.raises(openai.NotFoundError, match="not found"):
        client.responses.retrieve(first.id)
    with pytest.raises(openai.BadRequestError, match="send the conversation so far|Send the conversation") as found:
        client.responses.create(model="m", input="And now?", previous_response_id=first.id)
    assert found.value.code == "previous_response_not_found" and found.value.param == "previous_response_id"
    unkept = client.responses.create(model="m", input="Hello.", store=False)
    with pytest.raises(openai.BadRequestError, match="not found"):
        client.responses.create(model="m", input="And now?", previous_response_id=unkept.id)


def test_a_streamed_response_can_be_continued_at_once(client, uris):
    async def both():
        made = openai.AsyncOpenAI(base_url=client.base_url, api_key="none", max_retries=0)
        stream = await made.responses.create(model="m", input=turn(ASK, uris[0]), stream=True)
        last = [e async for e in stream][-1]
        return await made.responses.create(model="m", input="Why?", previous_response_id=last.response.id)

    assert asyncio.run(both()).status == "completed"


def test_functions_are_called_and_their_results_go_back(client, uris):
    pytest.importorskip("llguidance")
    named = client.responses.create(
        model="m", input=turn(ASK, uris[0]), tools=[PAINT, CLICK], tool_choice={"type": "function", "name": "paint"}
    )
    [call] = named.output
    assert call.type == "function_call" and json.loads(call.arguments)["colour"] in ("red", "green")
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "done"}
    after = client.responses.create(model="m", input=[result], previous_response_id=named.id, tools=[PAINT])
    assert after.output[0].type == "message"
    asked = [*turn(ASK, uris[0]), call.to_dict(), {**result, "output": turn("done", uris[1])[0]["content"]}]
    by_hand = client.responses.create(model="m", input=asked, tools=[PAINT])
    assert by_hand.usage.input_tokens > after.usage.input_tokens + 100  # the result's picture is read


@pytest.mark.parametrize("choice", ["required", {"type": "function", "name": "paint"}])
def test_a_forced_call_is_streamed(client, choice):
    pytest.importorskip("llguidance")
    wish = dict(model="m", input="Paint it.", tools=[PAINT], tool_choice=choice, parallel_tool_calls=False)
    with client.responses.stream(**wish) as stream:
        events = list(stream)
        final = stream.get_final_response()
    calls = [o for o in final.output if o.type == "function_call"]
    deltas = "".join(e.delta for e in events if e.type == "response.function_call_arguments.delta")
    assert calls and deltas == "".join(c.arguments for c in calls) and final.output == calls
    assert sum(e.type == "response.output_item.added" for e in events) == len(calls)


def test_allowed_tools_narrow_the_choice(client):
    pytest.importorskip("llguidance")
    allowed = {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "paint"}]}
    got = client.responses.create(
        model="m", input="Do it.", tools=[PAINT, CLICK], tool_choice=allowed, parallel_tool_calls=False
    )
    assert [o.name for o in got.output] == ["paint"]


def test_answers_of_a_given_form_and_their_log_probabilities(client, uris):
    pytest.importorskip("llguidance")
    got = client.responses.parse(model="m", input=turn(ASK, uris[0]), text_format=Answer)
    assert isinstance(got.output_parsed, Answer)
    scored = client.responses.create(
        model="m", input=ASK, include=["message.output_text.logprobs"], top_logprobs=2, max_output_tokens=2
    )
    entries = scored.output[0].content[0].logprobs
    assert len(entries) == 2 and len(entries[0].top_logprobs) == 2 and entries[0].logprob <= 0


@pytest.mark.parametrize(
    ("fields", "says", "param"),
    [
        ({"input": []}, "an empty input", "input"),
        ({"input": "a", "background": True}, "background", "background"),
        ({"input": "a", "conversation": "conv_1"}, "kept by the hosted API", "conversation"),
        ({"input": "a", "tools": [{"type": "web_search"}]}, "a tool of type 'web_search'", "tools"),
        ({"input": "a", "tool_choice": "required"}, "tool_choice without tools", "tool_choice"),
        ({"input": [{"type": "computer_call"}]}, "an input item of type 'computer_call'", "input.0"),
        ({"input": [{"role": "user"}]}, "a message without content", "input.0"),
        ({"input": [{"type": "item_reference", "id": "msg_x_0"}]}, "item 'msg_x_0' not found", "input"),
        ({"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "f"}]}]}, "input_file", "input.0"),
        ({"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}]}, "no files", "input.0"),
        ({"input": turn("a", "/etc/passwd")}, "local file", None),
        ({"input": [{"role": "user", "content": "a", "images": ["x"]}]}, "a picture in the field", "input.0.images"),
        ({"input": [{"role": "user", "content": "a"}] * 65}, "65 messages", "input"),
        ({"input": "a", "model": "gpt-9"}, "does not exist", "model"),
        ({"input": "a", "text": {"format": {"type": "json_schema", "name": "x"}}}, "without a schema", None),
        ({"input": "a", "max_output_tokens": 0}, "'max_output_tokens'", "max_output_tokens"),
        ({}, "'input' is missing", "input"),
    ],
)
def test_what_is_not_served_is_refused_with_a_sentence(running, fields, says, param):
    got = httpx.post(running.url + "/v1/responses", json=fields)
    error = got.json()["error"]
    assert got.status_code in (400, 404) and says in error["message"]
    assert param is None or error["param"] == param


def test_fields_without_effect_are_named(running):
    body = {"input": "a", "max_output_tokens": 1, "truncation": "auto", "reasoning": {"effort": "low"}, "user": "u"}
    warned = httpx.post(running.url + "/v1/responses", json=body).headers["X-Nunbit-Warnings"]
    assert "'reasoning'" in warned and "truncation" in warned and "user" not in warned


def test_a_response_belongs_to_its_key(start):
    server = start(ServerSettings(api_keys=("one", "two"), max_tokens=4))
    one, two = (openai.OpenAI(base_url=server.url + "/v1", api_key=k, max_retries=0) for k in ("one", "two"))
    made = one.responses.create(model="nunbit-tiny", input="Hello.")
    assert one.responses.retrieve(made.id).id == made.id
    with pytest.raises(openai.NotFoundError):
        two.responses.retrieve(made.id)


def test_the_store_is_bounded():
    store = ResponseStore(max_bytes=60_000)
    for i in range(9):
        store.keep("", {"id": f"resp_{i}", "output": []}, [ChatMessage(role="user", content="x" * 10_000)])
    assert store.held.bytes <= 60_000 and store.get("resp_0", "") is None and store.get("resp_8", "") is not None
