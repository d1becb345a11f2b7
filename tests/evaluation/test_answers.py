"""Every answer is kept under a key of all that it depends on."""

from dataclasses import replace

import pytest
from tests.evaluation.data_files import png
from tests.evaluation.stubs import small_benchmark, stub_target

from nunbit.errors import UserError
from nunbit.evaluation.items import Item
from nunbit.evaluation.runner import run


def test_a_cut_last_line_is_asked_again(tmp_path):
    benchmark, protocol, items = small_benchmark(tmp_path)
    run(benchmark, protocol, items, stub_target(lambda m: "B")[0], tmp_path / "run", wait_s=0)
    file = tmp_path / "run" / "answers.jsonl"
    file.write_bytes(file.read_bytes()[:-7])
    again, asked = stub_target(lambda m: "B")
    run(benchmark, protocol, items, again, tmp_path / "run", wait_s=0)
    assert len(asked) == 1


def test_other_bytes_words_settings_model_or_protocol_are_other_questions(tmp_path):
    benchmark, protocol, items = small_benchmark(tmp_path)
    run(benchmark, protocol, items, stub_target(lambda m: "A")[0], tmp_path / "run", wait_s=0)

    def asked_anew(items=items, protocol=protocol, **how):
        new, asked = stub_target(lambda m: "A", **how)
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
    benchmark, protocol, items = small_benchmark(tmp_path)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "answers.jsonl").write_text("nonsense\n")
    with pytest.raises(UserError, match="is damaged"):
        run(benchmark, protocol, items, stub_target(lambda m: "A")[0], tmp_path / "run")


def test_answers_under_an_old_name_are_used(tmp_path):
    benchmark, protocol, items = small_benchmark(tmp_path)
    old, _ = stub_target("A", name="stub, told objects")
    run(benchmark, protocol, items, old, tmp_path / "run", wait_s=0)
    new, asked = stub_target("B", name="stub, scene prompt objects")
    renamed = replace(new, old_name="stub, told objects")
    run(benchmark, protocol, items, renamed, tmp_path / "run", wait_s=0)
    assert not asked
    run(benchmark, protocol, items, new, tmp_path / "run", wait_s=0)
    assert asked, "without the old name nothing is known"
