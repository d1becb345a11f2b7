"""A finished request leaves nothing behind, also while Python does not look for circles of objects."""

import gc
import time

import httpx
import pytest

from nunbit.engine.request import PreparedPrompt, Request
from nunbit.media import heap

SCHEMA = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object", "properties": {}}}}
BODIES = {
    "whole": {},
    "several": {"n": 2},
    "streamed": {"stream": True},
    "of a form": {"response_format": SCHEMA},
    "hung up": {"stream": True, "n": 3},
}


def held(kind):
    return sum(type(o) is kind for o in gc.get_objects())


def freed(running):
    """Waits until no request is left, and no more prompts than worker threads, of which each keeps its last result."""
    most, until = running.settings.decode_threads, time.monotonic() + 10
    while (held(Request) or held(PreparedPrompt) > most) and time.monotonic() < until:
        time.sleep(0.05)
    return held(Request), max(0, held(PreparedPrompt) - most)


@pytest.fixture
def no_search():
    """No search for circles while the test runs: a busy server's garbage waits for one for minutes."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize("kind", BODIES)
def test_a_finished_request_is_freed_at_once(kind, running, uris, no_search):
    picture = {"type": "image_url", "image_url": {"url": uris[0]}}
    said = [{"role": "user", "content": [picture, {"type": "text", "text": "What is it?"}]}]
    for _ in range(running.settings.decode_threads + 2):
        body = {"messages": said, "max_tokens": 4} | BODIES[kind]
        with httpx.stream("POST", running.url + "/v1/chat/completions", json=body, timeout=60) as reply:
            if kind == "hung up":
                next(reply.iter_raw(1))
            else:
                assert reply.read() and reply.status_code == 200
    assert freed(running) == (0, 0)


def test_requests_that_failed_before_their_slot_are_freed(running, no_search, monkeypatch):
    monkeypatch.setattr(running.engine.runner, "embed", lambda prompt: 1 / 0)
    for _ in range(running.settings.decode_threads + 2):
        reply = httpx.post(running.url + "/v1/completions", json={"prompt": "A dog", "max_tokens": 2})
        assert reply.status_code == 500
    assert freed(running) == (0, 0)


def test_what_is_loaded_is_left_out_of_the_search():
    gc.unfreeze()
    try:
        heap.freeze_loaded()
        assert gc.get_freeze_count() > 100_000
    finally:
        gc.unfreeze()
