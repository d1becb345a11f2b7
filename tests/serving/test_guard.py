"""The guard over the API: marked, stripped, refused; whole, streamed and as a response; stricter, never weaker."""

import json

import httpx
import pytest
from tests.serving.conftest import uri
from tests.trust.guard.test_guard import ORDER, Echo, page

from nunbit.scene import Scene, TextLine
from nunbit.serving.perception import PerceptionService
from nunbit.serving.settings import ServerSettings
from nunbit.trust.guard.guard import Guard, GuardConfig

LINE = TextLine.from_box(ORDER, (90, 240, 630, 280), 0.95)
URL = uri(page())
TURNS = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": URL}}, {"type": "text", "text": "?"}]}]
INPUT = [{"role": "user", "content": [{"type": "input_image", "image_url": URL}, {"type": "input_text", "text": "?"}]}]


@pytest.fixture(scope="module")
def server(start):
    return start(ServerSettings(max_tokens=4, guard=GuardConfig(policy="mark", views=False)), slots=2)


@pytest.fixture(autouse=True)
def read(monkeypatch):
    """Perception reads the order in every picture."""
    scenes = lambda self, pictures, known: [Scene(p.width, p.height, text_lines=[LINE]) for p in pictures]  # noqa: E731
    monkeypatch.setattr(PerceptionService, "scenes_of", scenes)
    monkeypatch.setattr(Guard, "recognise", Echo())


def post(server, path="/v1/chat/completions", **more):
    body = {"messages": TURNS} if "chat" in path else {"input": INPUT}
    return httpx.post(server.url + path, json=body | more, timeout=120)


def test_the_verdict_stands_beside_the_answer(server):
    reply = post(server).json()
    found = reply["choices"][0]["guard"]
    assert found["action"] == "marked" and found["text"] == ORDER and found["findings"][0]["box"] == [90, 240, 630, 280]
    assert any("order to a model" in w for w in reply["nunbit_warnings"])
    assert post(server, "/v1/responses").json()["guard"]["action"] == "marked"


def test_a_stream_ends_with_the_verdict(server):
    events = [json.loads(e[6:]) for e in post(server, stream=True).text.split("\n\n") if "{" in e]
    assert [e["choices"][0].get("guard", {}).get("action") for e in events if e["choices"]][-1] == "marked"
    text = post(server, "/v1/responses", stream=True).text
    last = json.loads([line for line in text.splitlines() if line.startswith("data: {")][-1][6:])
    assert last["response"]["guard"]["found"]


def test_a_request_may_be_stricter_but_not_weaker(server):
    refused = post(server, guard="block")
    error = refused.json()["error"]
    assert refused.status_code == 400 and error["code"] == "picture_blocked" and "BANANA" in error["message"]
    assert error["guard"]["findings"][0]["box"] == [90, 240, 630, 280]
    weaker = post(server, guard="off").json()
    assert weaker["choices"][0]["guard"]["action"] == "marked"
    assert any("stricter" in w for w in weaker["nunbit_warnings"])
    assert post(server, guard="strip").json()["choices"][0]["guard"]["action"] == "stripped"


def test_an_unknown_policy_is_refused_and_text_alone_is_not_judged(server):
    assert post(server, guard="marks").status_code == 400
    plain = httpx.post(
        server.url + "/v1/chat/completions", json={"messages": [{"role": "user", "content": "hello"}]}, timeout=120
    ).json()
    assert "guard" not in plain["choices"][0]
