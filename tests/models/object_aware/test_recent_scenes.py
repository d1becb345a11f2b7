"""Scenes of recent pictures: each picture is looked at once, and the least recently used goes first."""

import numpy as np
from PIL import Image

from nunbit.models.object_aware.recent_scenes import RecentScenes
from nunbit.scene import Scene


def picture(value, side=8):
    return Image.new("RGB", (side, side), (value, 0, 0))


def test_each_picture_is_looked_at_once_and_the_least_recently_used_is_dropped_first():
    asked = []

    def perceive(pictures):
        asked.append([p.getpixel((0, 0))[0] for p in pictures])
        return [Scene(*p.size, segment_map=np.zeros(p.size, np.int32)) for p in pictures]

    scenes = RecentScenes(perceive, max_bytes=25_000)  # two of them
    first = scenes([picture(1), picture(2), picture(1)])
    assert asked == [[1, 2]] and first[0] is first[2] is not first[1] and scenes.nbytes <= 25_000
    assert scenes([picture(1)])[0] is first[0], "a copy of the picture is the same picture"
    scenes([picture(3)])
    assert scenes([picture(1)])[0] is first[0] and asked == [[1, 2], [3]]
    scenes([picture(2)])
    assert asked[2:] == [[2]]
    assert len(scenes([picture(n, side=100) for n in range(3)])) == 3, "more at once than are kept"
    assert scenes([]) == []
