"""A backend that sends anything at all: the gateway answers in its own form, bounded, and keeps its key."""

import asyncio
import gzip
import json
import time

import httpx
import pytest
from tests.evidence.scenes import scene

from nunbit.errors import UserError
from nunbit.serving.gateway.backend import Backend, BackendFailure
from nunbit.serving.gateway.build import create_gateway
from nunbit.serving.gateway.options import BackendOptions
from nunbit.serving.perception import PerceptionService
from nunbit.serving.settings import ServerSettings

KEY = "sk-secret-of-some-length"
CHOICE = {"index": 0, "message": {"role": "assistant", "content": "Three dogs."}, "finish_reason": "stop"}
DELTA = {"index": 0, "delta": {"content": "Three dogs."}, "finish_reason": "stop"}


class Pieces(httpx.AsyncByteStream):
    def __init__(self, *pieces):
        self.pieces = pieces

    async def __aiter__(self):
        for piece in self.pieces:
            yield piece


def reply(*pieces, status=200, headers=None):
    return httpx.Response(status, stream=Pieces(*pieces), headers=headers)


def asked(answer, body, path="/v1/chat/completions", **options):
    """What the gateway says to a body, before a backend that gives one answer."""
    chosen = BackendOptions("m", "http://backend.test/v1", "m", KEY, retries=0, **options)
    shown = PerceptionService(lambda images: [scene() for _ in images])
    app = create_gateway([chosen], ServerSettings(verify_llm=False), shown, httpx.MockTransport(answer))

    async def run():
        over = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=over, base_url="http://gateway.test") as client:
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            return await client.post(path, content=content, headers={"Content-Type": "application/json"})

    return asyncio.run(run())


def chat(stream=False, **more):
    return {"model": "m", "messages": [{"role": "user", "content": "What is there?"}], "stream": stream, **more}


@pytest.mark.parametrize(
    "more",
    [
        {"choices": 5}, {"choices": True}, {"choices": [5, None, {"message": 5}]}, {"usage": {"completion_tokens": ""}},
        {"usage": {"completion_tokens": -4}}, {"usage": {"completion_tokens": float("inf")}},
        {"x": float("nan")}, {"usage": {"completion_tokens": 10**400}},
        {"nunbit_warnings": ["한글\r\nX-Evil: yes"]},
        {"error": None},
    ],
    ids=repr,
)  # fmt: skip
def test_wrong_types_in_a_whole_reply_are_no_failure_of_ours(more):
    data = json.dumps({"model": "x", "choices": [CHOICE], **more}).encode()
    got = asked(lambda request: reply(data), chat())
    assert got.status_code == 200 and got.json()["model"] == "m" and "NaN" not in got.text
    assert "X-Evil" not in got.headers


@pytest.mark.parametrize("data", [b"null", b"[]", b"3", b'"a"', b"", b"{", b"\xff"], ids=repr)
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/responses"])
def test_a_reply_that_is_no_object_is_a_502(path, data):
    got = asked(lambda request: reply(data), chat(input="a", prompt="a"), path)
    assert got.status_code == 502 and "no JSON object" in got.json()["error"]["message"]


@pytest.mark.parametrize(
    "more",
    [
        {"choices": 5}, {"choices": [{**DELTA, "index": "x"}]}, {"choices": [{**DELTA, "index": {}}]}, {"error": None},
        {"usage": {"completion_tokens": "x"}}, {"usage": {"completion_tokens": -1}}, {"x": float("nan")},
    ],
    ids=repr,
)  # fmt: skip
def test_wrong_types_in_a_stream_do_not_cut_it(more):
    data = json.dumps({"model": "x", "choices": [DELTA], **more}).encode()
    for path, body in (("/v1/chat/completions", chat(True)), ("/v1/responses", {"input": "a", "stream": True})):
        got = asked(lambda request: reply(b"data: " + data + b"\n\ndata: [DONE]\n\n"), body, path)
        assert got.text.rstrip().endswith("[DONE]") and "NaN" not in got.text


@pytest.mark.parametrize("status", [204, 301, 307, 308, 404, 451, 500, 599, 600, 999])
def test_a_refusal_of_any_status_is_an_error_that_leads_nowhere(status):
    hosts = []

    def answer(request):
        hosts.append(request.url.host)
        where = {"Location": "file:///etc/passwd" if status % 2 else "http://elsewhere.test/"}
        return reply(b"<html>" + KEY.encode(), status=status, headers=where)

    got = asked(answer, chat())
    assert got.status_code == (status if 400 <= status < 600 else 502) and got.json()["error"]["message"]
    assert hosts == ["backend.test"] and KEY not in got.text


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("status", [200, 400, 503])
def test_the_key_is_in_no_field_of_an_error(status, stream, caplog):
    error = {"message": f"key {KEY}", "type": [KEY], "param": {"a": KEY}, "code": {KEY: 1}}
    data = json.dumps({"error": error}).encode()
    for path, body in (("/v1/chat/completions", chat(stream)), ("/v1/responses", {"input": "a", "stream": stream})):
        sent = b"data: " + data + b"\n\n" if stream and status == 200 else data
        got = asked(lambda request, sent=sent: reply(sent, status=status, headers={"Retry-After": KEY}), body, path)
        assert "***" in got.text and KEY not in got.text + str(got.headers) + caplog.text


