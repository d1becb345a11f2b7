"""Scenes of a stage's pictures: perceived in batches, each process its share, and not again by the next run."""

import json
from dataclasses import replace

import pytest
from tests.models.object_aware.small import write_base
from tests.training.sharded_run import processes

from nunbit.errors import UserError
from nunbit.media.images import decode
from nunbit.models.object_aware import ObjectAwareConfig, ObjectAwareModule
from nunbit.perception import Perception, PerceptionConfig, SceneCache, ahead
from nunbit.recipes import collavo, scene_data
from nunbit.recipes.debug_set import write_conversations
from nunbit.scene import Scene, SceneObject
from nunbit.training.config import ModelConfig
from nunbit.training.distributed import ALONE, join
from nunbit.training.options import RunOptions
from nunbit.training.stages import build_model

QUIET = RunOptions(say=lambda _: None)
PICTURES = 10


class Counted:
    """A part that notes the batches it is given, and fails on some pictures."""

    name = "counted"

    def __init__(self, broken=()):
        self.batches, self.broken, self.devices = [], {p.tobytes() for p in broken}, []

    def to(self, device):
        self.devices.append(device)

    def __call__(self, images):
        self.batches.append(len(images))
        if any(i.tobytes() in self.broken for i in images):
            raise RuntimeError("no memory")
        return [
            Scene(i.width, i.height, [SceneObject("dog", (0, 0, 9, 9 + i.getpixel((0, 0))[0] / 300))]) for i in images
        ]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    root = tmp_path_factory.mktemp("world")
    return write_base(root / "base"), write_conversations(root / "data", samples=PICTURES)


def read(world, out, part, cache=None, share=0.05, options=QUIET):
    base, data = world
    changes = [f"model.base={base}", f"data={data}", f"images={data.parent}", "lora.bits=0"]
    config = collavo.configure(changes)
    model, processor = build_model(ModelConfig(base=str(base)))
    perception = Perception(panoptic=part, cache=cache and SceneCache(cache), max_failed=share)
    aware = ObjectAwareModule(model, processor, ObjectAwareConfig(scene_prompt="plain"), perception)
    phase = config.phases()["prompt"]
    return scene_data.read_with_scenes(phase, aware, config, out, options, instructions=True)


def ids(data):
    return [s.ids.tolist() for s in data.samples]


def pictures(world):
    return [decode(p) for p in sorted(world[1].parent.glob("*.png"))]


def test_pictures_are_perceived_together_and_only_once(world, tmp_path, monkeypatch):
    shown = len(pictures(world))
    monkeypatch.setattr(ahead, "PICTURES", 4)
    part = Counted()
    about, plain = read(world, tmp_path / "run", part, options=replace(QUIET, device="cuda"))
    assert max(part.batches) == 4 and sum(part.batches) == shown and part.devices == ["cuda", "cpu"]
    again = Counted()
    second = read(world, tmp_path / "run", again)
    assert not again.batches and (ids(second[0]), ids(second[1])) == (ids(about), ids(plain))
    monkeypatch.setattr(ahead, "PIXELS", 1)
    alone = Counted()
    third = read(world, tmp_path / "other", alone)
    assert set(alone.batches) == {1} and (ids(third[0]), ids(third[1])) == (ids(about), ids(plain))


def test_a_killed_pass_goes_on_where_it_was(world, tmp_path, monkeypatch):
    monkeypatch.setattr(ahead, "PICTURES", 4)
    shown = len(pictures(world))

    class Killed(Counted):
        def __call__(self, images):
            if len(self.batches) == 1:
                raise KeyboardInterrupt
            return super().__call__(images)

    with pytest.raises(KeyboardInterrupt):
        read(world, tmp_path / "run", Killed(), tmp_path / "scenes")
    part = Counted()
    found = read(world, tmp_path / "run", part, tmp_path / "scenes")
    assert sum(part.batches) == shown - 4 and ids(found[1]) == ids(read(world, tmp_path / "other", Counted())[1])


def test_a_picture_that_fails_costs_its_scene_and_is_tried_again(world, tmp_path):
    broken = pictures(world)[6]
    with pytest.raises(UserError, match=r"'panoptic' failed on 1 of \d+ pictures \(RuntimeError: no memory\)"):
        read(world, tmp_path / "run", Counted([broken]), share=0.05)
    without = read(world, tmp_path / "run", Counted([broken]), share=0.5)
    mended = Counted()
    whole = read(world, tmp_path / "run", mended)
    assert mended.batches, "what was encoded without a Scene is not taken again"
    assert sum(a != b for a, b in zip(ids(without[1]), ids(whole[1]), strict=True)) == 1


def share_of(world, out):
    group, part = join("cpu"), Counted()
    found = read(world, out / "run", part)
    scene_data.join = lambda device: ALONE
    alone = read(world, out / f"alone-{group.rank}", Counted())
    same = [ids(a) == ids(b) for a, b in zip(found, alone, strict=True)]
    (out / f"{group.rank}.json").write_text(json.dumps([sum(part.batches), same]))


def test_each_process_perceives_its_share(world, tmp_path):
    processes(2, share_of, world, tmp_path)
    told = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (0, 1)]
    assert sum(count for count, _ in told) == len(pictures(world))
    assert all(0 < count < len(pictures(world)) and same == [True, True] for count, same in told)


def fails_in_one(world, out):
    broken = [pictures(world)[0]]  # of the first process's share alone: 20 % there, 10 % of all
    read(world, out / "some", Counted(broken), share=0.15)
    with pytest.raises(UserError, match=rf"failed on 1 of {len(pictures(world))} pictures"):
        read(world, out / "many", Counted(broken), share=0.05)


def test_the_share_of_failures_is_of_all_processes(world, tmp_path):
    processes(2, fails_in_one, world, tmp_path, limit_s=120)


def test_a_runs_own_cache_holds_a_data_set(tmp_path):
    from nunbit.recipes.object_aware import with_scene_cache

    made = with_scene_cache(PerceptionConfig(), tmp_path)
    assert made.cache_mb > 100_000 and with_scene_cache(made, tmp_path / "x") is made
    with pytest.raises(UserError, match=r"perception\.cache_mb=0"):
        PerceptionConfig(cache_mb=0)
