"""nunbit train --ray N: every worker is given the same command, where it was given; without Ray, one sentence."""

import os
import sys
import types

import pytest

from nunbit.cli import train as cli_train
from nunbit.cli import train_on_ray
from nunbit.errors import UserError
from nunbit.training.options import RunOptions

OPTIONS = RunOptions()


def test_without_ray_one_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.setitem(sys.modules, "ray.train", None)
    with pytest.raises(UserError, match=r"nunbit\[ray\]"):
        train_on_ray.train_on_ray(2, "llava15", ["debug=true"], None, 1, OPTIONS)


def test_every_worker_runs_the_command_where_it_was_given(monkeypatch, tmp_path):
    given, ran = {}, []

    class TorchTrainer:
        def __init__(self, loop, *, train_loop_config, **how):
            self.loop, self.config = loop, train_loop_config
            given.update(how)

        def fit(self):
            for _ in range(given["scaling_config"]["num_workers"]):
                os.chdir("/")  # as Ray's workers have a folder of their own
                self.loop(self.config)

    train, torch_ = types.ModuleType("ray.train"), types.ModuleType("ray.train.torch")
    train.RunConfig = train.ScalingConfig = torch_.TorchConfig = dict
    torch_.TorchTrainer = TorchTrainer
    for name, module in (("ray", types.ModuleType("ray")), ("ray.train", train), ("ray.train.torch", torch_)):
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(cli_train, "train_recipe", lambda *given: ran.append((os.getcwd(), *given)))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="tune.batches"):
        train_on_ray.train_on_ray(2, "llava15", ["debug=true", "tune.batches=2"], None, 3, OPTIONS)
    changes = ["debug=true", "tune.batch=2"]
    train_on_ray.train_on_ray(2, "llava15", changes, None, 3, OPTIONS)
    assert ran == [(str(tmp_path), "llava15", changes, None, 3, OPTIONS)] * 2
    assert given["scaling_config"]["resources_per_worker"] == {"CPU": 3} and given["torch_config"] == {
        "backend": "gloo"
    }
    assert given["run_config"]["storage_path"] == str(tmp_path / "runs" / "llava15")


def test_two_real_workers(tmp_path):
    pytest.importorskip("ray")
    train_on_ray.train_on_ray(2, "llava15", ["debug=true", "tune.micro_batch_size=1"], tmp_path / "run", 1, OPTIONS)
    assert (tmp_path / "run" / "model" / "config.json").exists()
    assert len((tmp_path / "run" / "tune" / "log.jsonl").read_text().splitlines()) == 2
