"""Ability suites as files that any harness reads: MMBench's TSV, MathVista's JSON, POPE's JSON lines."""

from __future__ import annotations

import base64
import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from nunbit.errors import check_names, unknown_name
from nunbit.evaluation.abilities.drawings import side_by_side
from nunbit.evaluation.abilities.suites import SUITES, Trial, trials
from nunbit.world.base import generator

LAYOUTS = ("mmbench", "mathvista", "pope")


def write(folder: Path, layout: str, *, names: Sequence[str] = (), count: int = 50, seed: int = 0) -> Path:
    """Write the suites that fit the layout (multiple choice for mmbench, yes/no for pope, all for mathvista); returns
    the file.
    """
    if layout not in LAYOUTS:
        raise unknown_name("layout", layout, LAYOUTS)
    check_names("ability", names, SUITES)
    folder.mkdir(parents=True, exist_ok=True)
    todo = [t for name in names or list(SUITES) for t in trials(name, count, seed)]
    return {"mmbench": _mmbench, "mathvista": _mathvista, "pope": _pope}[layout](folder, todo)


def png(trial: Trial) -> bytes:
    """The pictures of a trial side by side as one PNG file."""
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(side_by_side(trial.pictures)).save(out, "PNG")
    return out.getvalue()


def choices(trial: Trial) -> list[str]:
    """Up to four options with the right one among them, in an order that depends on the trial alone."""
    options = list(dict.fromkeys([trial.answer, *trial.options]))[:4]
    order = generator(7, trial.number, "test").permutation(len(options))
    return [options[int(i)] for i in order]


def _mmbench(folder: Path, todo: Sequence[Trial]) -> Path:
    path = folder / "abilities.tsv"
    with path.open("w", encoding="utf-8", newline="") as f:
        rows = csv.writer(f, delimiter="\t")
        rows.writerow(
            ["index", "question", "hint", "A", "B", "C", "D", "answer", "category", "l2-category", "split", "image"]
        )
        for number, t in enumerate(t for t in todo if len(t.options) > 1 and t.answer in t.options):
            given = choices(t)
            rows.writerow(
                [
                    number,
                    t.words,
                    "",
                    *given,
                    *[""] * (4 - len(given)),
                    "ABCD"[given.index(t.answer)],
                    t.suite,
                    t.language,
                    "dev",
                    base64.b64encode(png(t)).decode(),
                ]
            )
    return path


def _mathvista(folder: Path, todo: Sequence[Trial]) -> Path:
    held = {}
    (folder / "images").mkdir(exist_ok=True)
    for number, t in enumerate(todo, start=1):
        name = f"images/{number}.png"
        (folder / name).write_bytes(png(t))
        given = choices(t) if len(t.options) > 1 and t.answer in t.options else None
        whole = t.answer.lstrip("-").isdigit() and not given
        held[str(number)] = {
            "pid": str(number),
            "question": t.words,
            "image": name,
            "choices": given,
            "unit": None,
            "precision": None,
            "answer": t.answer,
            "question_type": "multi_choice" if given else "free_form",
            "answer_type": "text" if not whole else "integer",
            "metadata": {
                "split": "testmini",
                "language": "korean" if t.language == "ko" else "english",
                "source": t.suite,
                "task": t.suite,
                "category": "general-vqa",
                "context": "synthetic scene",
                "grade": "not applicable",
                "skills": [t.suite],
            },
            "query": t.words,
        }
    path = folder / "testmini.json"
    path.write_text(json.dumps(held, ensure_ascii=False, indent=1), encoding="utf-8")
    return path


def _pope(folder: Path, todo: Sequence[Trial]) -> Path:
    path = folder / "abilities_pope.json"
    (folder / "images").mkdir(exist_ok=True)
    lines = []
    for number, t in enumerate((t for t in todo if t.answer in ("yes", "no")), start=1):
        name = f"pope_{number}.png"
        (folder / "images" / name).write_bytes(png(t))
        lines.append(
            json.dumps({"question_id": number, "image": name, "text": t.words, "label": t.answer}, ensure_ascii=False)
        )
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def sheet(names: Sequence[str] = (), seed: int = 0) -> np.ndarray:
    """The first trial of every suite as one picture, to look at."""
    rows = [side_by_side((t.pictures * 3)[:3]) for name in names or list(SUITES) for t in trials(name, 1, seed)]
    return np.concatenate(rows, 0)
