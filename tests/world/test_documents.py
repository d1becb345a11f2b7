"""Receipts add up."""

from nunbit.world import DOMAINS
from nunbit.world.base import generator


def drawn(domain, count, split="train", seed=0):
    for i in range(count):
        rng = generator(seed, i, split)
        yield DOMAINS[domain].draw(rng, split), rng


def test_receipts_add_up():
    for picture, rng in drawn("documents", 200):
        doc = picture.scene.meta["doc"]
        if doc["type"] == "receipt":
            assert sum(p for _, p in doc["rows"]) == doc["total"]
            cheapest = [q.answer for q in DOMAINS["documents"].make_questions(picture, rng, "en") if q.kind == "order"]
            assert cheapest == [min(doc["rows"], key=lambda r: r[1])[0]]
