"""The ablation: every variant trains and answers, a killed one goes on, and the table says what the files say."""

import json
import os
from dataclasses import replace
from functools import partial

import pytest

from nunbit.errors import UserError
from nunbit.studies.ablation import VARIANTS, AblationConfig, as_text, page, run, summary
from nunbit.studies.study import StudyRun, run_study


def fake(variant, seed, right, scenes="estimated"):
    n = len(right)
    return {"variant": variant, "seed": seed, "scenes": scenes, "right": right, "pictures": [i // 2 for i in range(n)], "kinds": ["count"] * n,
            "splits": ["unseen" if i % 4 == 0 else "test" for i in range(n)], "training_seconds": 1.0, "gates": {}, "first_token_ms": 10.0,
            "added_megabytes": 0.5}  # fmt: skip


def test_the_table_is_the_mean_over_seeds_and_the_gain_is_paired():
    plain = [fake("plain", s, [i % 2 == 0 for i in range(40)]) for s in range(3)]
    told = [fake("all", s, [i % 2 == 0 or i % 8 == s for i in range(40)]) for s in range(3)]
    rows = {r["variant"]: r for r in summary([*plain, *told])["rows"]}
    assert rows["plain"]["all"]["right"] == 0.5 and rows["plain"]["gain"] is None
    wanted = sum(sum(r["right"]) for r in told) / 120
    assert rows["all"]["all"]["right"] == pytest.approx(wanted)
    assert rows["all"]["gain"]["points"] == pytest.approx(100 * (wanted - 0.5))
    low, high = rows["all"]["gain"]["interval"]
    assert low <= rows["all"]["gain"]["points"] <= high
    assert rows["plain"]["unseen"]["n"] == 10 and rows["plain"]["unseen"]["right"] == 1.0
    assert "plain" in as_text({"rows": list(rows.values())}) and page({"rows": list(rows.values())}).startswith(
        "<!doctype html>"
    )


def test_variants_run_and_what_is_done_is_not_done_again(tmp_path):
    plan = AblationConfig(steps=1, batch=2, seeds=1, eval_questions=14, questions=2, scenes=("true",), variants=("plain", "all", "adapters"))
    result = run(plan, tmp_path, say=lambda _: None)
    assert [r["variant"] for r in result["rows"]] == ["plain", "all", "adapters"]
    by_variant = {r["variant"]: r for r in result["rows"]}
    assert (
        by_variant["plain"]["added_megabytes"]
        == 0
        < by_variant["adapters"]["added_megabytes"]
        < by_variant["all"]["added_megabytes"]
    )
    gates = by_variant["all"]["gates"]
    assert set(gates) == {"image", "language"} and all(
        sum(w) == pytest.approx(1, abs=1e-2) for side in gates.values() for w in side.values()
    )
    held = tmp_path / "plain-true-0.json"
    changed = json.loads(held.read_text()) | {"first_token_ms": 12345.0}
    held.write_text(json.dumps(changed))
    assert run(plan, tmp_path, say=lambda _: None)["rows"][0]["first_token_ms"] == 12345.0
    with pytest.raises(UserError, match="another folder"):
        run(replace(plan, steps=2), tmp_path)
    with pytest.raises(UserError):
        run(AblationConfig(variants=("plane",)), tmp_path)
    assert set(plan.variants) <= set(VARIANTS)


def test_runs_at_once_write_the_same_files(tmp_path):
    plan = AblationConfig(steps=1, batch=2, seeds=2, eval_questions=7, questions=1, scenes=("true",), variants=("plain",))
    told = []
    result = run(plan, tmp_path / "two", say=told.append, jobs=2)
    assert result["rows"][0]["seeds"] == 2 and len(told) == 4  # each when it is done, and all in order
    assert run(plan, tmp_path / "one", say=lambda _: None)["rows"][0]["by_seed"] == result["rows"][0]["by_seed"]


def test_a_run_that_is_killed_is_said_in_a_sentence(tmp_path):
    with pytest.raises(UserError, match="fewer --jobs"):
        run_study(
            "x",
            AblationConfig(),
            tmp_path,
            [StudyRun("a", "a", partial(os._exit, 9))],
            summarise=lambda _: {},
            page=lambda _: "",
            say=print,
            jobs=2,
        )


def test_a_base_that_is_not_there_is_said_in_a_sentence(tmp_path):
    with pytest.raises(UserError, match="no folder"):
        run(AblationConfig(base=tmp_path / "none"), tmp_path / "study")
