"""A run resumes after a failure, never scores an error, lets a judge change nothing, and is quick."""

import json
import time

import pytest
from tests.evaluation.data_files import png
from tests.evaluation.stubs import small_benchmark, stub_target

from nunbit.errors import UserError
from nunbit.evaluation.benchmarks import BENCHMARKS
from nunbit.evaluation.compare import load
from nunbit.evaluation.items import Item
from nunbit.evaluation.report import page
from nunbit.evaluation.runner import run
from nunbit.evaluation.target import Failure, TargetError


def test_a_failing_server_ends_the_run_and_the_same_command_goes_on(tmp_path):
    benchmark, protocol, items = small_benchmark(tmp_path)
    alive = [9]

    def dying(messages):
        alive[0] -= 1
        return "A" if alive[0] >= 0 else Failure("connection refused")

    dead, _ = stub_target(dying)
    with pytest.raises(UserError, match=r"failed 2 times on the item .* \(connection refused\)"):
        run(benchmark, protocol, items, dead, tmp_path / "run", tries=2, wait_s=0)
    assert not (tmp_path / "run" / "result.json").exists()
    again, asked = stub_target(lambda m: "A")
    resumed = run(benchmark, protocol, items, again, tmp_path / "run", wait_s=0)
    whole, every = stub_target(lambda m: "A")
    straight = run(benchmark, protocol, items, whole, tmp_path / "straight", wait_s=0)
    assert len(asked) == len(every) - 9 and resumed.value == straight.value and resumed.units == straight.units


def strict(messages):
    """Right only if the reply is the right answer's very letter."""
    gold, reply = (messages[-1].text.split(f"{k}: ")[1].split("\n")[0] for k in ("Right answer", "Reply"))
    return "Yes." if gold == reply else "no"


@pytest.mark.parametrize("verdict, kappa", [(strict, 1.0), (lambda m: "Yes", 0.0), (lambda m: "Who can say?", None)])
def test_a_judge_beside_the_rules_changes_no_score_and_says_how_often_it_agrees(tmp_path, verdict, kappa):
    benchmark, protocol, items = small_benchmark(tmp_path)
    alone = run(benchmark, protocol, items, stub_target(lambda m: "A")[0], tmp_path / "alone", wait_s=0)
    folder = tmp_path / "run"
    result = run(
        benchmark,
        protocol,
        items,
        stub_target(lambda m: "A")[0],
        folder,
        judge=stub_target(verdict, "judge")[0],
        wait_s=0,
    )
    assert result.value == alone.value
    found = json.loads((folder / "result.json").read_text())["agreement"]
    scores = [json.loads(line)["score"] for line in (folder / "samples.jsonl").read_text().splitlines()]
    if kappa is None:
        assert (found["n"], found["no_verdict"]) == (0, len(items))
        return
    assert 0 < sum(scores) < len(scores) == found["n"] and found["kappa"] == pytest.approx(kappa)
    assert found["agree"] == pytest.approx(100 if kappa else 100 * sum(scores) / len(scores))
    assert found["judge_only"] == pytest.approx(100 - found["agree"]) and found["rule_only"] == 0
    assert "agree on" in page([load(folder)])


def test_five_thousand_items_cost_little(tmp_path):
    """A stub that answers at once: what is left is the runner. (The other harnesses need longer than this to start.)"""
    benchmark = BENCHMARKS["jsonl"]
    data = png(1)
    items = [Item(str(n), str(n), (lambda: data,), f"question {n}", ("yes",)) for n in range(5000)]
    began = time.process_time()
    result = run(
        benchmark, benchmark.protocol("official"), items, stub_target(lambda m: "yes", batch=64)[0], tmp_path / "run"
    )
    assert result.value == 100 and time.process_time() - began < 20


def test_items_that_are_refused_are_left_out_with_their_group_and_named(tmp_path):
    benchmark, data = BENCHMARKS["jsonl"], png(1)

    def broken():
        raise UserError("a.png is damaged")

    loads = [(lambda: data,)] * 20
    loads[3] = (broken,)
    items = [Item(str(n), str(n // 2), loads[n], f"question {n}", ("yes",)) for n in range(20)]

    def answer(messages):
        return Failure("400: too long", refused=True) if "question 8" in messages[-1].text else "yes"

    folder = tmp_path / "run"
    target, _ = stub_target(answer)
    result = run(benchmark, benchmark.protocol("official"), items, target, folder, wait_s=0)
    left = json.loads((folder / "result.json").read_text())["left_out"]
    assert result.items == 16 and result.value == 100
    assert left == {"items": 4, "refused": {"3": "a.png is damaged.", "8": "400: too long"}}
    assert "Left out: 4 items" in page([load(folder)])
    refusing, asked = stub_target(lambda m: Failure("400: no", refused=True))
    with pytest.raises(UserError, match="refuses each of the first 16 items"):
        run(benchmark, benchmark.protocol("official"), [*items[:3], *items[4:]] * 1, refusing, tmp_path / "b", wait_s=0)


def test_a_key_that_is_refused_later_ends_the_run(tmp_path):
    benchmark, protocol, items = small_benchmark(tmp_path)
    left = [3]

    def revoked(messages):
        left[0] -= 1
        if left[0] < 0:
            raise TargetError("401: no key")
        return "A"

    with pytest.raises(TargetError, match="401"):
        run(benchmark, protocol, items, stub_target(revoked)[0], tmp_path / "run", wait_s=0)
