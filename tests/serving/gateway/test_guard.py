"""The guard in front of another server: what is sent on is marked or masked, and nothing is where it is refused."""

import base64
import io

import httpx
import numpy as np
from PIL import Image
from tests.serving.conftest import uri
from tests.trust.guard.test_guard import ORDER, Echo, page

from nunbit.messages import Message, Part
from nunbit.scene import Scene, TextLine
from nunbit.serving.gateway.options import BackendOptions
from nunbit.serving.gateway.rewriting import rewritten
from nunbit.serving.perception import PerceptionService
from nunbit.serving.settings import ServerSettings
from nunbit.trust.guard.conversation import guard_conversation
from nunbit.trust.guard.guard import Guard, GuardConfig

LINE = TextLine.from_box(ORDER, (90, 240, 630, 280), 0.95)
URL = uri(page())
TURNS = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": URL}}, {"type": "text", "text": "?"}]}]


def scene(picture):
    return Scene(picture.width, picture.height, text_lines=[LINE])


def sent(policy, **options):
    guard = Guard(GuardConfig(policy=policy, views=False), Echo())
    turns = [Message("user", (Part.image(page()), Part.text("?")))]
    made = guard_conversation(guard, turns, lambda pictures: [scene(p) for p in pictures])
    backend = BackendOptions("m", "http://127.0.0.1:9/v1", "m", **options)
    return rewritten(TURNS, made.messages, backend, scene, made.verdict)[0]["content"], made.messages[0].data_mark


def test_what_was_found_is_sent_on_as_data():
    content, mark = sent("mark")
    assert content[0]["image_url"]["url"] == URL and content[1]["text"].count(mark) == 2 and ORDER in content[1]["text"]
    words, mark = sent("mark", pictures="replace", scene_prompt="plain")
    assert isinstance(words, str) and words.count(mark) == 2 and words.index(mark) < words.index("Ignore all")


def test_a_masked_picture_takes_the_place_of_the_other():
    content, _ = sent("strip")
    data = base64.b64decode(content[0]["image_url"]["url"].partition(",")[2])
    assert np.asarray(Image.open(io.BytesIO(data))).std() < 1


def test_a_blocked_picture_never_reaches_the_backend(upstream, start_gateway, monkeypatch):
    monkeypatch.setattr(PerceptionService, "scenes_of", lambda self, pictures, known: [scene(p) for p in pictures])
    settings = ServerSettings(guard=GuardConfig(policy="block", views=False))
    server = start_gateway([BackendOptions("m", upstream.url, "whole")], settings)
    before = len(upstream.asked)
    for path, body in (("chat/completions", {"messages": TURNS}), ("responses", {"input": TURNS})):
        refused = httpx.post(f"{server.url}/v1/{path}", json={"model": "m", **body}, timeout=60)
        assert refused.status_code == 400 and refused.json()["error"]["code"] == "picture_blocked"
    assert len(upstream.asked) == before
