"""Evidence over the API: asked for by a field of the request, in whole answers and at the end of streams."""

import json
from pathlib import Path

import httpx
from PIL import Image
from tests.serving.conftest import uri

from nunbit.evidence import from_json

PICTURE = Path(__file__).parents[2] / "examples" / "animals.png"
QUESTION = "Is there an elephant?"


def post(running, **more):
    picture = {"type": "image_url", "image_url": {"url": uri(Image.open(PICTURE).convert("RGB"))}}
    turns = [{"role": "user", "content": [picture, {"type": "text", "text": QUESTION}]}]
    return httpx.post(running.url + "/v1/chat/completions", json={"messages": turns, **more}, timeout=120)


def test_evidence_comes_where_it_is_asked_for(running):
    plain = post(running).json()
    assert "evidence" not in plain["choices"][0]
    choice = post(running, evidence=True).json()["choices"][0]
    assert choice["message"] == plain["choices"][0]["message"]
    claims = from_json({k: v for k, v in choice["evidence"].items() if k != "contradictions"})
    answer = choice["message"]["content"]
    assert claims and all(answer[slice(*c.span)] == c.text for c in claims)
    assert {c.about for c in claims} == {"elephant"} and claims[0].kind == "existence"
    contradicted = [c for c in claims if c.verdict == "contradicted"]
    assert len(choice["evidence"]["contradictions"]) == len(contradicted)
    events = [json.loads(e[6:]) for e in post(running, evidence=True, stream=True).text.split("\n\n") if "{" in e]
    found = [e["choices"][0]["evidence"] for e in events if e["choices"] and "evidence" in e["choices"][0]]
    assert found == [choice["evidence"]] and events[-1]["choices"][0]["finish_reason"]


def test_a_conversation_without_pictures_has_no_claims(running):
    turns = [{"role": "user", "content": QUESTION}]
    reply = httpx.post(running.url + "/v1/chat/completions", json={"messages": turns, "evidence": True}, timeout=60)
    assert reply.json()["choices"][0]["evidence"]["claims"] == []


def test_evidence_is_true_or_false(running):
    assert post(running, evidence="maybe").status_code in (400, 422)
