"""Sets up lmms-eval and VLMEvalKit in an environment of their own, and runs them offline against a server.

lmms-eval is installed with pip. VLMEvalKit is used from a checkout. Packages that they import but never call here
(torchvision and the like) are replaced by the stand-ins of `tools/golden/absent.py`.
"""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = (
    "numpy pillow pyyaml loguru tqdm requests httpx openai datasets evaluate accelerate transformers tenacity "
    "pytablewriter sacrebleu jsonlines numexpr python-dotenv packaging pydantic scikit-learn "
    "opencv-python-headless pytz jinja2 zstandard pandas tabulate openpyxl xlsxwriter rich validators portalocker "
    "filelock omegaconf json_repair matplotlib termcolor sty timeout-decorator einops editdistance levenshtein "
    "distance nltk decord jieba rouge math-verify latex2sympy2-extended antlr4-python3-runtime==4.11.1 "
    "rouge_score absl-py six zss apted num2words docopt unidecode pylatexenc==2.10 ftfy beautifulsoup4 "
    "pycocoevalcap tiktoken"
).split()


class Missing(Exception):
    """A harness that cannot be had here, in one sentence."""


def environment(folder: Path) -> Path:
    """The Python of an environment with both harnesses' packages; made where it is not there (some minutes)."""
    python = folder / "bin" / "python"
    done = folder / ".ready"
    if done.exists():
        return python
    print(f"making {folder} (some minutes)", file=sys.stderr, flush=True)
    limits = ["-c", str(ROOT / "constraints.txt")]
    pip = [str(python), "-m", "pip", "install", "-q"]
    steps = (
        [sys.executable, "-m", "venv", str(folder)],
        [*pip, "torch", *limits],
        [*pip, "--no-deps", "lmms-eval==0.7.3"],
        [*pip, *PACKAGES, *limits],
    )
    for step in steps:
        made = subprocess.run(step, capture_output=True, text=True)
        if made.returncode:
            raise Missing(f"skipped: the harnesses cannot be installed here ({_last(made.stderr)})")
    done.touch()
    return python


def lmms_task(folder: Path, rows: Sequence[dict[str, Any]], builtin: str) -> str:
    """Write a task of our rows with the prompt, parsing and metric of a built-in one; return its name."""
    import pyarrow as arrow
    from pyarrow import parquet

    (folder / "data").mkdir(parents=True, exist_ok=True)
    kind = arrow.struct([("bytes", arrow.binary()), ("path", arrow.string())])
    table = arrow.Table.from_pylist(rows)
    table = table.set_column(
        table.schema.get_field_index("image"), "image", arrow.array([r["image"] for r in rows], kind)
    )
    features = {
        "info": {
            "features": {
                n: {"_type": "Image"} if n == "image" else _feature(table.schema.field(n).type)
                for n in table.column_names
            }
        }
    }
    parquet.write_table(
        table.replace_schema_metadata({"huggingface": json.dumps(features)}),
        folder / "data" / "test-00000-of-00001.parquet",
    )
    name = f"nunbit_{Path(builtin).stem}"
    (folder / "task").mkdir(exist_ok=True)
    settings = [f"include: {builtin}", f"task: {name}", "tag: []", f"dataset_path: {folder / 'data'}"]
    settings += ["dataset_kwargs: {}", "test_split: test", ""]
    (folder / "task" / f"{name}.yaml").write_text("\n".join(settings), encoding="utf-8")
    return name


def _feature(kind: Any) -> dict[str, Any]:
    text = str(kind)
    if text.startswith("list"):
        return {"feature": {"dtype": "string", "_type": "Value"}, "_type": "List"}
    return {"dtype": text, "_type": "Value"}


def builtin(python: Path, file: str) -> str:
    """A task file of the installed lmms-eval, such as ``pope/pope.yaml``."""
    found = [*python.parents[1].glob(f"lib/python*/site-packages/lmms_eval/tasks/{file}")]
    if not found:
        raise Missing("skipped: lmms-eval is not installed here")
    return str(found[0])


def run_lmms(python: Path, folder: Path, task: str, url: str, model: str, *, concurrent: int = 4) -> dict[str, Any]:
    """Its results for one task; ``url`` ends in /v1."""
    out = folder / "lmms"
    model_args = f"model={model},base_url={url},api_key=EMPTY,num_concurrent={concurrent},max_retries=1"
    command = [str(python), "-m", "lmms_eval", "eval", "--model", "openai", "--model_args", model_args]
    command += ["--tasks", task, "--include_path", str(folder / "task"), "--batch_size", "1"]
    command += ["--log_samples", "--output_path", str(out)]
    _call(command, folder, "lmms-eval")
    files = sorted(out.rglob("*_results.json"))
    if not files:
        raise RuntimeError("lmms-eval left no results")
    found: dict[str, Any] = json.loads(files[-1].read_text(encoding="utf-8"))["results"][task]
    return found


def run_vlmevalkit(
    python: Path, checkout: Path, folder: Path, name: str, kind: str, url: str, model: str
) -> list[dict[str, str]]:
    """The rows of its score table for ``folder/LMUData/<name>.tsv``, read by the dataset class ``kind``."""
    site = folder / "site"
    site.mkdir(exist_ok=True)
    (site / "sitecustomize.py").write_text(
        f"import runpy\nabsent = runpy.run_path({str(ROOT / 'tools' / 'golden' / 'absent.py')!r})\n"
        "absent['stand_in'](absent['CLIENT'])\n",
        encoding="utf-8",
    )
    out = folder / "vlmevalkit"
    choice = json.dumps({name: {"class": kind, "dataset": name}})
    command = [str(python), "run.py", "--model", model, "--base-url", url, "--key", "sk-x", "--data", name]
    command += ["--data-config", choice, "--judge", "exact_matching", "--api-nproc", "2", "--retry", "2"]
    command += ["--max-tokens", "64", "--work-dir", str(out)]
    _call(command, checkout, "VLMEvalKit", {"PYTHONPATH": str(site), "LMUData": str(folder / "LMUData")})
    files = [*sorted(out.rglob("*_score.csv")), *sorted(out.rglob("*_acc.csv"))]
    if not files:
        raise RuntimeError("VLMEvalKit left no scores")
    with files[-1].open(encoding="utf-8", newline="") as f:
        return [*csv.DictReader(f)]


def _call(command: Sequence[str], folder: Path, who: str, more: dict[str, str] | None = None) -> None:
    quiet = dict.fromkeys(("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE"), "1")
    quiet |= {"HF_HOME": str(ROOT / ".cache" / "hf"), "OPENAI_API_KEY": "EMPTY"}
    quiet |= {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **quiet, **(more or {})}, capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(f"{who} ended with {done.returncode}: {_last(done.stderr)}")


def _last(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("WARNING")]
    return lines[-1][:300] if lines else "no message"
