"""Parts composed into one Scene: absent and failing parts, what is counted and logged, merging."""

from __future__ import annotations

import logging

import pytest
from PIL import Image
from tests.perception.parts import BLACK, WHITE, Fixed, boxes

from nunbit.errors import UserError
from nunbit.perception import Lazy, Perception, SceneCache, failed_parts, perception_fields
from nunbit.scene import Relation, Scene


def test_parts_are_optional_and_never_crash():
    def broken():
        raise OSError("no weights here")

    calls = []
    perception = Perception(panoptic=Lazy(lambda: calls.append(1) or broken()), ocr=Fixed("ocr", text_lines=[]))
    white, black = perception([WHITE, BLACK])
    assert white.meta["perception"] == {
        "panoptic": {"status": "failed", "reason": "OSError: no weights here"},
        "detection": {"status": "absent", "reason": "no provider was given"},
        "relations": {"status": "absent", "reason": "no provider was given"},
        "ocr": {"status": "ok", "provider": "ocr"},
    }
    assert black.meta["perception"]["ocr"] == {"status": "failed", "reason": "RuntimeError: a black picture"}
    assert calls == [1] and perception([]) == []


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


def test_failures_are_counted_and_each_reason_is_logged_once(caplog):
    perception = Perception(panoptic=Fixed("p"), ocr=Fixed("o"))
    with caplog.at_level(logging.WARNING, "nunbit.perception"):
        for _ in range(2):
            scenes = perception([WHITE, BLACK, BLACK])
    assert perception.pictures == 6 and perception.failures == {"panoptic": 4, "ocr": 4}
    assert failed_parts(scenes[0]) == {} and list(failed_parts(scenes[1])) == ["panoptic", "ocr"]
    assert sorted(r.getMessage() for r in caplog.records) == [
        f"perception: the part '{part}' failed on a picture (RuntimeError: a black picture)"
        for part in ("ocr", "panoptic")
    ]
    assert failed_parts(Scene(1, 1)) == {}, "a Scene that perception did not make"


def test_a_relator_that_fails_is_counted():
    class Broken:
        name = "broken"

        def relate(self, images, scenes):
            raise RuntimeError("no relation")

    perception = Perception(relations=Broken())
    [scene] = perception([WHITE])
    assert failed_parts(scene) == {"relations": "RuntimeError: no relation"} and perception.failures["relations"] == 1


def test_load_names_the_part_that_cannot_be_opened():
    def broken():
        raise OSError("no weights here")

    assert Perception(ocr=Fixed("ocr")).load()([WHITE])
    with pytest.raises(UserError, match="part 'detection' .OSError: no weights here"):
        Perception(ocr=Fixed("ocr"), detection=Lazy(broken)).load()
    with pytest.raises(UserError, match="Did you mean 'panoptic'"):
        Perception(panoptik=Fixed("p"))


def test_a_provider_may_cover_another_part():
    reading = Fixed("p")
    reading.covers = ("ocr",)
    white, black = Perception(panoptic=Lazy(lambda: reading))([WHITE, BLACK])
    assert white.meta["perception"]["ocr"] == {"status": "ok", "provider": "p"}
    assert black.meta["perception"]["ocr"]["status"] == "absent" and "panoptic" in failed_parts(black)


def test_too_many_failures_end_what_relies_on_scenes():
    perception = Perception(panoptic=Fixed("p"), max_failed=0.1)
    perception([WHITE] * 18 + [BLACK])
    perception.check_failures()
    with pytest.raises(UserError, match=r"'panoptic' failed on 2 of 19 .*a black picture.*10%"):
        perception.failures["panoptic"] += 1
        perception.check_failures(all_seen=True)
    perception([BLACK])
    with pytest.raises(UserError, match="3 of 20 pictures"):
        perception.check_failures()
    few = Perception(panoptic=Fixed("p"), max_failed=0.6)
    few([WHITE, BLACK])
    few.check_failures(all_seen=True)


def test_a_part_that_fails_beside_others_is_named_and_costs_nothing_else(tmp_path):
    class Half(Fixed):
        def __call__(self, images):
            scenes = super().__call__(images)
            for scene in scenes:
                scene.meta["failed"] = {"ocr": "RuntimeError: no answer in time"}
            return scenes

    half = Half("half", objects=boxes(("dog", (5, 5, 20, 20))))
    half.covers = ("detection", "ocr")
    perception = Perception(panoptic=half, cache=SceneCache(tmp_path))
    for turn in (1, 2):
        [scene] = perception([WHITE])
        assert [o.name for o in scene.objects] == ["dog"] and scene.meta["perception"]["detection"]["status"] == "ok"
        assert failed_parts(scene) == {"ocr": "RuntimeError: no answer in time"} and half.seen == turn, "never kept"
    assert perception.failures == {"ocr": 2}
    assert perception_fields([Scene(1, 1), scene]) == {
        "perception": {"failed": [{"picture": 1, "part": "ocr", "reason": "RuntimeError: no answer in time"}]}
    }
    assert perception_fields([Scene(1, 1)]) == {}


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "CMYK", "I;16", "RGBA", "F"])
def test_pictures_of_any_mode_are_perceived(mode):
    image = Image.new("I;16", (40, 30), 60000) if mode == "I;16" else WHITE.convert(mode)
    [scene] = Perception(panoptic=Fixed("p"))([image])  # black pictures break it
    assert (scene.width, scene.height) == (40, 30) and not failed_parts(scene)
