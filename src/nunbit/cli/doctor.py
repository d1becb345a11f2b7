"""``nunbit doctor``: what is installed, what is missing, and what to do about it."""

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
LAYOUT_LIST = "meta_counts.json"
"""The file with names and shapes of the released checkpoints' tensors, in the folder of the reference tensors."""


def examine(layouts: Sequence[str]) -> dict[str, Any]:
    """Examine the installation.

    Args:
        layouts: released checkpoints (`LAYOUTS`) whose names and shapes are also checked.

    Returns:
        JSON values; ``ok`` is False when something that every command needs is missing.

    Raises:
        UserError: an unknown layout.
    """
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
        "errors": [],
    }
    if importlib.util.find_spec("torchvision"):
        report["warnings"].append(
            "torchvision is installed: a build that does not match torch stops transformers from importing"
        )
    if not report["tesseract"]:
        report["warnings"].append(
            "tesseract is missing: the embedded model reads text instead. Install it with tools/system.sh"
        )
    if layouts:
        report["layouts"], report["errors"] = _layouts(layouts)
    core = ("torch", "transformers", "tokenizers", "safetensors", "numpy", "scipy", "pillow")
    fonts = {*LATIN_FONTS, *HANGUL_FONTS} <= {*report["fonts"]}
    whole = all(report["packages"][p] for p in core) and report["embedded_model"]["whole"] and fonts
    report["ok"] = whole and not report["errors"]
    return report


def _layouts(names: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """Each layout beside the list of the released checkpoint's tensors, and what is wrong. Without the list the tensors
    are only counted, which shows nothing: that is an error too.
    """
    from nunbit.models.importers.layout import check_layout

    reference = Path(os.environ.get("NUNBIT_GOLDEN", "../shared/golden")) / LAYOUT_LIST
    found = {name: check_layout(name, reference if reference.is_file() else None) for name in names}
    errors = []
    for name, result in found.items():
        if not result["compared"]:
            errors.append(
                f"{name}: not compared, there is no list of the checkpoint's tensors at '{reference}'; "
                f"set NUNBIT_GOLDEN to the folder of {LAYOUT_LIST}"
            )
        elif not result["ok"]:
            errors.append(f"{name}: names or shapes differ from the list in '{reference}'")
    return found, errors


def as_text(report: dict[str, Any]) -> str:
    """The report for a terminal."""
    lines = []
    for key in ("packages", "embedded_model", "layouts"):
        for name, value in report.get(key, {}).items():
            lines.append(f"{name:28} {value if value is not None else 'missing'}")
    lines.append(f"{'device':28} {report['device']}, {report['threads']} threads")
    lines.append(f"{'fonts':28} {', '.join(report['fonts'])}")
    lines.append(f"{'tesseract':28} {', '.join(report['tesseract']) or 'missing'}")
    lines += [f"note: {warning}" for warning in report["warnings"]]
    lines += [f"error: {error}" for error in report["errors"]]
    complete = "everything that nunbit needs is installed"
    wrong = "see the errors above" if report["errors"] else "something that nunbit needs is missing: see above"
    lines.append(complete if report["ok"] else wrong)
    return "\n".join(lines)


def _package() -> Path:
    return Path(__file__).parents[1]


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _tesseract() -> list[str]:
    """Languages of the OCR engine; empty if it is not installed."""
    program = shutil.which("tesseract")
    if not program:
        return []
    lines = subprocess.run([program, "--list-langs"], capture_output=True, text=True, timeout=20).stdout.splitlines()
    return [line.strip() for line in lines[1:] if line.strip() and line.strip() != "osd"]


def _embedded() -> dict[str, Any]:
    """Whether the embedded model's files are there and its weights can be read."""
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
