"""Perception: parts that are absent or fail, merging, the cache on disk, geometry, and the drawing."""

from __future__ import annotations

import os
import threading

import numpy as np
import pytest
from PIL import Image

from nunbit.errors import UserError
from nunbit.perception import GeometricRelations, Lazy, Perception, SceneCache, SceneGraph, SceneGraphOutput, draw
from nunbit.perception.cache import picture_key
from nunbit.perception.relations import relation
from nunbit.scene import Relation, Scene, SceneObject, Segment, TextLine


class Fixed:
    """A provider that says the same of every picture, and counts the pictures it saw; black pictures break it."""

    def __init__(self, name: str, **fields) -> None:
        self.name, self.fields, self.seen = name, fields, 0

    def __call__(self, images):
        if any(i.getpixel((0, 0)) == (0, 0, 0) for i in images):
            raise RuntimeError("a black picture\nand more")
        self.seen += len(images)
        return [Scene(i.width, i.height, **{k: list(v) for k, v in self.fields.items()}) for i in images]


def boxes(*named):
    return [SceneObject(n, b) for n, b in named]


WHITE, BLACK = Image.new("RGB", (40, 30), "white"), Image.new("RGB", (40, 30), "black")


def test_parts_are_optional_and_never_crash():
    def broken():
        raise OSError("no weights here")

    calls = []
    eyes = Perception(panoptic=Lazy(lambda: calls.append(1) or broken()), ocr=Fixed("ocr", text_lines=[]))
    white, black = eyes([WHITE, BLACK])
    assert white.meta["perception"] == {
        "panoptic": {"status": "failed", "reason": "OSError: no weights here"},
        "detection": {"status": "absent", "reason": "no provider was given"},
        "relations": {"status": "absent", "reason": "no provider was given"},
        "ocr": {"status": "ok", "provider": "ocr"},
    }
    assert black.meta["perception"]["ocr"] == {"status": "failed", "reason": "RuntimeError: a black picture"}
    assert calls == [1] and eyes([]) == []


def test_a_scene_of_another_size_is_a_failure():
    def wrong(images):
        return [Scene(1, 1) for _ in images]

    wrong.name = "wrong"
    [scene] = Perception(detection=wrong)([WHITE])
    assert "1x1" in scene.meta["perception"]["detection"]["reason"]


def test_merging_moves_relations_to_the_merged_objects():
    seen = Fixed("p", objects=boxes(("sky-other-merged", (0, 0, 40, 10)), ("dog", (5, 5, 20, 20))))
    found = Fixed("d", objects=boxes(("dog", (5, 5, 21, 20)), ("ball", (30, 20, 36, 26))))
    graph = Fixed(
        "r",
        objects=boxes(("ball", (30, 20, 36, 26)), ("sky", (0, 0, 40, 10))),
        relations=[Relation(0, "beside", 1, 0.9)],
    )
    [scene] = Perception(panoptic=seen, detection=found, relations=graph)([WHITE])
    assert [o.name for o in scene.objects] == ["sky-other-merged", "dog", "ball"]
    assert scene.relations == [Relation(2, "beside", 0, 0.9)]
    [apart] = Perception(panoptic=seen, detection=found, merge_iou=None)([WHITE])
    assert [o.name for o in apart.objects] == ["sky-other-merged", "dog", "dog", "ball"]


def test_cache_answers_by_content_and_provider(tmp_path):
    part = Fixed("ocr-1", text_lines=[TextLine.from_box("서울", (1, 1, 9, 5), 0.9)])
    eyes = Perception(ocr=part, cache=SceneCache(tmp_path))
    first = eyes([WHITE, BLACK])[0]
    again = Perception(ocr=part, cache=SceneCache(tmp_path))([WHITE.copy()])[0]
    assert part.seen == 1 and again.to_json() == first.to_json()
    assert len(list(tmp_path.iterdir())) == 1, "a failure is not kept"
    part.name = "ocr-2"
    eyes([WHITE])
    assert part.seen == 2 and all(len(p.stem) == 64 for p in tmp_path.iterdir())
    assert picture_key(WHITE, "a") != picture_key(WHITE.resize((30, 40)), "a")


def test_cache_survives_broken_files_and_stays_bounded(tmp_path):
    cache, scene = SceneCache(tmp_path, max_bytes=4000), Scene(5, 5, captions=["x" * 300])
    keys = [f"{i:016x}" for i in range(40)]
    cache.put(keys[0], scene)
    size = (tmp_path / f"{keys[0]}.json").stat().st_size
    assert (tmp_path / f"{keys[0]}.json").stat().st_mode & 0o077 == 0, "what was seen is its owner's alone"
    for age, key in enumerate(keys[1:], start=1):
        cache.put(key, scene)
        os.utime(tmp_path / f"{key}.json", (age, age))
        assert cache.get(keys[0]) is not None, "what is read stays"
    assert 3 * size < sum(p.stat().st_size for p in tmp_path.iterdir()) <= 4000 * 17 / 16 + size
    assert cache.get(keys[1]) is None and cache.get(keys[-2]) is not None
    (tmp_path / f"{keys[0]}.json").write_text('{"format": "nunbit.scene/1"')
    assert cache.get(keys[0]) is None and not (tmp_path / f"{keys[0]}.json").exists()
    with pytest.raises(UserError, match="hex"):
        cache.get("../escape")


