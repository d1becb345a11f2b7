"""data: URLs in every form in which clients send pictures, and what only begins like one."""

import httpx
import pytest


@pytest.fixture
def base64_text(uris):
    return uris[0].partition(",")[2]


FORMS = [
    "data:;base64,{}",
    "data:application/octet-stream;base64,{}",
    'data:image/png;name="a b.png";base64,{}',
    "data:image/png;charset=utf-8;base64,{}",
    "\n data:image/png;base64,{} \n",
    "DATA:image/PNG;BASE64,{}",
]


@pytest.mark.parametrize("form", FORMS)
def test_the_content_decides(running, base64_text, form):
    percent = base64_text.replace("=", "%3D").replace("+", "%2B").replace("/", "%2F")
    for text in (base64_text, percent):
        part = {"type": "image_url", "image_url": {"url": form.format(text)}}
        body = {"messages": [{"role": "user", "content": [part]}], "max_tokens": 1}
        assert httpx.post(running.url + "/v1/chat/completions", json=body).status_code == 200


def test_text_that_begins_with_data_is_text(running, uris):
    url = running.url + "/v1/embeddings"
    for text in ("data: the plural of datum, they say", "data:a,b"):
        got = httpx.post(url, json={"input": text})
        assert got.status_code == 200 and got.json()["usage"]["total_tokens"] < 40
    assert httpx.post(url, json={"input": uris[0]}).status_code == 200


def test_dimensions_are_the_models_or_refused(running):
    url = running.url + "/v1/embeddings"
    width = len(httpx.post(url, json={"input": "a"}).json()["data"][0]["embedding"])
    assert httpx.post(url, json={"input": "a", "dimensions": width}).status_code == 200
    got = httpx.post(url, json={"input": "a", "dimensions": width - 1})
    assert got.status_code == 400 and str(width) in got.json()["error"]["message"]
    assert "wonder" in httpx.post(url, json={"input": "a", "wonder": 1}).headers["x-nunbit-warnings"]
