"""doctor: what is there, what is missing, and what to do about it."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nunbit.errors import check_names

PACKAGES = (
    "torch",
    "transformers",
    "tokenizers",
    "safetensors",
    "numpy",
    "scipy",
    "pillow",
    "peft",
    "accelerate",
    "bitsandbytes",
    "pytesseract",
)
LAYOUTS = ("moai-7b", "collavo-7b")


def examine(layouts: Sequence[str]) -> dict[str, Any]:
    """A report of JSON values; ``ok`` is False when something the core needs is missing."""
    check_names("layout", layouts, LAYOUTS)
    import torch

    from nunbit.world.text import HANGUL_FONTS, LATIN_FONTS

    report: dict[str, Any] = {
        "packages": {p: _version(p) for p in PACKAGES},
        "device": "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu",
        "threads": torch.get_num_threads(),
        "fonts": sorted(p.stem for p in (_package() / "world" / "fonts").glob("*.ttf")),
        "tesseract": _tesseract(),
        "embedded_model": _embedded(),
        "warnings": [],
    }
    if importlib.util.find_spec("torchvision"):
        report["warnings"].append(
            "torchvision is installed: a build that does not match torch stops transformers from importing"
        )
    if not report["tesseract"]:
        report["warnings"].append(
            "tesseract is missing: no text is read outside the model. Install it with tools/system.sh"
        )
    if layouts:
        from nunbit.models.importers.layout import check_layout

        # Every name and shape is compared where the reference list is at hand; the counts come out in any case.
        reference = Path(os.environ.get("NUNBIT_GOLDEN", "../shared/golden")) / "meta_counts.json"
        report["layouts"] = {name: check_layout(name, reference if reference.exists() else None) for name in layouts}
    core = ("torch", "transformers", "tokenizers", "safetensors", "numpy", "scipy", "pillow")
    fonts = {*LATIN_FONTS, *HANGUL_FONTS} <= {*report["fonts"]}
    report["ok"] = all(report["packages"][p] for p in core) and report["embedded_model"]["whole"] and fonts
    return report


def print_report(report: dict[str, Any]) -> None:
    for key in ("packages", "embedded_model", "layouts"):
        for name, value in report.get(key, {}).items():
            print(f"{name:28} {value if value is not None else 'missing'}")
    print(f"{'device':28} {report['device']}, {report['threads']} threads")
    print(f"{'fonts':28} {', '.join(report['fonts'])}")
    print(f"{'tesseract':28} {', '.join(report['tesseract']) or 'missing'}")
    for warning in report["warnings"]:
        print("note:", warning)
    print("all that the core needs is here" if report["ok"] else "something the core needs is missing: see above")


def _package() -> Path:
    return Path(__file__).parents[1]


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _tesseract() -> list[str]:
    """Languages of the OCR engine, empty if it is not installed."""
    program = shutil.which("tesseract")
    if not program:
        return []
    lines = subprocess.run([program, "--list-langs"], capture_output=True, text=True, timeout=20).stdout.splitlines()
    return [line.strip() for line in lines[1:] if line.strip() and line.strip() != "osd"]


def _embedded() -> dict[str, Any]:
    """Whether the shipped model's files are all there and its weights readable."""
    from safetensors import SafetensorError, safe_open

    from nunbit.files import EMBEDDED

    try:
        with safe_open(EMBEDDED / "model.safetensors", "pt") as f:
            count = sum(f.get_slice(k).get_shape() != [] for k in f.keys())  # noqa: SIM118
        whole = count > 0 and all(
            (EMBEDDED / n).exists() for n in ("config.json", "tokenizer.json", "processor_config.json")
        )
        return {
            "whole": whole,
            "tensors": count,
            "megabytes": round((EMBEDDED / "model.safetensors").stat().st_size / 1e6, 1),
        }
    except (OSError, SafetensorError) as e:
        return {"whole": False, "reason": str(e)[:200]}