@pytest.mark.parametrize("pause", ["²".encode(), "한".encode(), b"nan", b"1e999", b"-1", b"\xe9"])
def test_a_pause_that_is_no_number_is_left_out(pause):
    got = asked(lambda request: reply(b"{}", status=503, headers=[(b"Retry-After", pause)]), chat())
    assert got.status_code == 503 and "Retry-After" not in got.headers
    kept = asked(lambda request: reply(b"{}", status=503, headers={"Retry-After": "30"}), chat())
    assert kept.headers["Retry-After"] == "30"


def test_packed_replies_are_not_asked_for_and_not_unpacked():
    bomb = gzip.compress(b" " * 10_000_000)

    def answer(request):
        assert request.headers["Accept-Encoding"] == "identity"
        return reply(bomb, headers={"Content-Encoding": "gzip"})

    got = asked(answer, chat())
    assert got.status_code == 502 and "packed" in got.json()["error"]["message"]


def test_a_line_without_an_end_takes_no_time_that_grows_with_its_square():
    pieces = [b"x" * 200] * 45_000  # quadratic copying took a minute
    before = time.monotonic()
    got = asked(lambda request: reply(*pieces), chat(True))
    assert "without an end" in got.text and time.monotonic() - before < 10


def test_one_callers_cookies_are_not_sent_for_another():
    sent = []

    async def run():
        def answer(request):
            sent.append(request.headers.get("cookie"))
            return reply(b"{}", headers={"Set-Cookie": "session=first; Path=/"})

        backend = Backend(BackendOptions("m", "http://backend.test/v1", "m"), httpx.MockTransport(answer))
        for _ in range(2):
            await backend.post("/x", {})
        await backend.close()

    asyncio.run(run())
    assert sent == [None, None]


def test_headers_that_never_end_are_bounded_in_time():
    async def run():
        async def drip(reader, writer):
            try:
                while True:  # interim replies, each in time
                    writer.write(b"HTTP/1.1 103 Early Hints\r\n\r\n")
                    await writer.drain()
                    await asyncio.sleep(0.02)
            except ConnectionError:
                writer.close()

        server = await asyncio.start_server(drip, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        backend = Backend(BackendOptions("m", url, "m", silence_s=5, total_s=0.3))
        with pytest.raises(BackendFailure) as failed:
            await backend.post("/x", {})
        await backend.close()
        server.close()
        return failed.value

    assert asyncio.run(asyncio.wait_for(run(), 10)).status == 504


@pytest.mark.parametrize("found", ["", 5, None, {"a": 1}, "x" * 300, "a\nb", "\x1b[2J"], ids=repr)
def test_a_models_name_is_a_name(found):
    async def run():
        data = json.dumps({"data": [{"id": found}]}).encode()
        backend = Backend(BackendOptions("", "http://backend.test/v1"), httpx.MockTransport(lambda r: reply(data)))
        await backend.find_model()

    with pytest.raises(UserError, match="lists no model"):
        asyncio.run(run())


def test_held_words_are_bounded(uris, monkeypatch):
    monkeypatch.setattr("nunbit.serving.gateway.streaming.MAX_HELD_CHARS", 20)
    event = b"data: " + json.dumps({"choices": [{**DELTA, "finish_reason": None}]}).encode() + b"\n\n"
    content = [{"type": "image_url", "image_url": {"url": uris[0]}}, {"type": "text", "text": "What is there?"}]
    body = chat(True, verify=True) | {"messages": [{"role": "user", "content": content}]}
    assert "too long to be checked" in asked(lambda request: reply(*[event] * 9), body).text


@pytest.mark.parametrize(
    "body",
    [
        b'{"model": ["a"], "input": "x"}', b'{"model": {"a": 1}, "input": "x"}', b'{"input": ["a", 5, null, [[1]]]}',
        b'{"input": [{"role": ["a"], "content": [5, null, "x"]}]}', b'{"input": "\\ud800"}', b"[" * 100_000, b"\xff",
    ],
)  # fmt: skip
def test_callers_bodies_of_any_form_are_no_failure_of_ours(body):
    got = asked(lambda request: reply(b"{}"), body, "/v1/responses", scene_prompt="plain")
    assert got.status_code in (200, 400)


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions"])
def test_half_a_surrogate_pair_is_sent_on_as_a_whole_character(path):
    sent = []

    def answer(request):
        sent.append(json.loads(request.content))
        return reply(b"{}")

    body = b'{"model": "m", "prompt": "a \\ud800", "messages": [{"role": "user", "content": "a \\ud800"}]}'
    assert asked(answer, body, path).status_code == 200 and "\ufffd" in json.dumps(sent, ensure_ascii=False)
