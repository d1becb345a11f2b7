"""The order of a story names each panel once."""

from nunbit.world import DOMAINS
from nunbit.world.base import generator


def drawn(domain, count, split="train", seed=0):
    for i in range(count):
        rng = generator(seed, i, split)
        yield DOMAINS[domain].draw(rng, split), rng


def test_panels_order_names_each_panel_once():
    for picture, _ in drawn("panels", 60):
        facts = picture.scene.meta["panels"]
        assert sorted(facts["order"]) == list("ABCDE")[: len(facts["steps"])]
        assert [facts["steps"]["ABCDE".index(x)] for x in facts["order"]] == sorted(facts["steps"])
