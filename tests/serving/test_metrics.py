"""What grows is reported: every cache has a figure, so that a soak can tell a leak from a cache that fills."""

import httpx
from benchmarks.server_process import CACHES, plain, turn


def test_every_cache_is_reported_and_within_its_bound(running):
    body = {"messages": turn("What color is the picture?", plain()), "max_tokens": 2}
    assert httpx.post(running.url + "/v1/chat/completions", json=body, timeout=120).status_code == 200
    text = httpx.get(running.url + "/metrics").text
    figures = {name: float(text.split(f"\nnunbit_{name}_cache_bytes ")[1].split()[0]) for name in CACHES}
    assert all(figures[name] > 0 for name in ("prefix", "feature", "slot")), figures
    assert figures["prefix"] <= 128 << 20 and figures["feature"] <= 64 << 20 and figures["scene"] <= 64 << 20
