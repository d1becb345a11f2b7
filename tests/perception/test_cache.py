"""Scenes on disk: by content and provider, bounded, whole whatever else is written at the same time."""

from __future__ import annotations

import os
import threading

import pytest
from tests.perception.parts import BLACK, WHITE, Fixed

from nunbit.errors import UserError
from nunbit.perception import Perception, SceneCache
from nunbit.perception.cache import picture_key
from nunbit.scene import Scene, TextLine


def test_cache_answers_by_content_and_provider(tmp_path):
    part = Fixed("ocr-1", text_lines=[TextLine.from_box("서울", (1, 1, 9, 5), 0.9)])
    perception = Perception(ocr=part, cache=SceneCache(tmp_path))
    first = perception([WHITE, BLACK])[0]
    again = Perception(ocr=part, cache=SceneCache(tmp_path))([WHITE.copy()])[0]
    assert part.seen == 1 and again.to_json() == first.to_json()
    assert len(list(tmp_path.iterdir())) == 1, "a failure is not kept"
    part.name = "ocr-2"
    perception([WHITE])
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
