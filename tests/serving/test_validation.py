"""Which model a request may name, what browsers ask before they call, and bodies that are not what they should be."""

import httpx
import pytest

from nunbit.serving.settings import ServerSettings

MESSAGES = [{"role": "user", "content": "Hi"}]
BODIES = {
    "chat/completions": {"messages": MESSAGES, "max_tokens": 1},
    "completions": {"prompt": "Hi", "max_tokens": 1},
    "embeddings": {"input": "Hi"},
}


@pytest.mark.parametrize("path", BODIES)
def test_another_models_name_is_not_found_and_an_alias_is(running, path):
    url = f"{running.url}/v1/{path}"
    got = httpx.post(url, json=BODIES[path] | {"model": "gpt-4o"})
    error = got.json()["error"]
    assert got.status_code == 404 and error["code"] == "model_not_found" and error["param"] == "model"
    assert "nunbit-tiny" in error["message"]
    for name in ("m", "nunbit-tiny", "", None):
        answered = httpx.post(url, json=BODIES[path] | {"model": name})
        assert answered.status_code == 200 and answered.json()["model"] == "nunbit-tiny"


def test_a_star_accepts_every_name(start):
    server = start(ServerSettings(aliases=("*",)), slots=1)
    got = httpx.post(server.url + "/v1/chat/completions", json=BODIES["chat/completions"] | {"model": "gpt-4o"})
    assert got.status_code == 200


@pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded"])
def test_a_body_without_the_header_of_json_names_the_header(running, kind):
    url, body = running.url + "/v1/chat/completions", b'{"messages": [{"role": "user", "content": "Hi"}]}'
    got = httpx.post(url, content=body, headers={"Content-Type": kind} if kind else {})
    assert got.status_code == 400 and "Content-Type: application/json" in got.json()["error"]["message"]


def test_what_is_no_json_is_named(running):
    url, head = running.url + "/v1/chat/completions", {"Content-Type": "application/json"}
    got = httpx.post(url, content=b'{"messages": [', headers=head)
    assert got.status_code == 400 and "JSON" in got.json()["error"]["message"]


def test_browsers_may_send_the_headers_of_their_sdk(start):
    server = start(ServerSettings(origins=("https://a.example",), api_keys=("k",)), slots=1)
    wanted = "authorization,content-type,x-stainless-arch,x-stainless-os,x-stainless-retry-count"
    got = httpx.options(
        server.url + "/v1/chat/completions",
        headers={
            "Origin": "https://a.example",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": wanted,
        },
    )
    assert got.status_code == 200
    assert set(wanted.split(",")) <= {h.strip() for h in got.headers["access-control-allow-headers"].split(",")}


def test_the_document_is_a_page_that_loads_nothing(running):
    got = httpx.get(running.url + "/docs")
    assert got.status_code == 200 and "POST /v1/chat/completions" in got.text and "<code>messages</code>" in got.text
    assert "http://" not in got.text and "https://" not in got.text and "<script" not in got.text
    assert "default-src 'none'" in got.headers["content-security-policy"]
