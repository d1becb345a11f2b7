"""The notebooks run from top to bottom, and are kept without outputs."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "examples" / "notebooks").glob("*.ipynb"))


def code(file: Path) -> str:
    cells = json.loads(file.read_text(encoding="utf-8"))["cells"]
    assert all(not c["outputs"] and c["execution_count"] is None for c in cells if c["cell_type"] == "code")
    return "\n\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "code")


def test_there_are_three():
    names = [n.stem for n in NOTEBOOKS]
    assert names == ["ask_and_see", "serve_and_evaluate", "train_your_own"]


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda f: f.stem)
def test_a_notebook_runs(file):
    if file.stem == "serve_and_evaluate":
        pytest.importorskip("fastapi")
    words = [sys.executable, "-c", code(file)]
    done = subprocess.run(words, cwd=file.parent, capture_output=True, text=True, timeout=800)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.strip()
