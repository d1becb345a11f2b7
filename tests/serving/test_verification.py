"""Corrected answers over the API: whole, streamed, by default of the operator, and never of calls or JSON."""

import json
from pathlib import Path

import httpx
import pytest
from openai import OpenAI
from PIL import Image
from tests.serving.conftest import uri

from nunbit.scene import Scene, SceneObject
from nunbit.serving.perception import PerceptionService
from nunbit.serving.settings import ServerSettings
from nunbit.trust.trace import from_json

PICTURE = Path(__file__).parents[2] / "examples" / "animals.png"
CONTENT = [
    {"type": "image_url", "image_url": {"url": uri(Image.open(PICTURE).convert("RGB"))}},
    {"type": "text", "text": "Is there an elephant?"},
]
TURNS = [{"role": "user", "content": CONTENT}]


@pytest.fixture(scope="module")
def server(start):
    """A server whose perception always finds an elephant, or none, so that its model's answer is wrong once."""
    return start(ServerSettings(max_tokens=16, verify_llm=False), slots=2)


@pytest.fixture(params=[0, 1])
def wrong(request, server, monkeypatch):
    objects = [SceneObject("elephant", (10, 10, 400, 300), 0.95)] * request.param
    scene = Scene(640, 480, objects, meta={"perception": {"panoptic": {"status": "ok", "provider": "other"}}})
    monkeypatch.setattr(PerceptionService, "scenes_of", lambda self, pictures, scenes: [scene] * len(pictures))
    monkeypatch.setattr("nunbit.trust.woodpecker._faint", lambda image: frozenset())
    return "yes" if request.param else "no"


def post(server, path="/v1/chat/completions", **more):
    return httpx.post(server.url + path, json={"messages": TURNS, **more}, timeout=120)


def test_the_answer_is_corrected_where_a_request_asks(server, wrong):
    plain = post(server).json()["choices"][0]
    assert "verification" not in plain
    choice = post(server, verify=True, evidence=True).json()["choices"][0]
    made = from_json(choice["verification"])
    assert made.original == plain["message"]["content"] and made.answer == choice["message"]["content"] == wrong
    assert made.changed == (plain["message"]["content"] != wrong) == bool(made.corrections)
    assert choice["evidence"]["claims"] == choice["verification"]["evidence"]["claims"]


def test_a_stream_holds_its_words_back_until_they_are_checked(server, wrong):
    lines = post(server, verify=True, stream=True, stream_options={"include_usage": True}).text.split("\n\n")
    events = [json.loads(e[6:]) for e in lines if "{" in e]
    said = [e["choices"][0]["delta"].get("content") for e in events if e["choices"]]
    assert [s for s in said if s] == [wrong]
    assert from_json(events[-2]["choices"][0]["verification"]).answer == wrong
    assert events[-1]["usage"]["completion_tokens"] >= 1


def test_the_openai_package_reads_the_corrected_answer(server, wrong):
    client = OpenAI(base_url=server.url + "/v1", api_key="none")
    reply = client.chat.completions.create(model="nunbit-tiny", messages=TURNS, extra_body={"verify": True})
    assert reply.choices[0].message.content == wrong
    content = [{"type": "input_image", "image_url": CONTENT[0]["image_url"]["url"]}]
    content.append({"type": "input_text", "text": CONTENT[1]["text"]})
    asked = {"model": "nunbit-tiny", "input": [{"role": "user", "content": content}], "extra_body": {"verify": True}}
    response = client.responses.create(**asked)
    assert response.output_text == wrong and from_json(response.model_extra["verification"]).answer == wrong
    with client.responses.stream(**asked) as stream:
        events = [e for e in stream if e.type == "response.output_text.delta"]
    assert "".join(e.delta for e in events) == wrong


def test_the_operator_may_have_every_answer_checked(start, wrong):
    server = start(ServerSettings(max_tokens=16, verify=True), slots=2)
    assert httpx.get(server.url + "/v1/models").json()["data"][0]["about"]["verify"] is True
    choice = post(server).json()["choices"][0]
    assert choice["message"]["content"] == wrong and "verification" in choice
    assert "verification" not in post(server, verify=False).json()["choices"][0]


def test_calls_json_and_talk_without_pictures_are_left_alone(server, wrong):
    form = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}}
    assert "verification" not in post(server, verify=True, response_format=form).json()["choices"][0]
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}]
    assert "verification" not in post(server, verify=True, tools=tools, tool_choice="required").json()["choices"][0]
    talk = [{"role": "user", "content": "Is there an elephant?"}]
    assert "verification" not in post(server, verify=True, messages=talk).json()["choices"][0]
    assert post(server, verify="maybe").status_code in (400, 422)
