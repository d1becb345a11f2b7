"""nunbit serve --ray: what is asked of Ray Serve; and, where Ray is installed, the same answers from two replicas of
which one is killed."""

import importlib
import os
import pickle
import signal
import sys
import threading
import types
from pathlib import Path

import httpx
import pytest

pytest.importorskip("fastapi")
from nunbit.engine.options import CacheOptions
from nunbit.errors import UserError
from nunbit.media import FetchPolicy
from nunbit.serving.build import ServeOptions
from nunbit.serving.launch import serve
from nunbit.serving.replicas import (
    EXTRA_REQUESTS,
    Replica,
    _check_resources,
    _last_error,
    deployment_options,
    parse_replicas,
    serve_replicas,
    with_absolute_paths,
)
from nunbit.serving.settings import ServerSettings

ROOT = Path(__file__).parents[2]
KEY = {"Authorization": "Bearer a-key"}


def test_how_many():
    assert parse_replicas("3") == (3, 3) and parse_replicas(" 1-4 ") == (1, 4)
    for wish in ("0", "4-1", "0-2", "two", "1-", "-1", "1-2-3", "1001", "1.5"):
        with pytest.raises(UserError, match="MIN-MAX"):
            serve(ServeOptions(replicas=wish))


def test_what_a_replica_takes_and_is_sent():
    fixed, scaled = (
        deployment_options(ServeOptions(caches=CacheOptions(4), max_queue=8, threads=3), 2, 2),
        deployment_options(ServeOptions(device="cuda", caches=CacheOptions(4)), 1, 4),
    )
    assert fixed["num_replicas"] == 2 and fixed["ray_actor_options"] == {"num_cpus": 3, "num_gpus": 0.0}
    assert fixed["max_ongoing_requests"] == 4 + 8 + EXTRA_REQUESTS and fixed["max_queued_requests"] == 4 + 8
    assert "num_replicas" not in scaled and scaled["ray_actor_options"]["num_gpus"] == 1.0
    assert scaled["autoscaling_config"] == {"min_replicas": 1, "max_replicas": 4, "target_ongoing_requests": 4}


def test_folders_are_named_from_the_root(monkeypatch, tmp_path):
    (tmp_path / "mine").mkdir()
    monkeypatch.chdir(tmp_path)
    sent = with_absolute_paths(
        ServeOptions("mine", settings=ServerSettings(api_keys=("k",), fetch=FetchPolicy(folders=("mine",))))
    )
    assert sent.model == str(tmp_path / "mine") and sent.settings.fetch.folders == (sent.model,)
    assert sent.settings.api_keys == ("k",) and pickle.loads(pickle.dumps(sent)) == sent
    assert (
        with_absolute_paths(ServeOptions("owner/name")).model == "owner/name"
        and with_absolute_paths(ServeOptions()).model is None
    )


def test_a_replica_is_the_whole_application_and_says_when_its_engine_is_dead():
    replica = Replica(ServeOptions())
    app = replica.__serve_build_asgi_app__()
    assert app.state.server.name == "nunbit-tiny" and replica.check_health() is None
    app.state.server.engine.close()
    with pytest.raises(RuntimeError, match="engine"):
        replica.check_health()


def test_without_ray_or_its_serve_one_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", types.ModuleType("ray"))
    monkeypatch.setitem(sys.modules, "ray.serve", None)
    with pytest.raises(UserError, match=r"ray\.serve.*nunbit\[ray\]"):
        serve_replicas(ServeOptions(replicas="2"))
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match=r"without ray\b.*nunbit\[ray\]"):
        serve_replicas(ServeOptions(replicas="2"))


def test_room_is_looked_for_before_and_a_failure_is_said_in_a_line():
    _check_resources({"CPU": 4.0}, 2, num_cpus=2, num_gpus=0.0)
    with pytest.raises(UserError, match="3 replicas of 2 CPUs.*4 CPUs"):
        _check_resources({"CPU": 4.0}, 3, num_cpus=2, num_gpus=0.0)
    with pytest.raises(UserError, match="0 GPUs"):
        _check_resources({"CPU": 4.0}, 1, num_cpus=1, num_gpus=1.0)
    assert (
        _last_error("Deploying failed\n  File x\nnunbit.errors.UserError: no model there\n\nRetrying")
        == "no model there"
    )
    assert _last_error("no traceback\nat all") == "at all"


@pytest.fixture(scope="module")
def check():
    pytest.importorskip("ray.serve", exc_type=ImportError)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT))
        yield importlib.import_module("tests.load.ray_serve")


@pytest.fixture(scope="module")
def known(check):
    return check.known_answers()


@pytest.fixture(scope="module")
def server(check):
    running = check.start("2", "--key", "a-key")
    yield running
    assert running.stop(90)


@pytest.mark.timeout(600)
def test_two_replicas_answer_as_the_model_alone(check, known, server):
    assert check.wait_for(server, 2)
    patient = check.Patient(server, known, KEY)
    with httpx.Client(base_url=server.url, timeout=120, headers=KEY) as client:
        for at in range(len(known)):
            for stream in (False, True):
                patient.ask(client, at, stream=stream)
    assert not patient.wrong and not patient.counts["lost"]
    count, first_s, end_s = check.pieces(server, KEY)
    assert count > 10 and end_s > 1.1 * first_s  # had it been held back, all would have come at once


@pytest.mark.timeout(600)
def test_keys_and_bounds_are_those_of_the_single_server(check, server):
    assert httpx.get(server.url + "/v1/models", timeout=60).status_code == 401
    got = httpx.get(server.url + "/metrics", headers=KEY, timeout=60)
    assert got.status_code == 200 and "nunbit_requests_running" in got.text
    for body in (b"x" * (33 << 20), (b"x" * (1 << 20) for _ in range(40))):  # with a Content-Length, and in chunks
        got = httpx.post(server.url + check.CHAT, content=body, headers=KEY, timeout=120)
        assert got.status_code == 413 and got.json()["error"]["type"] == "invalid_request_error"


@pytest.mark.timeout(600)
def test_a_killed_replica_loses_no_question_that_is_asked_again(check, known, server):
    patient = check.Patient(server, known, KEY)
    threads = [threading.Thread(target=patient.live, args=(i,), daemon=True) for i in range(8)]
    [t.start() for t in threads]
    while patient.counts["requests"] < 24:
        patient.over.wait(0.05)
    asked = patient.counts["requests"]
    os.kill(check.replicas_of(server)[0], signal.SIGKILL)
    while patient.counts["requests"] < asked + 60:
        patient.over.wait(0.05)
    assert check.wait_for(server, 2)
    patient.over.set()
    [t.join(200) for t in threads]
    assert not any(t.is_alive() for t in threads)
    assert not patient.wrong and not patient.counts["lost"]
