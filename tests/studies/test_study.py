"""A study resumes in its folder, and refuses damaged files, other settings and missing bases."""

import json
import shutil

import pytest

from nunbit.errors import UserError
from nunbit.files import EMBEDDED
from nunbit.studies import ablation, few_shot
from nunbit.studies.figures import study_page
from nunbit.studies.study import load_or_measure, read_record, run_study, study_folder, weights_hash


def test_a_study_goes_on_wherever_its_base_stands_and_says_which_file_is_damaged(tmp_path):
    moved = shutil.copytree(EMBEDDED, tmp_path / "moved")
    for base in (EMBEDDED, moved):
        with study_folder(tmp_path / "study", few_shot.FewShotConfig(base=base)):
            pass
    (moved / "config.json").write_text("{}")
    with (
        pytest.raises(UserError, match="other settings"),
        study_folder(tmp_path / "study", few_shot.FewShotConfig(base=moved)),
    ):
        pass
    for damage in (b"", b'{"right": [1', b"[]", b"\xff\xfe"):
        (tmp_path / "x.json").write_bytes(damage)
        with pytest.raises(UserError, match="x.json.*damaged"):
            load_or_measure(tmp_path / "x.json", dict)


def test_a_folder_of_an_earlier_version_is_resumed(tmp_path):
    """Its settings are in plan.json under the old names; its runs have the old keys."""
    config = ablation.AblationConfig(eval_questions=7, image_scale=0.5)
    old = {"steps": 80, "batch": 8, "questions": 8, "sight": 0.5, "asked": 7, "base": weights_hash(EMBEDDED)}
    (tmp_path / "plan.json").write_text(json.dumps(old))
    (tmp_path / "plain-true-0.json").write_text(json.dumps({"arm": "plain", "right": [True]}))
    with study_folder(tmp_path, config):
        assert read_record(tmp_path / "plain-true-0.json") == {"variant": "plain", "right": [True]}
    with pytest.raises(UserError, match="other settings"), study_folder(tmp_path, ablation.AblationConfig()):
        pass


def test_the_base_keeps_its_hash_when_its_files_are_renamed(tmp_path):
    moved = shutil.copytree(EMBEDDED, tmp_path / "moved")
    before = weights_hash(moved)
    for old, new in (("eyes", "perception"), ("aware", "object_aware")):
        for path in [*moved.glob(f"{old}.*"), *moved.glob(f"{new}.*")]:
            path.rename(path.with_stem(old if path.stem == new else new))
    assert weights_hash(moved) == before
    (moved / "model.safetensors").write_bytes(b"other")
    assert weights_hash(moved) != before


def test_the_report_needs_no_other_file(tmp_path):
    result = run_study(
        "x",
        few_shot.FewShotConfig(),
        tmp_path,
        [],
        summarise=lambda records: {"rows": len(records)},
        page=lambda r: study_page("Title", str(r), {"all": {"a": {"right": 0.5, "interval": [0.4, 0.6], "n": 2}}}),
        say=print,
    )
    html = (tmp_path / "x.html").read_text()
    assert result == {"rows": 0} and "--run1" in html and "<svg" in html and "<link" not in html