def test_cache_with_many_writers(tmp_path):
    key, errors = "ab" * 16, []

    def work(cache):
        try:
            for _ in range(25):
                cache.put(key, Scene(5, 5, captions=["whole"]))
                found = cache.get(key)
                assert found is None or found.captions == ["whole"]
        except Exception as e:
            errors.append(e)

    threads = [threading.Thread(target=work, args=(SceneCache(tmp_path, max_bytes=700),)) for _ in range(4)]
    [t.start() for t in threads], [t.join() for t in threads]
    assert not errors and not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize(
    ("a", "b", "word"),
    [
        ((0, 0, 10, 10), (20, 0, 30, 10), "left of"),
        ((20, 2, 30, 12), (0, 0, 10, 10), "right of"),
        ((0, 0, 10, 10), (2, 30, 12, 40), "above"),
        ((2, 30, 12, 40), (0, 0, 10, 10), "below"),
        ((4, 0, 8, 10), (0, 10, 30, 20), "on"),
        ((4, 4, 8, 8), (0, 0, 30, 20), "inside"),
        ((0, 0, 20, 20), (5, 5, 25, 25), "overlapping"),
    ],
)
def test_geometry(a, b, word):
    said, score = relation(a, b)
    assert said == word and 0.5 < score <= 1.0


def test_geometry_prefers_what_says_more_and_keeps_bounds():
    lamp, table, dog = boxes(("lamp", (4, 0, 8, 10)), ("table", (0, 11, 30, 20)), ("dog", (60, 11, 70, 20)))
    found = GeometricRelations().of([table, lamp, dog])
    assert {(r.subject, r.predicate, r.object) for r in found} >= {(1, "on", 0), (0, "left of", 2)}
    assert len(GeometricRelations(max_relations=1).of([table, lamp, dog])) == 1
    both = GeometricRelations(inverses=True).of([table, dog])
    assert [(r.subject, r.predicate, r.object) for r in both] == [(0, "left of", 1), (1, "right of", 0)]
    many = boxes(*((f"o{i}", (i * 10, 0, i * 10 + 5, 5)) for i in range(30)))
    assert max(max(r.subject, r.object) for r in GeometricRelations(max_objects=4).of(many)) == 3
    [scene] = Perception(detection=Fixed("d", objects=[lamp, table]), relations=GeometricRelations())([WHITE])
    assert scene.relations[0].predicate == "on" and scene.meta["perception"]["relations"]["status"] == "ok"


def test_scene_graph_seat():
    scores = np.zeros((3, 57))
    scores[0, 22], scores[1, 3], scores[2, 5] = 0.81, 0.95, 0.2
    masks = np.zeros((3, 30, 40), dtype=bool)
    masks[0, 5:10, 3:7], masks[1, 20:30, 0:40] = True, True
    out = SceneGraphOutput([1, 18, 126], scores, np.array([(0, 1), (1, 0), (0, 2)]), masks=masks)
    [scene] = SceneGraph(lambda image: out, "fixed")([WHITE])
    assert [(o.name, o.box) for o in scene.objects] == [("person", (3, 5, 7, 10)), ("horse", (0, 20, 40, 30))]
    assert [(r.subject, r.predicate, r.object) for r in scene.validate().relations] == [
        (1, "beside", 0),
        (0, "holding", 1),
    ]
    bad = SceneGraphOutput([0], scores, np.zeros((3, 2), dtype=int), boxes=np.ones((1, 4)))
    with pytest.raises(UserError, match="1 to 133"):
        SceneGraph(lambda image: bad, "fixed")([WHITE])


def test_overlay_marks_what_is_there():
    cells = np.zeros((30, 40), dtype=int)
    cells[20:] = 2
    scene = Scene(
        40, 30, [SceneObject("dog", (2, 2, 10, 10)), SceneObject("mat", (0, 20, 40, 30), segment=2)],
        [Relation(0, "above", 1)], [TextLine.from_box("hi", (25, 3, 38, 9))], [Segment(2, "mat")], cells,
    )  # fmt: skip
    drawn = np.asarray(draw(WHITE, scene))
    assert drawn.shape == (30, 40, 3) and np.asarray(WHITE).min() == 255
    assert drawn[3, 25].tolist() == [0, 170, 200]
    plain = np.asarray(draw(WHITE, Scene(40, 30, segments=[Segment(2, "mat")], segment_map=cells), alpha=1.0))
    assert plain[25, 5].tolist() == [0, 128, 0] and plain[5, 5].tolist() == [255, 255, 255]
    with pytest.raises(UserError, match="40x30"):
        draw(Image.new("RGB", (9, 9)), scene)
