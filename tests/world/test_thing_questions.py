"""Questions of things agree with the pixels."""

import numpy as np

from nunbit.world import DOMAINS, things
from nunbit.world.base import COLOURS, generator


def drawn(domain, count, split="train", seed=0):
    for i in range(count):
        rng = generator(seed, i, split)
        yield DOMAINS[domain].draw(rng, split), rng


def test_things_truth_is_the_pixels():
    for picture, rng in drawn("things", 60):
        scene = picture.scene
        for o in scene.objects:
            ys, xs = np.nonzero(scene.segment_map == o.segment)
            x1, y1, x2, y2 = o.box
            assert len(xs) and xs.min() >= x1 and xs.max() < x2 and ys.min() >= y1 and ys.max() < y2
        for q in things.make_questions(picture, rng, "en"):
            if q.question.startswith("How many things"):
                assert q.answer == str(len(scene.objects))
            if q.question.startswith("What colo"):
                name = q.question.split(" the ")[1].rstrip("?")
                (o,) = [o for o in scene.objects if o.name == name]
                seen = picture.pixels[scene.segment_map == o.segment].astype(int).mean(0)
                nearest = min(COLOURS, key=lambda c: np.abs(np.array(COLOURS[c][1]) - seen).sum())
                assert nearest == q.answer
