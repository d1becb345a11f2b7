"""Batched generation: scheduler, slot cache, sampling, streaming. Knows models and messages; no training, no network.

Read in this order: `scheduler` (the loop), `batch` (a round of it), `runner` (what runs), `cache` (what is remembered),
`choosing` and `sampling`, `detokenizer`, `grammar`. `sizing` says how large the caches are.
"""
