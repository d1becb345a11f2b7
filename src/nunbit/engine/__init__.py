"""Batched generation: scheduler, slot cache, sampling, streaming. Knows models and messages; no training, no network.

Read in this order: `scheduler` (the loop), `model` (what runs), `cache` (what is remembered), `sampling`, `text`,
    `grammar`.
"""
