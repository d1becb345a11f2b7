"""nunbit perceive: Scenes of a data set's pictures ahead of training, once, by one process, several, or Ray workers."""

import json
import sys
import types

import pytest
from tests.recipes.test_scene_data import Counted
from tests.training.sharded_run import processes
from typer.testing import CliRunner

from nunbit.cli import perceive_ahead
from nunbit.cli.commands import app
from nunbit.errors import UserError
from nunbit.media.images import decode
from nunbit.perception import Perception, PerceptionConfig, SceneCache, ahead, build_perception
from nunbit.recipes.debug_set import write_conversations


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_conversations(tmp_path_factory.mktemp("data"), samples=9)


def pictures(data):
    return sorted(data.parent.glob("*.png"))


def counted(monkeypatch, broken=()):
    part = Counted(decode(p) for p in broken)

    def build(config):
        return Perception(panoptic=part, cache=SceneCache(config.cache), max_failed=config.max_failed)

    monkeypatch.setattr(perceive_ahead, "build_perception", build)
    return part


def test_every_picture_once_and_in_batches(data, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(ahead, "PICTURES", 4)
    part, config = counted(monkeypatch), PerceptionConfig(cache=str(tmp_path / "scenes"))
    perceive_ahead.perceive_data([data], None, config, "cpu")
    shown = len(pictures(data))
    assert sum(part.batches) == shown and max(part.batches) == 4 and part.devices == ["cpu"]
    assert f"{shown} pictures perceived, 0 with a part that failed; 0 files cannot be read" in capsys.readouterr().out
    perceive_ahead.perceive_data([data], None, config, "cpu")
    assert sum(part.batches) == shown, "the second time there is nothing to do"


def test_failures_are_counted_and_end_it_above_the_share(data, tmp_path, monkeypatch, capsys):
    counted(monkeypatch, pictures(data)[6:7])
    config = PerceptionConfig(cache=str(tmp_path / "scenes"), max_failed=0.5)
    perceive_ahead.perceive_data([data], None, config, "cpu")
    assert "1 with a part that failed" in capsys.readouterr().out
    with pytest.raises(UserError, match="'panoptic' failed on 1 of"):
        perceive_ahead.perceive_data([data], None, PerceptionConfig(cache=str(tmp_path / "scenes")), "cpu")


def share(data, out):
    monkeypatch = pytest.MonkeyPatch()
    part = counted(monkeypatch)
    perceive_ahead.perceive_data([data], None, PerceptionConfig(cache=str(out / "scenes")), "cpu")
    import torch.distributed as dist

    (out / f"{dist.get_rank()}.json").write_text(json.dumps(sum(part.batches)))


def test_each_process_takes_its_share(data, tmp_path):
    processes(2, share, data, tmp_path)
    counts = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (0, 1)]
    assert sum(counts) == len(pictures(data)) and min(counts) >= len(pictures(data)) // 2


def test_what_is_made_is_what_training_looks_for(data, tmp_path, monkeypatch):
    given = ["perceive", str(data), "--cache", str(tmp_path / "scenes"), "--no-ocr"]
    found = CliRunner().invoke(app, given)
    assert found.exit_code == 0, found.output
    kept = {p.name: p.stat().st_mtime_ns for p in (tmp_path / "scenes").glob("*.json")}
    assert len(kept) == len(pictures(data))
    perception = build_perception(PerceptionConfig(ocr="none", cache=str(tmp_path / "scenes"))).load()
    part = type(perception.parts["panoptic"].get())
    monkeypatch.setattr(part, "__call__", lambda *given: pytest.fail("perceived again"))
    perception([decode(p) for p in pictures(data)])


def test_ray_data_gives_workers_the_paths(data, tmp_path, monkeypatch, capsys):
    part, given = counted(monkeypatch), {}

    class Rows(list):
        def map_batches(self, worker, *, batch_size, compute, **how):
            given.update(how, size=compute.size, worker=worker(), batch=batch_size)
            batches = [self[i : i + 5] for i in range(0, len(self), 5)]
            made = [given["worker"]({"path": [row["path"] for row in batch]}) for batch in batches]
            return types.SimpleNamespace(iter_rows=lambda: ({k: v[0] for k, v in m.items()} for m in made))

    pool = lambda size: types.SimpleNamespace(size=size)  # noqa: E731
    ray = types.SimpleNamespace(
        data=types.SimpleNamespace(from_items=Rows, ActorPoolStrategy=pool),
        exceptions=types.SimpleNamespace(RayError=RuntimeError),
    )
    monkeypatch.setattr(perceive_ahead, "connect", lambda address, *parts: ray)
    monkeypatch.chdir(tmp_path)
    perceive_ahead.perceive_data([data], None, PerceptionConfig(cache="scenes"), "cuda", ray=3)
    assert sum(part.batches) == len(pictures(data)) and part.devices == ["cuda"]
    assert (given["size"], given["num_gpus"]) == (3, 1) and f"'{tmp_path / 'scenes'}'" in capsys.readouterr().out


def test_real_workers_of_ray_data(data, tmp_path, capsys):
    pytest.importorskip("ray")
    config = PerceptionConfig(ocr="none", cache=str(tmp_path / "scenes"))
    perceive_ahead.perceive_data([data], None, config, "cpu", ray=2)
    assert f"{len(pictures(data))} pictures perceived" in capsys.readouterr().out
    assert len([*(tmp_path / "scenes").glob("*.json")]) == len(pictures(data))


def test_without_ray_one_sentence(data, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match=r"nunbit\[ray\]"):
        perceive_ahead.perceive_data([data], None, PerceptionConfig(cache=str(tmp_path)), "cpu", ray=1)
