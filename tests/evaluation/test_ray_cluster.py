"""A target spread over a cluster answers in order, and a lost worker costs only its own items."""

import sys
import types

import pytest
from tests.evaluation.stubs import stub

from nunbit.errors import UserError
from nunbit.evaluation.ray_cluster import spread
from nunbit.evaluation.target import Failure
from nunbit.messages import question


class Reply:
    def __init__(self, make):
        self.make = make


def fake_ray(lost=()):
    """Ray's few names, in this process: workers whose number is in ``lost`` are gone."""
    ray = types.ModuleType("ray")
    ray.exceptions = types.SimpleNamespace(RayError=type("RayError", (Exception,), {}))
    ray.exceptions.RayTaskError = type("RayTaskError", (ray.exceptions.RayError,), {})
    count = iter(range(100))

    def method(bound, number):
        def call(*args):
            def made():
                if number in lost and args:
                    raise ray.exceptions.RayError("gone")
                return bound(*args)

            return Reply(made)

        return types.SimpleNamespace(remote=call)

    def remote(**_):
        def over(kind):
            def start(make):
                worker, number = kind(make), next(count)
                return types.SimpleNamespace(**{n: method(getattr(worker, n), number) for n in ("about", "answer")})

            return types.SimpleNamespace(remote=start)

        return over

    ray.is_initialized, ray.init = (lambda: False), (lambda **_: None)
    ray.cluster_resources, ray.remote, ray.get = (lambda: {"CPU": 4.0}), remote, (lambda r: r.make())
    return ray


def echo():
    return stub(lambda m: m[0].text, "echo")


def test_items_come_back_in_order_from_all_workers(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "ray", fake_ray())
    target = spread(echo, 3)
    assert target.name == "echo" and target.batch == 12
    for n in (0, 1, 2, 10):
        assert target.answer([question(str(k)) for k in range(n)]) == [str(k) for k in range(n)]


def test_a_lost_worker_costs_its_items_only(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", fake_ray(lost={1}))
    said = spread(echo, 2).answer([question(str(k)) for k in range(4)])
    assert said[:2] == ["0", "1"] and all(isinstance(s, Failure) and "worker was lost" in s.why for s in said[2:])


def test_without_ray_and_without_room(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match=r"nunbit\[ray\]"):
        spread(echo, 2)
    monkeypatch.setitem(sys.modules, "ray", fake_ray())
    with pytest.raises(UserError, match="GPUs"):
        spread(echo, 2, gpus=1)


def test_a_real_cluster_of_two(tmp_path):
    ray = pytest.importorskip("ray")
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])  # a worker cannot import a test
    try:
        target = spread(echo, 2)
        assert target.answer([question(str(k)) for k in range(5)]) == [str(k) for k in range(5)]
    finally:
        ray.shutdown()
