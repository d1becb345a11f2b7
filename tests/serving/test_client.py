"""The client of other servers: connections are kept, what a server does wrong is a failure, and nothing is carried
elsewhere."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from nunbit.errors import UserError
from nunbit.evaluation.target import Failure
from nunbit.messages import EncodedImage, Message, Part, user
from nunbit.serving import client

SAID = {"choices": [{"message": {"content": "yes"}}]}


class Stub(BaseHTTPRequestHandler):
    protocol_version, disable_nagle_algorithm = "HTTP/1.1", True

    def do_GET(self):
        self.reply(200, json.dumps({"data": [{"id": "stub"}]}).encode())

    def do_POST(self):
        length = int(self.headers["Content-Length"])
        self.server.seen.append(
            (self.client_address, json.loads(self.rfile.read(length)), self.headers.get("Authorization"))
        )
        self.server.act(self)

    def reply(self, status, body, **headers):
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    made = ThreadingHTTPServer(("127.0.0.1", 0), Stub)
    made.seen, made.act = [], lambda h: h.reply(200, json.dumps(SAID).encode())
    made.url = f"http://127.0.0.1:{made.server_port}/v1"
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield made
    made.shutdown()
    made.server_close()


def asked(n):
    return [[Message("user", (Part.image(EncodedImage(b"GIF89a...")), Part.text(f"question {k}?")))] for k in range(n)]


def test_many_requests_share_few_connections(server):
    target = client.remote_target(server.url + "/chat/completions", key="secret", concurrent=3)
    assert [*target.answer(asked(40))] == ["yes"] * 40 and target.name == f"stub at {server.url}"
    assert len({address for address, _, _ in server.seen}) <= 3
    body, key = server.seen[0][1:]
    assert key == "Bearer secret" and body["messages"][0]["content"][0]["image_url"]["url"].startswith(
        "data:image/gif;base64,"
    )


def test_a_connection_closed_meanwhile_is_no_failure(server):
    def last(handler):
        handler.reply(200, json.dumps(SAID).encode())
        handler.close_connection = True  # without saying so

    server.act = last
    target = client.remote_target(server.url, concurrent=1)
    for _ in range(4):
        assert [*target.answer(asked(2))] == ["yes"] * 2


@pytest.mark.parametrize(
    "status, body",
    [
        (500, b"oops"),
        (429, b"later"),
        (200, b"no json"),
        (200, b"{}"),
        (200, b'{"choices": [{"message": {"content": null}}]}'),
        (200, b"[" * 100_000),
    ],
)
def test_what_a_server_does_wrong_is_a_failure(server, status, body):
    server.act = lambda h: h.reply(status, body)
    (found,) = client.remote_target(server.url).answer(asked(1))
    assert isinstance(found, Failure)
    server.act = lambda h: h.reply(200, json.dumps(SAID).encode())
    assert [*client.remote_target(server.url).answer(asked(2))] == ["yes", "yes"]


@pytest.mark.parametrize(
    "choice, said",
    [
        ({"message": {"content": None}, "finish_reason": "length"}, ""),
        ({"message": {"content": None, "reasoning_content": "hm"}, "finish_reason": "stop"}, ""),
        ({"message": {"content": None, "tool_calls": [{}]}, "finish_reason": "tool_calls"}, ""),
        ({"message": {"content": None, "refusal": "I cannot."}, "finish_reason": "stop"}, "I cannot."),
        ({"message": {}, "finish_reason": "content_filter"}, ""),
        ({"message": {"content": ""}}, ""),
        ({"message": {"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}}, "ab"),
        ({"message": {"content": "re\ud83dd"}}, "re\ufffdd"),
    ],
)
def test_a_reply_without_words_is_an_empty_answer(server, choice, said):
    server.act = lambda h: h.reply(200, json.dumps({"choices": [choice]}).encode())
    assert [*client.remote_target(server.url).answer(asked(1))] == [said]


def test_a_server_that_says_more_than_is_held_or_less_than_it_promised(server, monkeypatch):
    monkeypatch.setattr(client, "MAX_REPLY_BYTES", 1000)
    server.act = lambda h: h.reply(200, b'"' + b"x" * 2000 + b'"')
    target = client.remote_target(server.url, timeout_s=2)
    assert "1000 bytes" in target.answer(asked(1))[0].why

    def cut(handler):
        handler.reply(200, b'{"choi', **{"Content-Length": "400"})
        handler.close_connection = True

    server.act = cut
    assert isinstance(target.answer(asked(1))[0], Failure)
    server.act = lambda h: h.reply(200, json.dumps(SAID).encode())
    assert [*target.answer(asked(3))] == ["yes"] * 3


def test_a_redirect_is_not_followed_and_a_refusal_ends_the_run(server):
    server.act = lambda h: h.reply(302, b"", Location=server.url + "/elsewhere")
    assert "302" in client.remote_target(server.url).answer(asked(1))[0].why and len(server.seen) == 1
    server.act = lambda h: h.reply(401, b"no key")
    with pytest.raises(UserError, match="401: no key"):
        client.remote_target(server.url).answer(asked(1))


@pytest.mark.parametrize(
    "url", ["", "localhost:8000", "file:///etc/passwd", "http://", "http://host:port/v1", "http://[::1"]
)
def test_what_is_no_address(url):
    with pytest.raises(UserError):
        client.remote_target(url)


def test_nobody_there_is_said():
    with pytest.raises(UserError, match="cannot be used"):
        client.remote_target("http://127.0.0.1:9/v1", timeout_s=2)
    target = client.remote_target("http://127.0.0.1:9/v1", model="x", timeout_s=2)
    assert isinstance(target.answer([[user("hello?")]])[0], Failure)


def test_a_proxy_is_asked_for_the_whole_address(server, monkeypatch):
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("no_proxy", "")
    paths = []
    server.act = lambda h: (paths.append(h.path), h.reply(200, json.dumps(SAID).encode()))
    target = client.remote_target("http://models.example/v1", model="x")
    assert [*target.answer(asked(1))] == ["yes"] and paths == ["http://models.example/v1/chat/completions"]
