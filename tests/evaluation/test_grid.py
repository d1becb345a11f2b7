"""A grid asks every cell once, goes on after a failure, and ends in one table; a way changes what is asked and the key of the answer."""

import json
import sys
import types

import pytest
from tests.evaluation.layouts import mmbench, own, png

from nunbit.errors import UserError
from nunbit.evaluation.benchmarks import BENCHMARKS
from nunbit.evaluation.grid import Grid, as_text, columns_of, run_grid, runs_of
from nunbit.evaluation.prompt_strategies import PromptStrategy, StrategyResources, strategies, with_strategy
from nunbit.evaluation.ray_cluster import spread
from nunbit.evaluation.report import page
from nunbit.evaluation.target import Failure, Target
from nunbit.messages import EncodedImage, Part, question
from nunbit.prompting.shots import Shot


def stub(reply="A", name="stub", asked=None):
    def answer(batch):
        if asked is not None:
            asked.extend(batch)
        return [reply(m) if callable(reply) else reply for m in batch]

    return Target(name, answer, {}, 4)


def plan(tmp_path, targets, **more):
    data = mmbench(tmp_path)
    lines = own(tmp_path / "own")
    return Grid(targets, columns_of([f"mmbench@official,lmms={data}", f"jsonl={lines}"]), tries=1, **more)


def test_every_cell_is_asked_once_and_the_table_has_them_all(tmp_path):
    asked = []
    targets = {"one": lambda: stub("A", "one", asked), "two": lambda: stub("B", "two", asked)}
    rows = run_grid(plan(tmp_path, targets), tmp_path / "out")
    assert len(rows) == 6 and {r["column"] for r in rows} == {"mmbench@official", "mmbench@lmms", "jsonl@official"}
    before = len(asked)
    again = run_grid(plan(tmp_path, targets), tmp_path / "out")
    assert len(asked) == before and [r["value"] for r in again] == [r["value"] for r in rows]
    text = as_text(rows)
    assert len(text.splitlines()) == 3 and "mmbench@lmms" in text.splitlines()[0]
    assert "Beside each other" in page(runs_of(rows), samples=3)


def test_a_cell_that_fails_is_named_and_the_others_are_kept(tmp_path):
    targets = {"dead": lambda: stub(Failure("refused")), "alive": lambda: stub("A")}
    with pytest.raises(UserError, match=r"3 of 6 cells failed: dead, plain prompt, mmbench@official"):
        run_grid(plan(tmp_path, targets), tmp_path / "out")
    held = json.loads((tmp_path / "out" / "grid.json").read_text())
    assert len(held["cells"]) == 3 and len(held["failed"]) == 3
    assert "failed" in as_text([*held["cells"], held["cells"][0] | {"target": "dead"}])


def test_wrong_columns_are_refused(tmp_path):
    for text, says in (("mmbench", "names no data"), ("mmbench@oops=x", "oops"), ("mmbnch=x", "mmbench")):
        with pytest.raises(UserError, match=says):
            columns_of([text])


# ways -----------------------------------------------------------------------------------------------------------------------------


def test_ways_are_the_combinations_that_make_sense():
    made = strategies([0, 2], [False, True], ["no", "worked"], ["none"])
    assert [w.name for w in made] == ["plain prompt", "2 shots", "2 shots, worked reasoning", "2 shots by similarity", "2 shots by similarity, worked reasoning"]
    with pytest.raises(UserError, match="zero-shot"):
        PromptStrategy(cot="zeroshot")
    with pytest.raises(UserError, match="without examples"):
        PromptStrategy(cot="worked")


def test_shots_stand_before_the_question_and_its_picture_keeps_its_bytes(tmp_path):
    (tmp_path / "a.png").write_bytes(png(1))
    shots = [Shot("What?", "red", tmp_path / "a.png"), Shot("And?", "blue", None, "It looks blue.")]
    asked = []
    base = stub("yes", asked=asked)
    changed = with_strategy(PromptStrategy(shots=2), base, StrategyResources(shots))
    assert changed.answer([question("Which?", [EncodedImage(png(5))])]) == ["yes"]
    (messages,) = asked
    assert [m.role for m in messages] == ["user", "assistant"] * 2 + ["user"] and messages[-1].images == [EncodedImage(png(5))]
    assert isinstance(messages[0].images[0], EncodedImage)
    assert changed.name != base.name and changed.settings["examples"]
    assert with_strategy(PromptStrategy(), base, StrategyResources(shots)) is base
    with pytest.raises(UserError, match="3 shots with 2 examples"):
        with_strategy(PromptStrategy(shots=3), base, StrategyResources(shots))


def test_thinking_asks_twice_and_a_failed_first_step_stays_failed():
    asked = []

    def reply(messages):
        if "bad" in messages[0].text:
            return Failure("gone")
        return "because" if len(messages) == 1 else "B"

    target = with_strategy(PromptStrategy(cot="zero-shot"), stub(reply, asked=asked), StrategyResources())
    said = target.answer([question("Which?"), question("bad?")])
    assert said[0] == "B" and isinstance(said[1], Failure) and len(asked) == 3
    assert asked[-1][1].text == "because"


def test_worked_solutions_leave_the_answer_alone():
    shots = [Shot("What?", "red", None, "It looks red.")]
    target = with_strategy(PromptStrategy(shots=1, cot="worked"), stub("It is dark. The answer is B."), StrategyResources(shots))
    assert target.answer([question("Which?")]) == ["B"]


def test_what_is_seen_is_said_after_each_picture():
    asked = []
    target = with_strategy(PromptStrategy(scene_prompt="objects"), stub(asked=asked), StrategyResources(describe=lambda pictures, how: [f"{how} {p.size[0]}" for p in pictures]))
    target.answer([question("Which?", [EncodedImage(png(1))]), question("And?", [EncodedImage(png(2)), EncodedImage(png(3))])])
    assert [p.content for p in asked[1][0].parts if p.kind == "text"] == ["objects 8\n", "objects 8\n", "And?"]
    assert asked[0][0].parts[0] == Part.image(EncodedImage(png(1))) and asked[1][0].images == [EncodedImage(png(2)), EncodedImage(png(3))]


# cluster --------------------------------------------------------------------------------------------------------------------------


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


def test_benchmarks_are_known_to_the_grid():
    assert all(columns_of([f"{n}=x"])[0].protocol == "official" for n in BENCHMARKS)
