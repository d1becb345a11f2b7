"""Caches of the engine stay within their bounds."""

import torch

from nunbit.engine.cache import LRUCache, PrefixCache


def test_caches_stay_within_their_bytes():
    held = LRUCache(1000)
    for i in range(50):
        held.put(i, torch.zeros(50))
        assert held.bytes <= 1000
    assert held.get(49) is not None and held.get(0) is None
    held.put("big", torch.zeros(1000))
    assert held.get("big") is None
    prefixes = PrefixCache(10_000)
    prefixes.keep((1, 2, 3), torch.zeros(3))
    prefixes.keep((1, 2, 3, 4), torch.zeros(4))
    assert prefixes.longest((1, 2, 3, 4))[0] == 3 and len(prefixes.held.known()) == 1
