"""A run keeps each answer, goes on after a failure or a kill, never marks an error, notices another picture under an old name, and is quick."""

import json
import time

import pytest
from tests.evaluation.layouts import mmbench, png

from nunbit.errors import UserError
from nunbit.evaluation.benchmarks import BENCHMARKS
from nunbit.evaluation.compare import compare, load
from nunbit.evaluation.items import Item
from nunbit.evaluation.report import page
from nunbit.evaluation.runner import run
from nunbit.evaluation.target import Failure, Target


def setting(tmp_path):
    benchmark = BENCHMARKS["mmbench"]
    return benchmark, benchmark.protocol("official"), benchmark.read(mmbench(tmp_path))


def target(answer, name="stub", batch=4, **settings):
    asked = []

    def many(conversations):
        asked.extend(conversations)
        return [answer(c) for c in conversations]

    return Target(name, many, settings, batch), asked


def test_a_failing_server_ends_the_run_and_the_same_command_goes_on(tmp_path):
    benchmark, protocol, items = setting(tmp_path)
    alive = [9]

    def dying(messages):
        alive[0] -= 1
        return "A" if alive[0] >= 0 else Failure("connection refused")

    dead, _ = target(dying)
    with pytest.raises(UserError, match=r"failed 2 times on the item .* \(connection refused\)"):
        run(benchmark, protocol, items, dead, tmp_path / "run", tries=2, wait_s=0)
    assert not (tmp_path / "run" / "result.json").exists()
    again, asked = target(lambda m: "A")
    resumed = run(benchmark, protocol, items, again, tmp_path / "run", wait_s=0)
    whole, every = target(lambda m: "A")
    straight = run(benchmark, protocol, items, whole, tmp_path / "straight", wait_s=0)
    assert len(asked) == len(every) - 9 and resumed.value == straight.value and resumed.units == straight.units


def strict(messages):
    """Right only if the reply is the right answer's very letter."""
    gold, reply = (messages[-1].text.split(f"{k}: ")[1].split("\n")[0] for k in ("Right answer", "Reply"))
    return "Yes." if gold == reply else "no"


@pytest.mark.parametrize("verdict, kappa", [(strict, 1.0), (lambda m: "Yes", 0.0), (lambda m: "Who can say?", None)])
def test_a_judge_beside_the_rules_changes_no_score_and_says_how_often_it_agrees(tmp_path, verdict, kappa):
    benchmark, protocol, items = setting(tmp_path)
    alone = run(benchmark, protocol, items, target(lambda m: "A")[0], tmp_path / "alone", wait_s=0)
    folder = tmp_path / "run"
    result = run(benchmark, protocol, items, target(lambda m: "A")[0], folder, judge=target(verdict, "judge")[0], wait_s=0)
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


def test_a_cut_last_line_is_asked_again(tmp_path):
    benchmark, protocol, items = setting(tmp_path)
    run(benchmark, protocol, items, target(lambda m: "B")[0], tmp_path / "run", wait_s=0)
    file = tmp_path / "run" / "answers.jsonl"
    file.write_bytes(file.read_bytes()[:-7])
    again, asked = target(lambda m: "B")
    run(benchmark, protocol, items, again, tmp_path / "run", wait_s=0)
    assert len(asked) == 1


def test_other_bytes_words_settings_model_or_protocol_are_other_questions(tmp_path):
    benchmark, protocol, items = setting(tmp_path)
    run(benchmark, protocol, items, target(lambda m: "A")[0], tmp_path / "run", wait_s=0)

    def asked_anew(items=items, protocol=protocol, **how):
        new, asked = target(lambda m: "A", **how)
        run(benchmark, protocol, items, new, tmp_path / "run", wait_s=0)
        return len(asked)

    assert asked_anew() == 0
    changed = [
        Item(**{**{f: getattr(i, f) for f in Item.__slots__}, "loads": (lambda: png(999),)}) if n == 0 else i
        for n, i in enumerate(items)
    ]
    assert asked_anew(items=changed) == 1
    assert asked_anew(name="other") > 1 and asked_anew(temperature=1.0) > 1
    assert asked_anew(protocol=benchmark.protocol("lmms")) > 1


def test_a_damaged_file_is_named(tmp_path):
    benchmark, protocol, items = setting(tmp_path)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "answers.jsonl").write_text("nonsense\n")
    with pytest.raises(UserError, match="is damaged"):
        run(benchmark, protocol, items, target(lambda m: "A")[0], tmp_path / "run")


def test_two_runs_compare_and_the_report_stands_alone(tmp_path):
    benchmark, protocol, items = setting(tmp_path)
    gold = {i.id: i.gold[0] for i in items}
    order = iter([gold[i.id] for i in items])
    run(benchmark, protocol, items, target(lambda m: "A")[0], tmp_path / "a", wait_s=0)
    run(benchmark, protocol, items, target(lambda m: next(order), name="gold")[0], tmp_path / "b", wait_s=0)
    found = compare(load(tmp_path / "a"), load(tmp_path / "b"))
    assert json.dumps(found)
    html = page([load(tmp_path / "a"), load(tmp_path / "b")], samples=50)
    assert (
        "http://" not in html.replace("http://www.w3.org", "") and "https://" not in html and "<script src" not in html
    )
    assert len(html) > 2000


def test_five_thousand_items_cost_little(tmp_path):
    """A stub that answers at once: what is left is the runner. (The other harnesses need longer than this to start.)"""
    benchmark = BENCHMARKS["jsonl"]
    data = png(1)
    items = [Item(str(n), str(n), (lambda: data,), f"question {n}", ("yes",)) for n in range(5000)]
    began = time.process_time()
    result = run(
        benchmark, benchmark.protocol("official"), items, target(lambda m: "yes", batch=64)[0], tmp_path / "run"
    )
    assert result.value == 100 and time.process_time() - began < 20
