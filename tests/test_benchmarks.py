"""Benchmarks, load tests and tools open, and start files that exist."""

import importlib.util
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OWN_ENVIRONMENT = {"benchmarks/peers/llama_cpp.py", "tools/make_artwork.py"}
"""Need packages that are not in the development environment. The files of a harness (tools/golden) need the harness."""
FILES = [
    path
    for folder in ("benchmarks", "tools", "tests/load", "tests/parity")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if path.relative_to(ROOT).as_posix() not in OWN_ENVIRONMENT and path.parent.name != "golden"
]


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_a_module_opens_and_starts_nothing(path):
    if path.name == "ask_examples.py":
        pytest.skip("a script of three lines, which `make ask` runs")
    importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))


def test_servers_are_started_from_files_that_exist(tmp_path):
    from benchmarks.serve import commands

    started = commands(tmp_path, sys.executable, "vllm")
    files = [part for command in started.values() for part in command if part.endswith(".py")]
    assert len(started) >= 6 and len(files) >= 3
    assert all(Path(f).is_file() for f in files)


def test_names_left_out_of_a_copied_model_are_there():
    from benchmarks.serve import EXTRAS, TINY

    names = [p.name for p in TINY.iterdir()]
    left_out = EXTRAS(str(TINY), names)
    assert {"perception.safetensors", "object_aware.json", "object_aware.safetensors"} <= left_out
    assert "model.safetensors" not in left_out


def test_peers_of_the_training_benchmark_get_our_micro_batches(tmp_path):
    """They got batches of eight in arbitrary order before, where we trained on pairs of like length."""
    from types import SimpleNamespace

    from benchmarks.train import BATCH, MICRO, arguments, grouped

    made = arguments(4, tmp_path)
    assert made["per_device_train_batch_size"] == MICRO
    assert made["per_device_train_batch_size"] * made["gradient_accumulation_steps"] == BATCH
    samples = [SimpleNamespace(length=n) for n in (5, 9, 2, 9, 1, 7, 3, 3, 4, 8)]
    order = grouped(samples)
    for start in (0, BATCH):
        ours = sorted(range(start, min(start + BATCH, 10)), key=lambda i: -samples[i].length)
        assert order[start : start + BATCH] == ours
    again = [samples[i] for i in order]
    assert grouped(again) == list(range(10))  # our task sorts each batch once more, and changes nothing


@pytest.mark.parametrize(("gap", "code"), [(1e-6, 0), (0.01, 1), (float("nan"), 1)])
def test_a_comparison_of_different_trainings_is_void(gap, code, capsys):
    from types import SimpleNamespace

    from benchmarks.train import report

    curves = {"nunbit": [1.0, 1.0], "transformers Trainer": [1.0, 1.0 + gap]}
    speeds, cpu = {n: [2.0] for n in curves}, {n: [0.5] for n in curves}
    assert report(SimpleNamespace(rounds=1, vocabulary=9), curves, speeds, cpu, True) == code
    assert '"cpu_seconds_per_sample"' in capsys.readouterr().out


@pytest.mark.slow  # make bench-gpu REHEARSE=1
def test_the_visit_to_a_gpu_is_rehearsed(tmp_path):
    from benchmarks import gpu

    found = []
    gpu.write_model(gpu.TINY, tmp_path)
    for part in ("nunbit", "transformers", "train"):
        gpu.PARTS[part](gpu.TINY, tmp_path, lambda **figures: found.append(figures))
    counted = {(f["part"], f["clients"]) for f in found if f.get("tokens_per_s", 0) > 0}
    names = ("nunbit", "nunbit without graphs", "transformers")
    assert counted == {(name, clients) for name in names for clients in gpu.TINY.clients}
    assert next(f for f in found if f["part"] == "train")["mfu"]


def test_a_part_of_the_visit_that_cannot_run_costs_its_own_figures_only(tmp_path, capsys, monkeypatch):
    from argparse import Namespace

    from benchmarks import gpu

    monkeypatch.delenv("OUT", raising=False)
    given = Namespace(vllm="", rehearse=True)
    assert not gpu.run_parts(["nosuch"], tmp_path, given, until=time.monotonic() + 200)
    assert "KeyError" in capsys.readouterr().out
    assert not gpu.run_parts(["train"], tmp_path, given, until=time.monotonic())
    assert "the time is over" in capsys.readouterr().out
