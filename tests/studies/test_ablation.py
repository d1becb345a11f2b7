"""Every variant trains and answers, and a killed ablation resumes."""

import json
import os
from dataclasses import replace
from functools import partial

import pytest

from nunbit.errors import UserError
from nunbit.studies.ablation import VARIANTS, AblationConfig, run
from nunbit.studies.study import StudyRun, run_study


def test_variants_run_and_what_is_done_is_not_done_again(tmp_path):
    plan = AblationConfig(
        steps=1,
        batch=2,
        seeds=1,
        eval_questions=14,
        questions=2,
        scenes=("true",),
        variants=("plain", "all", "adapters"),
    )
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
    plan = AblationConfig(
        steps=1, batch=2, seeds=2, eval_questions=7, questions=1, scenes=("true",), variants=("plain",)
    )
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
