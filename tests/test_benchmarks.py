"""Benchmarks, load tests and tools open, and start files that exist."""

import importlib
import sys
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
